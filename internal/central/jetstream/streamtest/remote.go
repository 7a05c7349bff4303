package streamtest

import (
	"context"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// remote is a member's way to a registry: it goes where its way to the log goes.
type remote struct {
	stream   *Stream
	registry *Registry
}

var _ jetstream.Registry = (*remote)(nil)

// Registry returns the member's way to a registry, which is cut off where it is cut
// off from the log.
func (s *Stream) Registry(r *Registry) jetstream.Registry { return &remote{s, r} }

// Register implements jetstream.Registry.
func (r *remote) Register(ctx context.Context, m jetstream.MemberInfo) error {
	return r.stream.reach(ctx, func(*Log) error { return r.registry.Register(ctx, m) })
}

// Members implements jetstream.Registry.
func (r *remote) Members(ctx context.Context) (all []jetstream.MemberInfo, err error) {
	err = r.stream.reach(ctx, func(*Log) error {
		all, err = r.registry.Members(ctx)
		return err
	})
	return all, err
}

// Remove implements jetstream.Registry.
func (r *remote) Remove(ctx context.Context, name string) error {
	return r.stream.reach(ctx, func(*Log) error { return r.registry.Remove(ctx, name) })
}

// Secret implements jetstream.Registry.
func (r *remote) Secret(ctx context.Context, name string) (secret string, err error) {
	err = r.stream.reach(ctx, func(*Log) error {
		secret, err = r.registry.Secret(ctx, name)
		return err
	})
	return secret, err
}

// Offer implements jetstream.Registry.
func (r *remote) Offer(ctx context.Context, name, secret string) (kept string, err error) {
	err = r.stream.reach(ctx, func(*Log) error {
		kept, err = r.registry.Offer(ctx, name, secret)
		return err
	})
	return kept, err
}

// Tell implements jetstream.Registry. It does not wait, and needs no leader.
func (r *remote) Tell(p jetstream.Pulse) {
	if r.stream.way().open {
		r.registry.Tell(p)
	}
}

// Hear implements jetstream.Registry.
func (r *remote) Hear(ctx context.Context, fn func(jetstream.Pulse)) error {
	return r.registry.Hear(ctx, func(p jetstream.Pulse) {
		if r.stream.way().open {
			fn(p)
		}
	})
}
