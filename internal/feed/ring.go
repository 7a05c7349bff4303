package feed

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// batch is one commit as followers get it.
type batch struct {
	prev, revision godwit.Revision
	raw            []byte // the frame with all records, not compressed
	bound          bool   // some of it is of a jurisdiction

	mu     sync.Mutex
	shared []*sharedFrame // one for each filter that was asked for
	held   int64          // bytes that all of it takes
	gone   bool           // from the ring
}

// batchBytes is about what a batch takes beside its bytes.
const batchBytes = 256

// sharedFrame is a batch by one filter. The first follower that wants it makes
// it, others wait, and all send the same bytes.
type sharedFrame struct {
	key   string
	once  sync.Once
	bytes []byte
	err   error
}

// encodeBatch returns nil for what does not fit in a frame.
func encodeBatch(c *store.Committed) *batch {
	const usual = 48 // of a record, beside its key, metadata and value
	size := headBytes + usual
	for i := range c.Records {
		r := &c.Records[i]
		size += usual + len(r.Key) + len(r.Metadata) + len(r.Value.Inline)
	}
	raw, err := AppendFrame(make([]byte, 0, size), &Records{
		Prev: c.Prev, Revision: c.Revision, Time: c.Time, Records: c.Records,
	})
	if err != nil {
		return nil
	}
	return &batch{prev: c.Prev, revision: c.Revision, raw: raw, held: batchBytes + int64(cap(raw))}
}

// slot returns where the batch by a filter is, or will be.
func (b *batch) slot(key string) *sharedFrame {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.shared {
		if s.key == key {
			return s
		}
	}
	s := &sharedFrame{key: key}
	b.shared = append(b.shared, s)
	return s
}

// idleAfter is for how long batches are kept when nobody follows.
const idleAfter = 10 * time.Second

// ring is the most recent batches, one behind the other, from which those who
// are not far behind are served. It keeps nothing for any of them: each asks for
// what comes after where it is, and is told when there is more.
type ring struct {
	most     int64 // bytes
	compress *compressor
	bounds   *bounds
	encoded  prometheus.Counter // frames made of batches
	bytes    atomic.Int64       // of the batches, and of what was made of them

	mu        sync.Mutex
	batches   []*batch // each goes on from the one before
	tail      godwit.Revision
	time      int64 // the log's at the tail, unix milliseconds; 0: not known
	followers int
	left      time.Time     // when the last follower did
	grown     chan struct{} // closed when tail moves; nil: nobody waits
}

func newRing(most int, tail godwit.Revision, b *bounds, encoded prometheus.Counter) *ring {
	return &ring{
		most: int64(most), compress: newCompressor(), bounds: b, encoded: encoded, tail: tail,
	}
}

// attach and detach tell of a follower. While there is none nothing is kept.
func (r *ring) attach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers++
}

func (r *ring) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.followers--; r.followers == 0 {
		r.left = time.Now()
	}
}

// idle tells whether nobody has followed for a while.
func (r *ring) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.followers == 0 && (r.left.IsZero() || time.Since(r.left) > idleAfter)
}

// add takes a commit. What does not go on from the last one, or is too large for
// a frame, empties the ring: who is behind it catches up in rounds.
func (r *ring) add(c *store.Committed) {
	var b *batch
	bound := r.bounds.committed(c)
	if c.Exact && !r.idle() {
		b = encodeBatch(c)
	}
	if b != nil {
		b.bound = bound
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b == nil || b.prev != r.tail {
		r.drop(len(r.batches))
	}
	if b != nil {
		r.push(b)
	}
	r.tail, r.time = c.Revision, c.Time
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

// push and drop need r.mu held.
func (r *ring) push(b *batch) {
	r.batches = append(r.batches, b)
	r.bytes.Add(b.held)
	r.fit()
}

// fit drops the oldest batches until the others fit, if need be all of them.
func (r *ring) fit() {
	for r.bytes.Load() > r.most && len(r.batches) > 0 {
		r.drop(1)
	}
}

// drop takes away the oldest n batches.
func (r *ring) drop(n int) {
	for i, b := range r.batches[:n] {
		b.mu.Lock()
		b.gone = true
		r.bytes.Add(-b.held)
		b.mu.Unlock()
		r.batches[i] = nil
	}
	r.batches = r.batches[n:]
}

// news is what the ring has for who is somewhere in the log.
type news struct {
	batches []*batch        // what comes next, up to some bytes
	ok      bool            // the ring holds all that comes next
	tail    godwit.Revision // how far the ring goes
	time    int64           // the log's there, unix milliseconds; 0: not known
	grown   <-chan struct{} // closed once the ring goes further
}

// after returns what comes after a position, in into's memory, up to about so many
// bytes.
func (r *ring) after(at godwit.Revision, into []*batch, most int) news {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	n := news{batches: into[:0], tail: r.tail, time: r.time, grown: r.grown, ok: true}
	if at >= r.tail { // ahead: a view showed a commit before the ring was told
		return n
	}
	i, found := slices.BinarySearchFunc(r.batches, at, func(b *batch, at godwit.Revision) int {
		return cmp.Compare(b.prev, at)
	})
	if n.ok = found; !found {
		return n
	}
	for _, b := range r.batches[i:] {
		n.batches = append(n.batches, b)
		if most -= len(b.raw); most <= 0 {
			break
		}
	}
	return n
}

// frame returns a batch by a filter, compressed if that pays. Error:
// errFrameTooLarge.
func (r *ring) frame(b *batch, f *filter) ([]byte, error) {
	if !b.bound {
		f = f.open
	}
	s := b.slot(f.key)
	s.once.Do(func() { s.bytes, s.err = r.makeFrame(b, f) })
	return s.bytes, s.err
}

func (r *ring) makeFrame(b *batch, f *filter) (frame []byte, err error) {
	frame = b.raw
	if !f.everything() {
		if frame, err = f.derive(b.raw, r.bounds); err != nil {
			return nil, err
		}
	}
	if short := r.compress.compress(nil, frame); len(short) < len(frame) {
		frame = bytes.Clone(short) // it is kept: without room to grow
	}
	if &frame[0] != &b.raw[0] {
		r.made(b, int64(len(frame)))
	}
	r.encoded.Inc()
	return frame, nil
}

// made counts what was made of a batch, unless it has left the ring.
func (r *ring) made(b *batch, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.gone {
		b.held += bytes
		r.bytes.Add(bytes)
	}
}

// position is how far the ring goes.
func (r *ring) position() godwit.Revision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tail
}
