package edge

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// ErrPassed tells that a copy cannot stop at a revision: it is beyond it, or what
// comes next brings it beyond.
var ErrPassed = errors.New("the copy went past the revision")

// bound keeps the copy from going beyond a revision.
type bound struct {
	changed signal
	limit   atomic.Uint64 // 0: none
	stopped atomic.Uint64 // the limit that something waits behind
}

func (b *bound) set(limit godwit.Revision) {
	b.limit.Store(uint64(limit))
	b.changed.tell()
}

// allows tells whether the copy may go on up to r.
func (b *bound) allows(r godwit.Revision) bool {
	limit := b.limit.Load()
	return limit == 0 || uint64(r) <= limit
}

// Stop lets the copy, which is exact, go no further than it is, until StopAt or
// GoOn.
func (e *Edge) Stop() { e.bound.set(max(e.store.Revision(), 1)) }

// GoOn lets it go on.
func (e *Edge) GoOn() { e.bound.set(0) }

// StopAt lets the copy go on to r, and returns once it is exact there and goes no
// further. Errors: ErrPassed, the context's.
func (e *Edge) StopAt(ctx context.Context, r godwit.Revision) error {
	e.bound.set(r)
	there := false
	err := e.follow.applied.wait(ctx, func() bool {
		stopped := e.bound.stopped.Load() == uint64(r) // before the position is looked at
		is := e.store.Revision()
		there = is == r && e.follow.exact()
		return there || is > r || stopped
	})
	if err == nil && !there {
		return ErrPassed
	}
	return err
}

// awaitBound waits while a frame would bring the copy beyond its bound. What came
// before it is in.
func (l *loop) awaitBound(ctx context.Context, f feed.Frame) error {
	var to godwit.Revision
	switch f := f.(type) {
	case *feed.Records:
		to = f.Revision
	case *feed.Ready:
		to = f.Revision
	}
	if l.bound.allows(to) {
		return nil
	}
	if err := l.apply.commit(); err != nil {
		return err
	}
	return l.bound.changed.wait(ctx, func() bool {
		limit := l.bound.limit.Load()
		if limit == 0 || uint64(to) <= limit {
			return true
		}
		l.bound.stopped.Store(limit)
		l.follow.applied.tell()
		return false
	})
}

// awaitUnbound waits while the copy has a bound at all: to become another copy is out
// of the question then.
func (l *loop) awaitUnbound(ctx context.Context) error {
	return l.bound.changed.wait(ctx, func() bool { return l.bound.limit.Load() == 0 })
}
