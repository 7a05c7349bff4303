package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/internal/backup/repository"
	"github.com/godwitkv/godwit/internal/store"
)

// Load makes dir, which is absent or empty, a data directory that a centre can be
// started on, from a backup in a repository. Each chunk is proved before anything of it
// is brought in, and the whole is compared with what was backed up. If that fails, dir
// is as it was. A crash leaves a directory that all but Load refuse.
func Load(ctx context.Context, r *repository.Repository, id, dir string, keys *store.Keys) (*Result, error) {
	if err := mustBeEmpty(dir); err != nil {
		return nil, err
	}
	b, err := r.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.Complete(ctx, b); err != nil {
		return nil, err
	}
	if err := mustBeEmpty(dir); err != nil { // still: the place may have taken its time
		return nil, err
	}
	undo, err := willFill(dir)
	if err != nil {
		return nil, err
	}
	cfg := storeIn(dir, keys)
	cfg.Follower, cfg.Filling, cfg.Now = true, true, func() time.Time { return b.Created }
	l := &loader{r: r, b: b, cfg: cfg}
	was, err := l.load(ctx)
	if err != nil {
		return nil, errors.Join(roomless(dir, err), undo())
	}
	return promote(ctx, storeIn(dir, keys), was)
}

type loader struct {
	r   *repository.Repository
	b   *repository.Backup
	cfg store.Config
}

// load fills the directory and checks what has become of it.
func (l *loader) load(ctx context.Context) (*Result, error) {
	if err := l.fill(ctx); err != nil {
		return nil, err
	}
	var problems problems
	digest, at, err := store.FsckDigest(ctx, l.cfg, l.b.Created.Unix()+digestMargin, problems.add)
	if err != nil {
		return nil, err
	}
	if err := problems.err("what was restored is damaged"); err != nil {
		return nil, err
	}
	var result *Result
	err = store.Look(ctx, l.cfg, func(ctx context.Context, s *store.Store) error {
		if s.Mixed() || at != l.b.Revision || digest != l.b.Digest {
			return fmt.Errorf("backup %s is damaged: its chunks do not make the state that it says it is of", l.b.ID)
		}
		stats := s.Stats()
		result = &Result{
			Dir: l.cfg.Dir, Cluster: stats.ClusterID, Revision: s.Revision(), Generation: s.Generation(), Keys: stats.Keys, Bytes: stats.Bytes,
		}
		return hasValues(ctx, s, l.cfg.Dir)
	})
	return result, err
}

// fill brings all records and values in.
func (l *loader) fill(ctx context.Context) (err error) {
	s, err := store.Open(ctx, l.cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	tx := s.Begin()
	tx.Mix()
	if err := commit(tx, store.NoSync); err != nil {
		return err
	}
	f := &filler{loader: l, s: s, values: l.r.Values(l.b)}
	if err := f.fill(ctx); err != nil {
		return err
	}
	tx = s.Begin()
	tx.Advance(l.b.Time)
	if err := errors.Join(tx.Follow(l.b.Cluster, l.b.Epochs(), l.b.Revision), tx.Reach(l.b.Revision)); err != nil {
		tx.Rollback()
		return fmt.Errorf("backup %s: %w", l.b.ID, err)
	}
	return commit(tx, store.Sync)
}

func commit(tx *store.Tx, how store.Durability) error {
	c, err := tx.Commit(how)
	if err != nil {
		return err
	}
	return c.Wait()
}
