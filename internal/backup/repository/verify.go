package repository

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Verify reads backups from the first chunk to the last, and makes sure that each could
// be restored. What several of them have in common is read once, but for the records.
// Errors: what is missing or damaged, by name.
func (r *Repository) Verify(ctx context.Context, ids []string) error {
	there, err := r.there(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	read := make(map[Hash]bool)
	for _, id := range ids {
		b, err := r.Load(ctx, id)
		if err == nil {
			err = r.completeIn(ctx, b, there)
		}
		if err == nil {
			err = r.verify(ctx, b, read)
		}
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// verify reads a backup but for values that were read.
func (r *Repository) verify(ctx context.Context, b *Backup, read map[Hash]bool) error {
	if err := r.Read(ctx, b, func(*Part) error { return nil }); err != nil {
		return fmt.Errorf("backup %s: %w", b.ID, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, c := range b.Values {
		if read[c.Name] {
			continue
		}
		group.Go(func() error {
			_, err := r.fetch(ctx, b, c)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("backup %s: %w", b.ID, err)
	}
	for _, c := range b.Values { // of one with an error some were not
		read[c.Name] = true
	}
	return nil
}
