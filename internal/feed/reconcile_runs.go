package feed

import (
	"context"
	"errors"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// runs brings the chunks of a blank store's walk in, as runs: while the files of one are
// synced those of the next are made.
type runs struct {
	*installer
	waiting []*chunk // for more, so that all go in together
	bytes   int      // of them
	begun   []begun  // oldest first
}

// begun is a run that is on its way, and the chunks that it is of.
type begun struct {
	run    *store.Run
	chunks []*chunk
}

// all brings in chunks until there are no more.
func (r *runs) all(ctx context.Context, chunks <-chan *chunk) (err error) {
	defer func() { err = errors.Join(err, r.drop()) }()
	for {
		c, err := r.next(chunks)
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		if err := r.gather(c); err != nil {
			return err
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	for len(r.begun) > 0 {
		if err := r.take(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// next is the next chunk, nil after the last. Until it comes, what is begun is brought in.
func (r *runs) next(chunks <-chan *chunk) (*chunk, error) {
	for len(r.begun) > 0 {
		select {
		case c := <-chunks:
			return c, nil
		default:
		}
		if err := r.take(); err != nil {
			return nil, err
		}
	}
	return <-chunks, nil
}

// gather begins a run with a chunk, if it is not better to wait for the next: for noteEvery
// at the most.
func (r *runs) gather(c *chunk) error {
	r.room.Release(c.room)
	r.waiting = append(r.waiting, c)
	r.bytes += c.bytes
	if r.bytes < store.RunBytes && time.Since(r.noted) < noteEvery && !c.last {
		return nil
	}
	return r.begin()
}

// begin begins a run of what waits.
func (r *runs) begin() error {
	if len(r.waiting) == 0 {
		return nil
	}
	if len(r.begun) == store.RunsAhead {
		if err := r.take(); err != nil {
			return err
		}
	}
	if r.Store.DiskFull() {
		return godwit.ErrDiskFull
	}
	var records []*godwit.Record
	for _, c := range r.waiting {
		for i := range c.every {
			records = append(records, &c.every[i])
		}
	}
	r.begun = append(r.begun, begun{r.Store.BeginRun(records), r.waiting})
	r.waiting, r.bytes = nil, 0
	return nil
}

// take brings the oldest run in.
func (r *runs) take() error {
	b := r.begun[0]
	r.begun[0] = begun{}
	r.begun = r.begun[1:]
	if err := r.announce(b.chunks); err != nil {
		return errors.Join(err, b.run.Drop())
	}
	r.tx = r.Store.Begin()
	if err := r.tx.Take(b.run); err != nil {
		return err
	}
	for _, c := range b.chunks {
		r.progress.Taken += int64(len(c.every))
		r.progress.Keys += c.keys
		if c.upTo != nil {
			r.passed(*c.upTo)
		}
	}
	return r.commit()
}

// announce notes the states that chunks are of, and that they come: see store.Tx.Take.
func (r *runs) announce(chunks []*chunk) error {
	for _, c := range chunks {
		r.note.saw(c.state)
	}
	r.tx = r.Store.Begin()
	r.tx.Mix()
	return r.commit()
}

// drop drops what has come to nothing.
func (r *runs) drop() (err error) {
	for _, b := range r.begun {
		err = errors.Join(err, b.run.Drop())
	}
	r.begun = nil
	return err
}
