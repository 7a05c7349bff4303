package edge

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// want is a value that an entry of the store names.
type want struct {
	ns       godwit.NamespaceID
	key      string
	revision godwit.Revision
	blob     godwit.Blob
}

// values sees to the values that came as references. Those that this node carries
// are fetched in the background; longer ones, which are withheld, are fetched when
// they are read, and kept as long as there is room. Either way a value is fetched
// once, however many wait for it.
type values struct {
	*Edge
	flight  singleflight.Group
	queue   *queue
	kept    *kept
	uploads uploads
	again   chan struct{} // asks for a scan
	noRoom  atomic.Bool   // the last that was fetched in the background found none

	mu      sync.Mutex
	closed  bool
	fetches sync.WaitGroup // which outlive who waits for them
}

// fetchTimeout is for the longest value on a slow line.
const fetchTimeout = 10 * time.Minute

func newValues(e *Edge) *values {
	v := &values{
		Edge: e, queue: newQueue(), kept: newKept(e.cfg.ValueCacheBytes, e.store), again: make(chan struct{}, 1),
	}
	v.rescan()
	return v
}

func (v *values) withheld(b godwit.Blob) bool { return v.cfg.MaxValue > 0 && b.Size > v.cfg.MaxValue }

// missing is how many values are still to be fetched.
func (v *values) missing() int { return v.queue.len() }

// wanted is told of the values that records just applied refer to.
func (v *values) wanted(wants []want) {
	for i := range wants {
		b := wants[i].blob
		if _, ok := v.uploads.find(b); !ok && v.withheld(b) {
			continue
		}
		if !v.queue.add(wants[i]) {
			v.rescan()
			return
		}
	}
}

// open returns the value of an entry, which is fetched if it is not here. Errors:
// godwit.ErrReplaced; godwit.ErrNoUpstream and others with CodeUnavailable.
func (v *values) open(ctx context.Context, ns godwit.NamespaceID, entry *godwit.Entry) (io.ReadCloser, error) {
	b := entry.Value.Blob
	if b.IsZero() {
		return v.store.OpenValue(ctx, ns, entry)
	}
	if v.Barred(ns) {
		return v.through(ctx, want{ns, entry.Key, entry.Revision, b})
	}
	for range 2 { // what was just fetched may have had to make room
		if v.store.HasBlob(b.ID) {
			r, err := v.store.OpenValue(ctx, ns, entry)
			if isCode(err, godwit.CodeDamaged) && v.follow.upstream() != nil {
				_ = v.store.RemoveBlob(b.ID) // it is fetched again
			} else if err == nil || v.store.HasBlob(b.ID) {
				v.kept.used(b.ID)
				return r, err
			}
		}
		w := want{ns, entry.Key, entry.Revision, b}
		if err := v.wait(ctx, w); isCode(err, godwit.CodeDiskFull) {
			return v.through(ctx, w)
		} else if err != nil {
			return nil, err
		}
	}
	return nil, godwit.Errorf(godwit.CodeUnavailable, "The value was fetched and dropped again: there is too little room for values.")
}

// wait fetches a value, or waits for who is fetching it.
func (v *values) wait(ctx context.Context, w want) error {
	c := v.follow.upstream()
	if c == nil {
		return godwit.ErrNoUpstream
	}
	done := v.flight.DoChan(string(w.blob.ID[:]), func() (any, error) {
		if !v.begin() {
			return nil, godwit.ErrNoUpstream
		}
		defer v.fetches.Done()
		return nil, v.fetch(c, w)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request ended before the value was fetched.", Err: ctx.Err()}
	}
}

// begin is false once the edge is closed.
func (v *values) begin() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.fetches.Add(1)
	}
	return !v.closed
}

// close waits for the fetches, which have been told to end: the store is closed
// next.
func (v *values) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.fetches.Wait()
}

// fetch makes a value be here. It serves all who wait for it, so that none of
// them can end it; that the upstream goes away does.
func (v *values) fetch(c *feed.Client, w want) error {
	if v.store.HasBlob(w.blob.ID) || v.adopt(w) {
		return nil
	}
	ctx, cancel := v.follow.bind(v.ctx, c)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, fetchTimeout)
	defer stop()
	r, err := c.Value(ctx, w.ns, w.key, w.revision, w.blob)
	if err != nil {
		v.follow.lost(c, err)
		return err
	}
	defer r.Close()
	if err := v.store.ImportBlob(ctx, w.blob, r); err != nil {
		if godwit.CodeOf(err) == godwit.CodeInternal {
			err = &godwit.Error{Code: godwit.CodeUnavailable, Message: "The value could not be fetched from upstream.", Err: err}
		}
		return err
	}
	v.metrics.fetched.Inc()
	v.keep(w.ns, w.blob)
	return nil
}

// adopt takes the content from a value that was uploaded here, if it is the same.
func (v *values) adopt(w want) bool {
	from, ok := v.uploads.find(w.blob)
	if !ok || v.store.AdoptBlob(from, w.blob) != nil {
		return false // it is fetched like any other
	}
	v.keep(w.ns, w.blob)
	return true
}

// keep notes that a value is here which may have to make room: it is withheld, or
// of a namespace that this node does not carry. Any other is here for as long as
// its entry, which may have gone while the value came.
func (v *values) keep(ns godwit.NamespaceID, b godwit.Blob) {
	if v.withheld(b) || !v.follow.carries(ns) {
		v.kept.add(b)
		return
	}
	if err := v.store.SpareBlob(ns, b.ID); err != nil {
		v.log.Warn("look whether a value is still named", logError, err.Error())
	}
}
