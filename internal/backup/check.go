package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/store"
)

// named bounds how many of the things that are wrong an error names.
const named = 3

// Check makes sure that a backup, or any whole data directory that no node runs on,
// could be restored, as Restore does.
func Check(ctx context.Context, dir string, keys *store.Keys) (*Result, error) {
	cfg, err := store.ToRead(storeIn(dir, keys))
	if err != nil {
		return nil, err
	}
	return check(ctx, cfg)
}

// check holds every index of a closed store against every other, reads every value
// and compares its hash, and makes sure that the store is whole. It changes nothing.
func check(ctx context.Context, cfg store.Config) (*Result, error) {
	var problems problems
	if err := store.Fsck(ctx, cfg, problems.add); err != nil {
		return nil, err
	}
	if err := problems.err(cfg.Dir + " is damaged"); err != nil {
		return nil, err
	}
	return look(ctx, cfg)
}

// look makes sure that a closed store is whole, and says what it holds. Error: what
// is missing, by name.
func look(ctx context.Context, cfg store.Config) (r *Result, err error) {
	dir := cfg.Dir
	err = store.Look(ctx, cfg, func(ctx context.Context, s *store.Store) error {
		if err := whole(s); err != nil {
			return fmt.Errorf("%s is not a whole copy: %w", dir, err)
		}
		if err := hasValues(ctx, s, dir); err != nil {
			return err
		}
		stats := s.Stats()
		r = &Result{
			Dir: dir, Cluster: stats.ClusterID, Revision: s.Revision(), Generation: s.Generation(), Keys: stats.Keys, Bytes: stats.Bytes,
		}
		return nil
	})
	return r, err
}

// whole makes sure that a store, whoever's it is, holds every entry of one state of
// the log.
func whole(s *store.Store) error {
	if member, err := jetstream.Whole(s); member || err != nil {
		return err
	}
	return edge.Whole(s)
}

// hasValues makes sure that the file of every value is there.
func hasValues(ctx context.Context, s *store.Store, dir string) (err error) {
	view, err := s.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	if has, err := view.HasBlobs(); err != nil || !has {
		return err
	}
	var missing problems
	err = view.Walk(ctx, nil, false, func(r *godwit.Record) error {
		if b := r.Value.Blob; !b.IsZero() && !s.HasBlob(b.ID) {
			missing.add(fmt.Sprintf("namespace %s key %q", r.Namespace, r.Key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return missing.err(dir + " lacks the values of entries")
}

// problems are things that are wrong, the first of them by name.
type problems struct {
	first []string
	count int
}

func (p *problems) add(problem string) {
	if p.count++; len(p.first) < named {
		p.first = append(p.first, problem)
	}
}

func (p *problems) err(what string) error {
	if p.count == 0 {
		return nil
	}
	text := strings.Join(p.first, "; ")
	if p.count > len(p.first) {
		text += fmt.Sprintf("; and %d more", p.count-len(p.first))
	}
	return fmt.Errorf("%s: %s", what, text)
}
