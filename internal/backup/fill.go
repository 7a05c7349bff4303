package backup

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/repository"
	"github.com/godwitkv/godwit/internal/store"
)

// valuesAtOnce is how many values are brought in at once: each waits for the disk.
const valuesAtOnce = 4

// filler brings what is in a repository into a blank store.
type filler struct {
	*loader
	s       *store.Store
	values  *repository.Values
	waiting []*godwit.Record // of the base, for more
	bytes   int              // of them
	begun   []*store.Run     // oldest first
}

// fill brings all chunks in.
func (f *filler) fill(ctx context.Context) (err error) {
	defer func() {
		for _, r := range f.begun {
			err = errors.Join(err, r.Drop())
		}
	}()
	if err := f.r.Read(ctx, f.b, func(p *repository.Part) error { return f.part(ctx, p) }); err != nil {
		return err
	}
	return f.takeAll()
}

// part brings in what is in one chunk, the values first.
func (f *filler) part(ctx context.Context, p *repository.Part) error {
	if err := f.importValues(ctx, p); err != nil {
		return err
	}
	if f.s.DiskFull() {
		return godwit.ErrDiskFull
	}
	if p.Base {
		return f.gather(p)
	}
	if err := f.takeAll(); err != nil {
		return err
	}
	tx := f.s.Begin()
	for i := range p.Items {
		if err := tx.CatchUp(&p.Items[i].Record); err != nil {
			tx.Rollback()
			return fmt.Errorf("backup %s: %w", f.b.ID, err)
		}
	}
	return commit(tx, store.NoSync)
}

func (f *filler) importValues(ctx context.Context, p *repository.Part) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(valuesAtOnce)
	for i := range p.Items {
		it := &p.Items[i]
		if blob := it.Record.Value.Blob; !blob.IsZero() && !f.s.HasBlob(blob.ID) {
			group.Go(func() error { return f.s.ImportBlob(gctx, blob, f.values.Open(gctx, it)) })
		}
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("backup %s: %w", f.b.ID, err)
	}
	return nil
}

// gather begins a run with a chunk of the base, if it is not better to wait for the next.
func (f *filler) gather(p *repository.Part) error {
	for i := range p.Items {
		f.waiting = append(f.waiting, &p.Items[i].Record)
	}
	if f.bytes += p.Bytes; f.bytes < store.RunBytes {
		return nil
	}
	return f.begin()
}

// begin begins a run of what waits.
func (f *filler) begin() error {
	if len(f.waiting) == 0 {
		return nil
	}
	if len(f.begun) == store.RunsAhead {
		if err := f.take(); err != nil {
			return err
		}
	}
	f.begun = append(f.begun, f.s.BeginRun(f.waiting))
	f.waiting, f.bytes = nil, 0
	return nil
}

// take brings the oldest run in.
func (f *filler) take() error {
	r := f.begun[0]
	f.begun[0] = nil
	f.begun = f.begun[1:]
	tx := f.s.Begin()
	if err := tx.Take(r); err != nil {
		tx.Rollback()
		return fmt.Errorf("backup %s: %w", f.b.ID, err)
	}
	return commit(tx, store.NoSync)
}

// takeAll brings in all that has come.
func (f *filler) takeAll() error {
	if err := f.begin(); err != nil {
		return err
	}
	for len(f.begun) > 0 {
		if err := f.take(); err != nil {
			return err
		}
	}
	return nil
}
