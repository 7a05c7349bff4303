package edge

import (
	"context"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// read is a read in both the forms that it can be answered in.
type read[T any] struct {
	local  func(context.Context) (T, godwit.Served, error)
	remote func(context.Context, *feed.Client, godwit.ReadOptions) (T, godwit.Served, error)
}

// answer answers a read: from the copy where that is good enough (HIT, or STALE
// while the upstream is away), else from an upstream that answers (MISS), else from
// the copy as it is (STALE), unless what was asked for is more than that.
func answer[T any](ctx context.Context, e *Edge, ns godwit.NamespaceID, opts godwit.ReadOptions, r read[T]) (out T, served godwit.Served, err error) {
	if err := e.await(ctx, ns, &opts); err != nil {
		return out, served, err
	}
	mixes := e.follow.mixes.Load()
	if status, ok := e.here(ns, opts); ok {
		out, served, err = r.local(ctx)
		if e.follow.mixes.Load() == mixes && !isCode(err, godwit.CodeDamaged) {
			served.Status = status
			return out, served, err
		}
	}
	out, served, err = ask(ctx, e, ns, opts, r)
	if err == nil || isAnswer(err) {
		if served.Revision > e.store.Revision() {
			e.behind.note(ns, served.Revision) // or the next read would show less
		}
		return out, served, err
	}
	if err := e.refuse(ctx, ns, opts, err); err != nil {
		return out, served, err
	}
	out, served, err = r.local(ctx)
	served.Status = godwit.StatusStale
	return out, served, err
}

// await waits, bounded, for what a read asks of the copy beyond its freshness. A
// strong read asks for the revision that a barrier gives, unless the copy is of no
// use anyhow: then the upstream sees to it.
func (e *Edge) await(ctx context.Context, ns godwit.NamespaceID, opts *godwit.ReadOptions) error {
	useful := e.follow.carries(ns) && (e.follow.exact() || e.follow.upstream() == nil)
	if !useful {
		return nil
	}
	if opts.Strong {
		r, err := e.Barrier(ctx)
		if err != nil {
			return &godwit.Error{Code: godwit.CodeUnavailable, Message: "A strong read needs the upstream, which cannot be reached.", Err: err}
		}
		opts.Strong, opts.MinRevision = false, max(opts.MinRevision, r)
	}
	if opts.MinRevision > e.store.Revision() {
		ctx, cancel := context.WithTimeout(ctx, revisionWait)
		defer cancel()
		_ = e.follow.waitRevision(ctx, opts.MinRevision) // or else the upstream is asked
	}
	return nil
}

// ask asks an upstream, and if that turns out to be gone, the next one.
func ask[T any](ctx context.Context, e *Edge, ns godwit.NamespaceID, opts godwit.ReadOptions, r read[T]) (out T, served godwit.Served, err error) {
	opts.MinRevision = max(opts.MinRevision, e.shown(ns))
	err = godwit.ErrNoUpstream
	for range 2 {
		c := e.follow.upstream()
		if c == nil || ctx.Err() != nil {
			break
		}
		out, served, err = askOne(ctx, e, c, opts, r)
		if err == nil || e.follow.upstream() == c {
			break
		}
	}
	return out, served, err
}

func askOne[T any](ctx context.Context, e *Edge, c *feed.Client, opts godwit.ReadOptions, r read[T]) (T, godwit.Served, error) {
	ctx, cancel := e.follow.bind(ctx, c)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, answerWait)
	defer stop()
	out, served, err := r.remote(ctx, c, opts)
	if err != nil {
		e.follow.lost(c, err)
	}
	return out, served, err
}

// shown is the revision that this node has shown of a namespace: whoever answers
// in its place must not show less.
func (e *Edge) shown(ns godwit.NamespaceID) godwit.Revision {
	if !e.follow.exact() {
		return e.behind.of(ns, 0)
	}
	held := e.store.Revision()
	return max(held, e.behind.of(ns, held))
}

// isAnswer tells whether an upstream's error is what the client is to be told:
// that it cannot answer now, or does not take this node's token, is not.
func isAnswer(err error) bool {
	switch godwit.CodeOf(err) {
	case godwit.CodeInternal, godwit.CodeDamaged, godwit.CodeUnavailable, godwit.CodeUnauthenticated, godwit.CodeForbidden, godwit.CodeTooManyRequests:
		return false
	}
	return true
}

// refuse tells why a read that no upstream answers cannot be answered from the
// copy as it is, nil if it can. why is what came of asking.
func (e *Edge) refuse(ctx context.Context, ns godwit.NamespaceID, opts godwit.ReadOptions, why error) error {
	unavailable := func(format string, args ...any) error {
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: godwit.Errorf(0, format, args...).Message, Err: why}
	}
	switch {
	case ctx.Err() != nil:
		return unavailable("The request ended before it was answered.")
	case !e.Ready():
		return unavailable("This node's first copy is not complete, and the upstream cannot be asked.")
	case !e.follow.carries(ns):
		return unavailable("This node does not carry the namespace, and the upstream cannot be asked.")
	case opts.Strong:
		return unavailable("A strong read needs the upstream, which cannot be reached.")
	case opts.MinRevision > 0 && (e.store.Mixed() || opts.MinRevision > e.store.Revision()):
		return unavailable("Revision %s has not reached this node, and no upstream answers with it.", opts.MinRevision)
	}
	return nil
}
