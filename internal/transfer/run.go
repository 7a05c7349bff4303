package transfer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// Mark is a place in a source: all before it has been given.
type Mark struct {
	File   int    `json:"file,omitempty"`   // of several
	Line   int64  `json:"line,omitempty"`   // lines that are done
	Sum    uint32 `json:"sum,omitempty"`    // of all lines that are, by which they are known again; 0: not known
	Key    string `json:"key,omitempty"`    // the last key that is done
	Cursor string `json:"cursor,omitempty"` // of the source's own making
}

// Batch is a part of a source.
type Batch struct {
	Items []Item
	Mark  Mark // behind the items
}

// Source gives items. An error ends it; what it gave before is good.
type Source interface {
	Batches(ctx context.Context) iter.Seq2[Batch, error]
}

// Target takes items. Write is called from several goroutines at once, but not for the
// same key; items of one key are written in order. It may return an *ItemError.
type Target interface {
	Write(ctx context.Context, items []Item) error
}

// Progress counts what was done so far. Its fields may be read at any time.
type Progress struct {
	Keys    atomic.Int64 // written
	Bytes   atomic.Int64 // of their names, values and metadata
	Expired atomic.Int64 // left out, for they have ended
	Skipped atomic.Int64 // left out, for they cannot be taken along
}

// Reset begins to count anew.
func (p *Progress) Reset() {
	for _, n := range []*atomic.Int64{&p.Keys, &p.Bytes, &p.Expired, &p.Skipped} {
		n.Store(0)
	}
}

// Options are how Run works.
type Options struct {
	Concurrency int          // requests at once, at the most; 0: DefaultConcurrency
	Progress    *Progress    // nil: nobody counts
	OnMark      func(Mark)   // told of each place up to which all is written; nil: nobody asks
	Now         func() int64 // unix seconds
}

// How much Run does at once.
const (
	DefaultConcurrency = 4
	MaxConcurrency     = 64

	maxInFlight = 64 << 20 // bytes of items that are held
	batchItems  = 4096     // of a batch, about
	batchBytes  = 4 << 20
)

// StoppedError says that something went wrong on the way. All before Done is written,
// and perhaps some of what is behind it.
type StoppedError struct {
	Done Mark
	Err  error
}

// Error implements error.
func (e *StoppedError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *StoppedError) Unwrap() error { return e.Err }

// Run writes what the source gives to the target. Items that have ended are left out.
// When the source fails, all that it gave before is written first. Error:
// *StoppedError.
func Run(ctx context.Context, from Source, to Target, o Options) error {
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	group, ctx := errgroup.WithContext(ctx)
	r := &run{
		Options: o, target: to, seed: maphash.MakeSeed(),
		room: semaphore.NewWeighted(maxInFlight), queues: make([]chan part, o.Concurrency),
	}
	for i := range r.queues {
		r.queues[i] = make(chan part, 1)
		group.Go(func() error { return r.work(ctx, r.queues[i]) })
	}
	var failed error
	group.Go(func() error {
		failed = r.read(ctx, from)
		return nil // what was given before is still to be written
	})
	err := errors.Join(group.Wait(), failed)
	if err != nil {
		return &StoppedError{Done: r.done, Err: first(err)}
	}
	return nil
}

// first is what went wrong before the rest did for that reason.
func first(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) == 0 {
		return err
	}
	return joined.Unwrap()[0]
}

// run is a Run under way.
type run struct {
	Options
	target Target
	seed   maphash.Seed
	room   *semaphore.Weighted // for bytes
	queues []chan part         // each key has its own

	mu      sync.Mutex
	pending []*batch // that are not written, or behind one that is not
	done    Mark
}

// batch is one of the source on its way.
type batch struct {
	mark Mark
	size int64
	left int // parts that are not written
}

// part is what one worker has of a batch.
type part struct {
	items []Item
	of    *batch
}

// read hands out what the source gives, and says that there is no more.
func (r *run) read(ctx context.Context, from Source) error {
	defer func() {
		for _, q := range r.queues {
			close(q)
		}
	}()
	for b, err := range from.Batches(ctx) {
		if err != nil {
			return err
		}
		if err := r.hand(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// hand gives each worker its part of a batch.
func (r *run) hand(ctx context.Context, b Batch) error {
	parts := make([][]Item, len(r.queues))
	now := r.Now()
	t := &batch{mark: b.Mark}
	for i := range b.Items {
		it := &b.Items[i]
		if it.expired(now) {
			r.Progress.Expired.Add(1)
			continue
		}
		w := maphash.String(r.seed, it.Key) % uint64(len(parts))
		parts[w] = append(parts[w], *it)
		t.size += it.size()
	}
	t.size = min(t.size, maxInFlight)
	if err := r.room.Acquire(ctx, t.size); err != nil {
		return context.Cause(ctx)
	}
	r.begin(t, parts)
	for w, items := range parts {
		if len(items) == 0 {
			continue
		}
		select {
		case r.queues[w] <- part{items, t}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// begin notes a batch. One of which nothing is to be written is done at once.
func (r *run) begin(t *batch, parts [][]Item) {
	for _, items := range parts {
		if len(items) > 0 {
			t.left++
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, t)
	r.settle()
}

// work writes one worker's parts, in order.
func (r *run) work(ctx context.Context, queue chan part) error {
	for p := range queue {
		if err := r.target.Write(ctx, p.items); err != nil {
			return err
		}
		var bytes int64
		for i := range p.items {
			it := &p.items[i]
			bytes += int64(len(it.Key) + len(it.Value) + len(it.Metadata))
		}
		r.Progress.Keys.Add(int64(len(p.items)))
		r.Progress.Bytes.Add(bytes)
		r.written(p.of)
	}
	return nil
}

func (r *run) written(t *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.left--
	r.settle()
}

// settle notes how far everything is written; r.mu is held.
func (r *run) settle() {
	moved := false
	for len(r.pending) > 0 && r.pending[0].left == 0 {
		r.done, moved = r.pending[0].mark, true
		r.room.Release(r.pending[0].size)
		r.pending = r.pending[1:]
	}
	if moved && r.OnMark != nil {
		r.OnMark(r.done)
	}
}

// isAny tells whether err is one of several.
func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// Concurrency checks how many requests may be made at once.
func Concurrency(n int) error {
	if n < 1 || n > MaxConcurrency {
		return fmt.Errorf("a concurrency of %d is not between 1 and %d", n, MaxConcurrency)
	}
	return nil
}
