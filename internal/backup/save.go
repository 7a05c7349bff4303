package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/repository"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// Saved is a backup in a repository.
type Saved struct {
	ID         string            `json:"id"`
	Place      string            `json:"repository"`
	Cluster    string            `json:"cluster_id"`
	Revision   godwit.Revision   `json:"-"`
	Generation uint64            `json:"generation"`
	Keys       int64             `json:"keys"`
	Bytes      int64             `json:"bytes"`
	Stored     int64             `json:"stored_bytes"` // what its chunks take, with those it shares
	Added      int64             `json:"added_bytes"`  // what was written for it
	Removed    repository.Pruned `json:"removed"`
}

// SaveConfig is what a backup into a repository needs beside Config, whose Dir is the
// cache: a backup itself, from which the repository is fed, so that the next run asks the
// node for what differs alone.
type SaveConfig struct {
	Config
	Repository *repository.Repository
	// Readers names the recipients that the repository encrypts for, nil if it does not.
	// For others than before a backup is made of new chunks.
	Readers *[32]byte
	Keep    int // how many backups stay; 0: all
}

// Save makes a backup of the node at cfg.URL in a repository: of a state at or after
// the moment of the call, that is there whole or not at all. With a backup an error tells
// of what failed once that was made.
func Save(ctx context.Context, cfg SaveConfig) (*Saved, error) {
	cfg.setDefaults()
	sv := &saver{SaveConfig: cfg}
	sv.whole = sv.note
	// What may not be there is refused before anything is asked of the node.
	if err := sv.bring(ctx, func(h *feed.Hello) error { return sv.Repository.MayHold(ctx, h.Cluster) }); err != nil {
		return nil, err
	}
	var saved *Saved
	err := store.Look(ctx, sv.store(), func(ctx context.Context, s *store.Store) (err error) {
		saved, err = sv.save(ctx, s)
		return err
	})
	if err != nil || cfg.Keep == 0 {
		return saved, err
	}
	cfg.Progress(Progress{Stage: "removing"})
	if saved.Removed, err = cfg.Repository.Prune(ctx, cfg.Keep); err != nil {
		return saved, fmt.Errorf("backup %s is made; remove old ones: %w", saved.ID, err)
	}
	return saved, nil
}

type saver struct {
	SaveConfig
	key repository.Key
	now time.Time // by the node's clock
}

// keyNote is the note in which the cache keeps the key that names chunks, behind whom it
// is for: who makes backups has no identity that would open the one in the last of them.
const keyNote = "repository-key"

// note reads the key in the open cache, or makes one.
func (sv *saver) note(s *store.Store, clock *edge.Clock) error {
	sv.now = clock.Now()
	if sv.Readers == nil {
		return nil
	}
	readers := sv.Readers[:]
	n, err := s.Note(keyNote)
	if err != nil {
		return err
	}
	if len(n) > len(readers) && slices.Equal(n[:len(readers)], readers) {
		sv.key = repository.Key(n[len(readers):])
		return nil
	}
	sv.key = repository.NewKey()
	tx := s.Begin()
	tx.SetNote(keyNote, slices.Concat(readers, sv.key))
	c, err := tx.Commit(store.Sync)
	if err != nil {
		return err
	}
	return c.Wait()
}

// digestMargin is how much later than the backup an entry must expire to count for its
// digest: what expires about then may have been dropped, by whose clock it had expired.
const digestMargin = 60

// save writes what the cache has.
func (sv *saver) save(ctx context.Context, s *store.Store) (_ *Saved, err error) {
	if err := whole(s); err != nil {
		return nil, fmt.Errorf("%s is not a whole copy: %w", sv.Dir, err)
	}
	sv.Progress(Progress{Stage: "checking"})
	if err := hasValues(ctx, s, sv.Dir); err != nil {
		return nil, err
	}
	view, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	stats := s.Stats()
	w, err := sv.Repository.Begin(ctx, repository.State{
		Cluster: stats.ClusterID, Revision: view.Revision(), Time: view.Time(), Lineage: s.Lineage(), Purged: view.Purged(),
		Keys: stats.Keys, Bytes: stats.Bytes, Created: sv.now.UTC().Truncate(time.Second), Key: sv.key,
	})
	if err != nil {
		return nil, err
	}
	b, err := w.End(ctx, sv.tell(ctx, s, view, w))
	if b == nil {
		return nil, err
	}
	return &Saved{
		ID: b.ID, Place: sv.Repository.String(), Cluster: b.Cluster, Revision: b.Revision, Generation: b.Generation(),
		Keys: b.Keys, Bytes: b.Bytes, Stored: b.Stored(), Added: w.Added(),
	}, err
}

// tell tells the writer what the cache has, and the digest of it.
func (sv *saver) tell(ctx context.Context, s *store.Store, view *store.View, w *repository.Writer) error {
	from, changes := w.From()
	if !changes {
		return sv.tellAll(ctx, s, view, w)
	}
	var digest repository.Hash
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		digest, _, err = s.Digest(gctx, sv.now.Unix()+digestMargin)
		return err
	})
	group.Go(func() error { return view.Changes(gctx, from, view.Revision(), sv.adder(s, w)) })
	err := group.Wait()
	w.SetDigest(digest)
	return err
}

// tellAll tells all entries. The digest is made of what is told, so that each value is
// read once.
func (sv *saver) tellAll(ctx context.Context, s *store.Store, view *store.View, w *repository.Writer) error {
	digest, add := store.NewEntryDigest(sv.now.Unix()+digestMargin), sv.adder(s, w)
	err := view.Walk(ctx, nil, true, func(r *godwit.Record) error {
		digest.Add(r)
		return add(r)
	})
	w.SetDigest(digest.Sum())
	return err
}

// adder returns what adds a record to a backup.
func (sv *saver) adder(s *store.Store, w *repository.Writer) func(*godwit.Record) error {
	done := int64(0)
	return func(r *godwit.Record) error {
		if done++; done%1024 == 0 {
			sv.Progress(Progress{Stage: "saving", Keys: done})
		}
		return w.Add(r, s.OpenBlob)
	}
}
