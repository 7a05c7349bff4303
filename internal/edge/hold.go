package edge

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	holdEvery = 10 * time.Millisecond // how often it is looked at
	// holdAt is how few values may be on their way for the copy to be held: they
	// are to be had before the upstream removes what has been replaced.
	holdAt = 8
	// holdAfter is after how long it is held though there are more.
	holdAfter = 3 * time.Second
	// holdTries bounds how often a copy is held at one revision without getting
	// any further.
	holdTries = 20
	holdPause = 500 * time.Millisecond
	// holdFailures is how often a value may fail before it is not waited for any more:
	// the upstream may have lost it.
	holdFailures = 10
)

// hold keeps the loop from following for a while.
type hold struct {
	changed signal
	asked   atomic.Bool
	there   atomic.Bool // the loop waits
}

// pass waits as long as the copy is to be held. It is false once ctx has ended.
func (h *hold) pass(ctx context.Context) bool {
	if !h.asked.Load() {
		return true
	}
	h.there.Store(true)
	err := h.changed.wait(ctx, func() bool { return !h.asked.Load() })
	h.there.Store(false)
	return err == nil
}

func (h *hold) release() {
	h.asked.Store(false)
	h.changed.tell()
}

// Complete brings the copy to a state of the log at or above least, with all values
// that it names, and holds it there: the edge follows no more. Values are fetched
// while it is held, so that no writer can keep it from ending. Errors: the context's;
// the edge's failure; values that the upstream does not have.
func (e *Edge) Complete(ctx context.Context, least godwit.Revision) error {
	tries, last := 0, -1
	for {
		if err := e.awaitNearly(ctx, least); err != nil {
			return err
		}
		if err := e.holdNow(ctx); err != nil {
			return err
		}
		missing, err := e.fetchHeld(ctx)
		if err != nil || missing.values == 0 && e.wholeHere() {
			return err
		}
		if tries++; missing.values != last {
			tries, last = 0, missing.values
		}
		if tries >= holdTries {
			return missing.err()
		}
		e.hold.release()
		if !pause.For(ctx, holdPause) {
			return ctx.Err()
		}
	}
}

// wholeHere tells whether the copy is a prefix of the log, now that it is held.
func (e *Edge) wholeHere() bool { return e.follow.exact() && !e.store.Mixed() }

// poll looks again and again until done says so. Errors: the context's; the edge
// has ended.
func (e *Edge) poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ctx.Done():
			return errEnded
		}
	}
	return nil
}

// awaitNearly waits until holding the copy is worth it.
func (e *Edge) awaitNearly(ctx context.Context, least godwit.Revision) error {
	var since time.Time
	return e.poll(ctx, func() bool {
		if !e.wholeHere() || e.store.Revision() < least {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return e.values.missing() <= holdAt || time.Since(since) >= holdAfter
	})
}

// holdNow ends the stream, and returns once nothing more is applied.
func (e *Edge) holdNow(ctx context.Context) error {
	e.hold.asked.Store(true)
	return e.poll(ctx, func() bool {
		if s := e.session.Load(); s != nil {
			s.cancel(errHeld)
		}
		return e.hold.there.Load()
	})
}

// lacking is what could not be had.
type lacking struct {
	values int
	ns     godwit.NamespaceID // of one of them
	key    string
}

func (l *lacking) err() error {
	return fmt.Errorf("the upstream does not give %d of the values, one of them that of key %q in namespace %s: see what its log and godwit scrub say", l.values, l.key, l.ns)
}

// fetchHeld fetches what is missing while nothing new comes, and returns what could not
// be had: it was replaced, or is damaged there, or the upstream is away.
func (e *Edge) fetchHeld(ctx context.Context) (missing lacking, err error) {
	ended := func() bool {
		return e.values.missing() == 0 || e.follow.upstream() == nil || e.values.queue.stuck(holdFailures)
	}
	for before := -1; ; before = missing.values {
		if err := e.poll(ctx, ended); err != nil {
			return lacking{}, err
		}
		missing = lacking{}
		err := e.store.MissingBlobs(ctx, func(p store.Place, _ *godwit.Entry) error {
			missing.values++
			missing.ns, missing.key = p.Namespace, p.Key
			return nil
		})
		if err != nil || missing.values == 0 || missing.values == before || e.follow.upstream() == nil {
			return missing, err
		}
		e.values.rescan()
		if err := e.poll(ctx, func() bool { return len(e.values.again) == 0 }); err != nil {
			return lacking{}, err
		}
	}
}
