package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/internal/backup/place"
)

// Several may make backups in one place, and remove old ones, at the same time, and any
// of them may be killed. What is removed is never what another one counts on:
//
//   - Who makes a backup says so (pending/ID) before it looks at what is there, and
//     counts on chunks that one of the last manifests names, or that are younger than
//     keepFresh.
//   - Who removes takes the manifests first, and then chunks that no manifest names
//     and that are older than keepUnnamed; and these only if nobody makes a backup. A
//     backup that began that long ago was killed. Now and then it looks again: who has
//     begun since may have written one of them anew.
//   - Who has made one looks whether all of its chunks are there before it says so.
const (
	keepFresh   = 12 * time.Hour
	keepUnnamed = 24 * time.Hour
)

// Pruned is what Prune has removed.
type Pruned struct {
	Backups int   `json:"backups"`
	Chunks  int   `json:"chunks"`
	Bytes   int64 `json:"bytes"`
}

// Prune removes all backups that are older than the newest keep, and the chunks that none
// needs any more, a day after the last backup that did. One whose manifest is damaged is
// none of those that are kept.
func (r *Repository) Prune(ctx context.Context, keep int) (p Pruned, err error) {
	if keep < 1 {
		return p, errors.New("at least one backup is to be kept")
	}
	old, err := r.older(ctx, keep)
	if err != nil {
		return p, err
	}
	for _, id := range old {
		if err := r.cfg.Place.Delete(ctx, backupsPrefix+id); err != nil {
			return p, err
		}
		p.Backups++
	}
	if busy, err := r.pending(ctx); busy || err != nil {
		return p, err
	}
	if err := r.cutOff(ctx); err != nil {
		return p, err
	}
	err = r.sweep(ctx, &p)
	return p, err
}

// older are the ids of the backups before the newest so many that can be read.
func (r *Repository) older(ctx context.Context, keep int) ([]string, error) {
	ids, err := r.IDs(ctx)
	if err != nil {
		return nil, err
	}
	for i, id := range slices.Backward(ids) {
		switch _, err := r.Head(ctx, id); {
		case errors.Is(err, errManifest) || errors.Is(err, ErrNoBackup): // the second: somebody else has removed it
			continue
		case err != nil:
			return nil, err
		}
		if keep--; keep == 0 {
			return ids[:i], nil
		}
	}
	return nil, nil
}

// cutOff removes what is left of manifests that were cut off as they were made.
func (r *Repository) cutOff(ctx context.Context) error {
	return r.cfg.Place.List(ctx, backupsPrefix, func(o place.Object) error {
		if !r.unnamed(o) || !strings.HasSuffix(o.Name, place.Partial) {
			return nil
		}
		return r.cfg.Place.Delete(ctx, o.Name)
	})
}

// unnamed tells whether an object is so old that it is not wanted unless it is named.
func (r *Repository) unnamed(o place.Object) bool {
	return r.cfg.Now().Sub(o.Modified) > keepUnnamed
}

// pending tells whether somebody makes a backup, and forgets who has been killed.
func (r *Repository) pending(ctx context.Context) (busy bool, err error) {
	err = r.cfg.Place.List(ctx, pendingPrefix, func(o place.Object) error {
		if r.cfg.Now().Sub(o.Modified) < keepUnnamed {
			busy = true
			return nil
		}
		return r.cfg.Place.Delete(ctx, o.Name)
	})
	return busy, err
}

// sweep removes chunks that no manifest names. A manifest that cannot be read may name
// any.
func (r *Repository) sweep(ctx context.Context, p *Pruned) error {
	ids, err := r.IDs(ctx)
	if err != nil {
		return err
	}
	needed, ids, err := r.needed(ctx, ids)
	if err != nil {
		return fmt.Errorf("nothing but old manifests was removed: %w", err)
	}
	var old []place.Object
	err = r.cfg.Place.List(ctx, chunksPrefix, func(o place.Object) error {
		h, ok := chunkOf(o.Name)
		if r.unnamed(o) && (ok && !needed[h] || strings.HasSuffix(o.Name, place.Partial)) {
			old = append(old, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(old, removedAtOnce) {
		if same, err := r.still(ctx, ids); !same || err != nil {
			return err
		}
		if err := r.remove(ctx, some, p); err != nil {
			return err
		}
	}
	return nil
}

// needed are the chunks of those backups that are still there, whose ids are returned.
func (r *Repository) needed(ctx context.Context, ids []string) (all map[Hash]bool, still []string, err error) {
	all = make(map[Hash]bool)
	for _, id := range ids {
		b, err := r.Head(ctx, id)
		if errors.Is(err, ErrNoBackup) { // somebody else has removed it
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, c := range b.chunks() {
			all[c.Name] = true
		}
		still = append(still, id)
	}
	return all, still, nil
}

// removedAtOnce is how many chunks are removed between two looks.
const removedAtOnce = 32

// still tells whether nobody makes a backup, or has made one beside some.
func (r *Repository) still(ctx context.Context, ids []string) (bool, error) {
	if busy, err := r.pending(ctx); busy || err != nil {
		return false, err
	}
	now, err := r.IDs(ctx)
	return slices.Equal(now, ids), err
}

func (r *Repository) remove(ctx context.Context, old []place.Object, p *Pruned) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, o := range old {
		p.Chunks++
		p.Bytes += o.Size
		group.Go(func() error { return r.cfg.Place.Delete(ctx, o.Name) })
	}
	return group.Wait()
}
