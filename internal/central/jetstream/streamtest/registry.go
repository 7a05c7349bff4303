package streamtest

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// Registry is a registry in memory, that all members of a test share.
type Registry struct {
	mu      sync.Mutex
	members map[string]jetstream.MemberInfo
	secrets map[string]string
	hearers map[*hearer]struct{}
	away    bool
}

// SetAway says whether the registry cannot be reached by anybody.
func (r *Registry) SetAway(is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = is
}

type hearer struct{ pulses chan jetstream.Pulse }

var _ jetstream.Registry = (*Registry)(nil)

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{
		members: make(map[string]jetstream.MemberInfo), secrets: make(map[string]string),
		hearers: make(map[*hearer]struct{}),
	}
}

// Register implements jetstream.Registry.
func (r *Registry) Register(_ context.Context, m jetstream.MemberInfo) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return ErrLost
	}
	if old, ok := r.members[m.Name]; ok && old.Identity != m.Identity {
		return &jetstream.TakenError{Name: m.Name, Identity: old.Identity}
	}
	r.members[m.Name] = m
	return nil
}

// Members implements jetstream.Registry.
func (r *Registry) Members(context.Context) ([]jetstream.MemberInfo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, ErrLost
	}
	var all []jetstream.MemberInfo
	for _, m := range r.members {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b jetstream.MemberInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Remove implements jetstream.Registry.
func (r *Registry) Remove(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.members[name]; !ok {
		return jetstream.ErrNoMember
	}
	delete(r.members, name)
	return nil
}

// Secret implements jetstream.Registry.
func (r *Registry) Secret(_ context.Context, name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.secrets[name], nil
}

// Offer implements jetstream.Registry.
func (r *Registry) Offer(_ context.Context, name, secret string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets[name] == "" {
		r.secrets[name] = secret
	}
	return r.secrets[name], nil
}

// Tell implements jetstream.Registry.
func (r *Registry) Tell(p jetstream.Pulse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return
	}
	for h := range r.hearers {
		select {
		case h.pulses <- p:
		default: // it may be lost
		}
	}
}

// Hear implements jetstream.Registry.
func (r *Registry) Hear(ctx context.Context, fn func(jetstream.Pulse)) error {
	h := &hearer{pulses: make(chan jetstream.Pulse, 64)}
	r.mu.Lock()
	r.hearers[h] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.hearers, h)
	}()
	for {
		select {
		case p := <-h.pulses:
			fn(p)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
