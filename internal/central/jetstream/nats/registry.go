package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/pause"
)

// RegistryConfig says whose registry, and how to make it. Conn and Cluster are
// required.
type RegistryConfig struct {
	Conn     *Conn
	Cluster  string
	Replicas int          // default: 3
	Logger   *slog.Logger // default: none
}

// Registry is what the members of a cluster know of each other, in a bucket of
// JetStream's KV: the members in one value, so that each change of them is decided
// at once, and each secret in another. The bucket's leader is asked, never a
// replica that may be behind.
type Registry struct {
	cfg  RegistryConfig
	conn *Conn

	mu    sync.Mutex
	there bool // the bucket is, and is as it must be
}

var _ jetstream.Registry = (*Registry)(nil)

// NewRegistry starts nothing; the bucket is made when it is first needed.
func NewRegistry(cfg RegistryConfig) *Registry {
	if cfg.Replicas == 0 {
		cfg.Replicas = 3
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Registry{cfg: cfg, conn: cfg.Conn}
}

// conflictPause lets the change that was in the way arrive.
const conflictPause = 10 * time.Millisecond

const (
	membersKey   = "members"
	secretPrefix = "secret."
)

// Register implements jetstream.Registry.
func (r *Registry) Register(ctx context.Context, m jetstream.MemberInfo) error {
	return r.change(ctx, func(members map[string]entry) error {
		if kept, ok := members[m.Name]; ok && kept.Identity != m.Identity {
			return &jetstream.TakenError{Name: m.Name, Identity: kept.Identity}
		}
		members[m.Name] = r.conn.cfg.Server.entry(m)
		return nil
	})
}

// entry is a member as the bucket has it.
type entry struct {
	jetstream.MemberInfo
	// Server is the name of the member's server, if it has one, and Peer what the
	// cluster calls it: NATS forgets the names of servers that are gone.
	Server string `json:"server,omitempty"`
	Peer   string `json:"peer,omitempty"`
}

// Members implements jetstream.Registry.
func (r *Registry) Members(ctx context.Context) ([]jetstream.MemberInfo, error) {
	members, _, err := r.members(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]jetstream.MemberInfo, 0, len(members))
	for _, m := range members {
		list = append(list, m.MemberInfo)
	}
	slices.SortFunc(list, func(a, b jetstream.MemberInfo) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Remove implements jetstream.Registry. Where NATS is in this process, the member's
// server, which must have stopped, leaves it too.
func (r *Registry) Remove(ctx context.Context, name string) error {
	members, _, err := r.members(ctx)
	if err != nil {
		return err
	}
	gone, ok := members[name]
	if !ok {
		return jetstream.ErrNoMember
	}
	if s := r.conn.cfg.Server; s != nil && len(s.cfg.Peers) > 1 {
		delete(members, name)
		if err := s.evict(ctx, gone, members); err != nil {
			return fmt.Errorf("remove server of %s: %w", name, err)
		}
	}
	return r.change(ctx, func(members map[string]entry) error {
		if _, ok := members[name]; !ok {
			return jetstream.ErrNoMember
		}
		delete(members, name)
		return nil
	})
}

// Secret implements jetstream.Registry.
func (r *Registry) Secret(ctx context.Context, name string) (string, error) {
	value, _, err := r.get(ctx, secretPrefix+name)
	return string(value), err
}

// Offer implements jetstream.Registry.
func (r *Registry) Offer(ctx context.Context, name, secret string) (string, error) {
	for {
		kept, sequence, err := r.get(ctx, secretPrefix+name)
		if err != nil || len(kept) > 0 {
			return string(kept), err
		}
		err = r.put(ctx, secretPrefix+name, []byte(secret), sequence)
		switch {
		case err == nil:
			return secret, nil
		case !errors.Is(err, errConflict):
			return "", err
		}
		if !pause.For(ctx, conflictPause) {
			return "", ctx.Err()
		}
	}
}

// change replaces the members by what fn makes of them, which it is told again if
// they changed meanwhile.
func (r *Registry) change(ctx context.Context, fn func(map[string]entry) error) error {
	for {
		members, sequence, err := r.members(ctx)
		if err != nil {
			return err
		}
		if err := fn(members); err != nil {
			return err
		}
		value, err := json.Marshal(members)
		if err != nil {
			return fmt.Errorf("encode members: %w", err)
		}
		if err := r.put(ctx, membersKey, value, sequence); !errors.Is(err, errConflict) {
			return err
		}
		if !pause.For(ctx, conflictPause) {
			return ctx.Err()
		}
	}
}

func (r *Registry) members(ctx context.Context) (map[string]entry, uint64, error) {
	value, sequence, err := r.get(ctx, membersKey)
	if err != nil {
		return nil, 0, err
	}
	members := make(map[string]entry)
	if len(value) > 0 {
		if err := json.Unmarshal(value, &members); err != nil {
			return nil, 0, fmt.Errorf("decode members: %w", err)
		}
	}
	return members, sequence, nil
}

// Tell implements jetstream.Registry. What finds no connection is not told.
func (r *Registry) Tell(p jetstream.Pulse) {
	b, err := json.Marshal(p)
	if err == nil {
		err = r.conn.nc.Publish(pulseSubject(r.cfg.Cluster), b)
	}
	if err != nil {
		r.cfg.Logger.Debug("pulse not told", logError, err.Error())
	}
}

// Hear implements jetstream.Registry. The connection does not hear itself.
func (r *Registry) Hear(ctx context.Context, fn func(jetstream.Pulse)) error {
	heard, err := r.conn.nc.SubscribeSync(pulseSubject(r.cfg.Cluster))
	if err != nil {
		return fmt.Errorf("subscribe to pulses: %w", err)
	}
	defer func() { _ = heard.Unsubscribe() }() // or the connection is gone, and it with it
	for {
		m, err := heard.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, natsgo.ErrSlowConsumer): // the next one tells it all again
			continue
		case err != nil:
			return fmt.Errorf("wait for pulses: %w", err)
		}
		var p jetstream.Pulse
		if json.Unmarshal(m.Data, &p) == nil {
			fn(p)
		}
	}
}
