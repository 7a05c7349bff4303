package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	fetchers   = 4
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second

	// tellFailures is how often a value may fail before that is worth a warning: half a
	// minute, where it is the only one.
	tellFailures = 50
)

// rescan asks for a scan of the store for values that are not here.
func (v *values) rescan() {
	select {
	case v.again <- struct{}{}:
	default:
	}
}

// run fetches what is wanted until ctx ends.
func (v *values) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range fetchers {
		g.Go(func() error { return v.fetchLoop(ctx) })
	}
	g.Go(func() error { return v.scanLoop(ctx) })
	g.Go(func() error { return v.uploadLoop(ctx) })
	return g.Wait()
}

// scanLoop looks for values that are not here: at the start, after a reconcile,
// and when more were wanted at once than the queue holds.
func (v *values) scanLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.again:
		}
		err := v.scan(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errQueueFull) {
			if !v.queue.drained(ctx) {
				return nil
			}
			v.rescan()
		} else if err != nil {
			v.log.Error("look for values that are not here", logError, err.Error())
		}
	}
}

func (v *values) scan(ctx context.Context) error {
	return v.store.Blobs(ctx, func(p store.Place, e *godwit.Entry, here bool) error {
		b := e.Value.Blob
		switch {
		case here:
			v.keep(p.Namespace, b)
		case v.withheld(b):
		case !v.queue.add(want{p.Namespace, p.Key, e.Revision, b}):
			return errQueueFull
		}
		return nil
	})
}

// fetchLoop fetches one value after the other. One that does not come is tried
// again after the others.
func (v *values) fetchLoop(ctx context.Context) error {
	wait := firstRetry
	for {
		w, ok := v.queue.take(ctx)
		if !ok {
			return nil
		}
		err := v.follow.linked.wait(ctx, func() bool { return v.follow.upstream() != nil })
		if err == nil {
			err = v.prefetch(ctx, w)
		}
		if ctx.Err() != nil {
			return nil
		}
		v.noRoom.Store(isCode(err, godwit.CodeDiskFull))
		if err == nil {
			v.queue.done(w)
			wait = firstRetry
			continue
		}
		v.failed(w, err)
		if !pause.For(ctx, wait-rand.N(wait/4)) {
			return nil
		}
		wait = min(2*wait, lastRetry)
	}
}

// failed puts back a value that did not come.
func (v *values) failed(w want, err error) {
	log := v.log.With(logNamespace, w.ns.String(), logRevision, uint64(w.revision))
	if v.queue.retry(w) == tellFailures {
		log.Warn("a value does not come: it is asked for again and again", logError, err.Error())
		return
	}
	log.Debug("fetch value", logError, err.Error())
}

// prefetch fetches a value unless nobody wants it any more.
func (v *values) prefetch(ctx context.Context, w want) error {
	e, _, err := v.store.Get(ctx, w.ns, []byte(w.key), godwit.ReadOptions{})
	if errors.Is(err, godwit.ErrKeyNotFound) || errors.Is(err, godwit.ErrNamespaceNotFound) || err == nil && e.Value.Blob.ID != w.blob.ID {
		return nil
	}
	if err != nil {
		return err
	}
	err = v.wait(ctx, w)
	if isReplaced(err) || isCode(err, godwit.CodeKeyNotFound) || isCode(err, godwit.CodeNamespaceNotFound) {
		return nil // its successor is on its way
	}
	return err
}

var errQueueFull = errors.New("too many values wait")

// maxQueue bounds how many values wait. Of more a scan of the store tells later.
const maxQueue = 1 << 16

// queue is the values to be fetched in the background, oldest first.
type queue struct {
	most    int
	changed signal

	mu      sync.Mutex
	waiting []want
	all     map[godwit.BlobID]int // those that are being fetched too, and how often each has failed
}

func newQueue() *queue { return &queue{most: maxQueue, all: make(map[godwit.BlobID]int)} }

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.all)
}

// add is false if there is no room.
func (q *queue) add(w want) bool {
	defer q.changed.tell()
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.all[w.blob.ID]; ok {
		return true
	}
	if len(q.all) >= q.most {
		return false
	}
	q.all[w.blob.ID] = 0
	q.waiting = append(q.waiting, w)
	return true
}

// take waits for a value to fetch. It is false once ctx has ended.
func (q *queue) take(ctx context.Context) (w want, ok bool) {
	err := q.changed.wait(ctx, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		if len(q.waiting) == 0 {
			return false
		}
		w = q.waiting[0]
		q.waiting[0] = want{}
		q.waiting = q.waiting[1:]
		return true
	})
	return w, err == nil
}

// drained waits until nothing is left. It is false once ctx has ended.
func (q *queue) drained(ctx context.Context) bool {
	return q.changed.wait(ctx, func() bool { return q.len() == 0 }) == nil
}

// done drops a value that was taken.
func (q *queue) done(w want) {
	defer q.changed.tell()
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.all, w.blob.ID)
}

// stuck tells whether there is nothing left but values that have failed so often.
func (q *queue) stuck(often int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, failed := range q.all {
		if failed < often {
			return false
		}
	}
	return len(q.all) > 0
}

// retry puts back a value that was taken and did not come. It returns how often that
// has happened.
func (q *queue) retry(w want) (failures int) {
	defer q.changed.tell()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all[w.blob.ID]++
	q.waiting = append(q.waiting, w)
	return q.all[w.blob.ID]
}
