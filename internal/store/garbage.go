package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// sweepGarbage removes the files of blobs that none has named for the grace.
func (s *Store) sweepGarbage(ctx context.Context) error {
	if err := s.redateGarbage(ctx); err != nil {
		return err
	}
	c := chunks{s, []byte{prefixGarbage}}
	upper := secondKey(prefixGarbage, s.cfg.Now().Unix()+1)
	for ctx.Err() == nil {
		rows, more, err := c.take(upper)
		if err == nil && len(rows) > 0 {
			err = s.removeGarbage(rows)
		}
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

// redateGarbage has the grace count from now where it would end later than any that
// begins now, by another grace at least: the clock was ahead, and is put right. How much of
// it is over nobody knows.
func (s *Store) redateGarbage(ctx context.Context) error {
	now, grace := s.cfg.Now(), s.cfg.BlobGrace
	lower := secondKey(prefixGarbage, now.Add(2*grace).Unix()+1)
	return s.rewriteRange(ctx, lower, []byte{prefixGarbage + 1}, func(b *pebble.Batch, k, v []byte) error {
		id, err := garbageID(k)
		if err != nil {
			return err
		}
		return errors.Join(b.Delete(k, nil), b.Set(appendGarbageKey(nil, now.Add(grace).Unix(), id), v, nil))
	})
}

func garbageID(key []byte) (id godwit.BlobID, err error) {
	if len(key) != 1+8+idLen {
		return id, fmt.Errorf("read garbage row: %w", ErrCorrupt)
	}
	return godwit.BlobID(key[9:]), nil
}

func (s *Store) removeGarbage(rows []row) error {
	if err := s.syncLog(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for _, r := range rows {
		id, err := garbageID(r.key)
		if err != nil {
			return err
		}
		if err := errors.Join(s.removeUnnamed(id, r.value), b.Delete(r.key, nil)); err != nil {
			return err
		}
	}
	return b.Commit(pebble.NoSync)
}

// removeUnnamed removes a blob's file unless the blob has got a name again, which
// it can where another state is taken over. ns is the namespace it was of, or
// empty where none could.
func (s *Store) removeUnnamed(id godwit.BlobID, ns []byte) error {
	if len(ns) == nsLen {
		_, closer, err := s.db.Get(appendBlobKey(nil, godwit.NamespaceID(ns), id))
		if err == nil {
			return closer.Close()
		}
		if !errors.Is(err, pebble.ErrNotFound) {
			return fmt.Errorf("read blob row: %w", err)
		}
	}
	return s.blobs.Remove(id)
}

// removeOrphans deletes the files of blobs that were uploaded but that no
// record names. It runs when nothing is being uploaded.
func (s *Store) removeOrphans() error {
	ids, err := s.blobs.IDs()
	if err != nil || len(ids) == 0 {
		return err
	}
	named := make(map[godwit.BlobID]bool)
	note := func(k, _ []byte) error {
		if len(k) > idLen {
			named[godwit.BlobID(k[len(k)-idLen:])] = true
		}
		return nil
	}
	err = errors.Join(
		scanPrefix(s.db, []byte{prefixBlob}, note),
		scanPrefix(s.db, []byte{prefixGarbage}, note),
	)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !named[id] {
			if err := s.blobs.Remove(id); err != nil {
				return err
			}
		}
	}
	return nil
}
