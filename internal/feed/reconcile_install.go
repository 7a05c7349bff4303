package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// A commit takes up to so much. No transaction is open, and so nothing keeps the
// store locked, while the upstream is waited for.
const (
	commitEntries = 10_000
	commitBytes   = 4 << 20
	noteEvery     = time.Second // where nothing differs
	tellEvery     = time.Minute // in the log
)

// installer brings chunks in, in order.
type installer struct {
	*walk
	tx       *store.Tx // open; nil: none
	entries  int       // in tx
	bytes    int
	noted    time.Time // when the note was last written
	progress Progress
}

// installAll brings in chunks until there are no more.
func (w *walk) installAll(ctx context.Context, chunks <-chan *chunk) error {
	i := &installer{walk: w}
	defer i.rollback()
	if w.note.Blank {
		return (&runs{installer: i}).all(ctx, chunks)
	}
	for c := range chunks {
		if err := i.install(ctx, c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (i *installer) install(ctx context.Context, c *chunk) error {
	i.room.Release(c.room)
	i.note.saw(c.state)
	for n := range c.steps {
		if err := i.carryOut(ctx, c, &c.steps[n]); err != nil {
			return err
		}
	}
	i.progress.Keys += c.keys
	if c.upTo != nil {
		i.passed(*c.upTo)
	}
	if i.tx == nil && !c.last && time.Since(i.noted) < noteEvery {
		return nil
	}
	return i.commit()
}

func (i *installer) carryOut(ctx context.Context, c *chunk, s *step) error {
	switch {
	case s.record != nil:
		return i.put(s.record)
	case s.fetch:
		return i.fetched(ctx, c, s)
	default:
		return i.remove(s.place)
	}
}

// fetched brings in what stands upstream under a place that differed, which may
// be nothing by now.
func (i *installer) fetched(ctx context.Context, c *chunk, s *step) error {
	if !c.fetching.known(s.place) {
		if err := i.commit(); err != nil {
			return err
		}
		if err := c.fetching.wait(ctx, i.walk); err != nil {
			return err
		}
		i.note.saw(c.fetching.got.state)
	}
	if r := c.fetching.take(s.place); r != nil {
		return i.put(r)
	}
	return i.remove(s.place)
}

func (i *installer) put(r *godwit.Record) error {
	if i.tx == nil && i.Store.DiskFull() {
		return godwit.ErrDiskFull
	}
	if err := i.begin().Install(r); err != nil {
		return fmt.Errorf("put in an entry: %w", err)
	}
	i.progress.Taken++
	if i.full(sizeOf(r)) {
		i.passed(placeOf(r))
		return i.commit()
	}
	return nil
}

func (i *installer) remove(p store.Place) error {
	if err := i.begin().Remove(p); err != nil {
		return fmt.Errorf("remove an entry: %w", err)
	}
	i.progress.Dropped++
	if i.full(len(p.Key)) {
		i.passed(p)
		return i.commit()
	}
	return nil
}

func (i *installer) begin() *store.Tx {
	if i.tx == nil {
		i.tx = i.Store.Begin()
	}
	return i.tx
}

// full counts a change of so many bytes, and tells whether to commit.
func (i *installer) full(bytes int) bool {
	i.entries++
	i.bytes += bytes
	return i.entries >= commitEntries || i.bytes >= commitBytes
}

func (i *installer) passed(p store.Place) {
	i.note.passed(p)
	i.progress.Place = p
}

// commit makes what was gathered visible, together with how far that is.
func (i *installer) commit() error {
	tx := i.begin()
	i.tx, i.entries, i.bytes = nil, 0, 0
	i.note.write(tx)
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return fmt.Errorf("commit what was reconciled: %w", err)
	}
	i.noted = time.Now()
	if i.noted.Sub(i.told) >= tellEvery {
		i.told = i.noted
		i.Logger.Info("reconcile: under way", i.attributes()...)
	}
	if i.Progress != nil {
		i.progress.Bytes = i.received()
		i.Progress(i.progress)
	}
	return nil
}

// attributes describe how far the walk came in the log.
func (i *installer) attributes() []any {
	p := &i.progress
	return append(i.walk.attributes(), []any{"keys", p.Keys, "taken", p.Taken, "dropped", p.Dropped}...)
}

func (i *installer) rollback() {
	if i.tx != nil {
		i.tx.Rollback()
	}
}
