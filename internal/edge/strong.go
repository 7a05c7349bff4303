package edge

import (
	"context"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/trace"
)

const (
	maxBarriers    = 4 // on their way at once, of those that were passed on as often
	barrierTimeout = 2 * time.Second
)

// lanes keep barriers apart by how often who wants them has been passed on. In a
// circle of nodes, one that shared a lane with where it came from would wait for itself.
type lanes [feed.MaxHops + 1]*barriers

func newLanes() (l lanes) {
	for i := range l {
		l[i] = &barriers{slots: make(chan struct{}, maxBarriers)}
	}
	return l
}

// barriers lets all who want a barrier, and whose wish was not sent yet, share
// one: what is sent later holds for who asked before.
type barriers struct {
	slots chan struct{}

	mu   sync.Mutex
	next *barrier // that is not sent yet; nil: none
}

type barrier struct {
	done     chan struct{} // closed once the rest is there
	revision godwit.Revision
	err      error
}

// join returns the barrier that is sent next, and whether the caller is to send it.
func (b *barriers) join() (next *barrier, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next, first = &barrier{done: make(chan struct{})}, true
	}
	return b.next, first
}

// send sends a barrier in its turn: from then on nobody joins it.
func (b *barriers) send(ctx context.Context, it *barrier, fn func(context.Context) (godwit.Revision, error)) {
	defer close(it.done)
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
	}
	b.mu.Lock()
	b.next = nil
	b.mu.Unlock()
	it.revision, it.err = fn(ctx)
}

// Barrier implements godwit.Log.
func (e *Edge) Barrier(ctx context.Context) (godwit.Revision, error) {
	hops := min(feed.Hops(ctx), feed.MaxHops)
	b, first := e.lanes[hops].join()
	if first { // for all who join it, so it does not end with the first one's request
		ctx, cancel := context.WithTimeout(feed.WithHops(trace.With(e.ctx, ctx), hops), barrierTimeout)
		e.lanes[hops].send(ctx, b, e.barrier)
		cancel()
	}
	select {
	case <-b.done:
		return b.revision, b.err
	case <-ctx.Done():
		return 0, &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request ended before the upstream answered.", Err: ctx.Err()}
	}
}

// barrier asks the upstream, and if that turns out to be gone, the next one.
func (e *Edge) barrier(ctx context.Context) (r godwit.Revision, err error) {
	for range 2 {
		var c *feed.Client
		if c, err = e.reach(ctx, revisionWait); err != nil {
			return 0, err
		}
		if r, err = e.barrierOf(ctx, c); err == nil || e.follow.upstream() == c {
			break
		}
	}
	if err != nil && !isCode(err, godwit.CodeUnavailable) { // it is about this node's token
		err = &godwit.Error{Code: godwit.CodeUnavailable, Message: godwit.ErrNoUpstream.Message, Err: err}
	}
	return r, err
}

func (e *Edge) barrierOf(ctx context.Context, c *feed.Client) (godwit.Revision, error) {
	ctx, cancel := e.follow.bind(ctx, c)
	defer cancel()
	r, err := c.Barrier(ctx)
	if err != nil {
		e.follow.lost(c, err)
	}
	return r, err
}

// reach returns an upstream that answers, for which it waits for a while. Error:
// godwit.ErrNoUpstream.
func (e *Edge) reach(ctx context.Context, most time.Duration) (c *feed.Client, err error) {
	if c = e.follow.upstream(); c != nil {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_ = e.follow.linked.wait(ctx, func() bool {
		c = e.follow.upstream()
		return c != nil
	})
	if c == nil {
		return nil, godwit.ErrNoUpstream
	}
	return c, nil
}
