package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// goneRow is the row of d of a namespace of which nothing but records in i and r is
// left.
var goneRow = []byte{1}

// goneNamespaces are those whose records in i and r are to be left out.
func (s *Store) goneNamespaces() (map[godwit.NamespaceID]bool, error) {
	gone := make(map[godwit.NamespaceID]bool)
	return gone, s.scanDropped(func(ns godwit.NamespaceID, row []byte) {
		if len(row) > 0 {
			gone[ns] = true
		}
	})
}

func (s *Store) scanDropped(fn func(ns godwit.NamespaceID, row []byte)) error {
	return scanPrefix(s.db, []byte{prefixDropped}, func(k, row []byte) error {
		if len(k) != 1+nsLen {
			return fmt.Errorf("read dropped row: %w", ErrCorrupt)
		}
		fn(godwit.NamespaceID(k[1:]), row)
		return nil
	})
}

// sweepDropped clears away what deleted namespaces left in b and x; sweepIndex does
// the rest. Ids are never reused, so nobody else touches these rows.
func (s *Store) sweepDropped(ctx context.Context) error {
	s.dropping.Lock()
	defer s.dropping.Unlock()
	var dropped []godwit.NamespaceID
	err := s.scanDropped(func(ns godwit.NamespaceID, row []byte) {
		if len(row) == 0 {
			dropped = append(dropped, ns)
		}
	})
	if err != nil || len(dropped) == 0 {
		return err
	}
	if err := s.syncLog(); err != nil {
		return err
	}
	gone := make(map[godwit.NamespaceID]bool)
	for _, ns := range dropped {
		gone[ns] = true
		if err := s.dropBlobs(ctx, ns); err != nil {
			return err
		}
	}
	if err := s.dropDues(ctx, gone); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	for _, ns := range dropped {
		if err := b.Set(appendNS(nil, prefixDropped, ns), goneRow, nil); err != nil {
			return fmt.Errorf("gather write: %w", err)
		}
	}
	return b.Commit(pebble.NoSync)
}

func (s *Store) dropBlobs(ctx context.Context, ns godwit.NamespaceID) error {
	lower := appendNS(nil, prefixBlob, ns)
	return s.rewriteRange(ctx, lower, successor(lower), func(b *pebble.Batch, k, _ []byte) error {
		_, id, err := cutBlobKey(k)
		if err != nil {
			return err
		}
		return errors.Join(s.blobs.Remove(id), b.Delete(k, nil))
	})
}

func (s *Store) dropDues(ctx context.Context, gone map[godwit.NamespaceID]bool) error {
	lower, upper := []byte{prefixDue}, []byte{prefixDue + 1}
	return s.rewriteRange(ctx, lower, upper, func(b *pebble.Batch, k, _ []byte) error {
		if _, ns, _, ok := cutDueKey(k); !ok || !gone[ns] {
			return nil
		}
		return b.Delete(k, nil)
	})
}
