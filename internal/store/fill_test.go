package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestFilling: a directory that is being filled is refused by all but who fills it, at
// every moment of that, and is a centre's once it is promoted.
func TestFilling(t *testing.T) {
	t.Parallel()
	mem := store.NewMemFS()
	filling := store.Config{Dir: "/data", FS: mem, Follower: true, Filling: true, DiskReserve: -1}
	others := filling
	others.Filling = false
	for round := range 2 { // the second goes on where the first was left
		s, err := store.Open(ctx, filling)
		if err != nil {
			t.Fatal(err)
		}
		tx := s.Begin()
		rev := godwit.Revision(6 + round)
		err = errors.Join(
			tx.Follow("abababababababababababababababab", godwit.Lineage{{ID: godwit.EpochID{1}, First: 5}}, rev),
			tx.Install(at(rev, put(ns1, string(rune('a'+round)), "1"))), tx.Reach(rev),
		)
		if err != nil {
			t.Fatal(err)
		}
		c, err := tx.Commit(store.Sync)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Wait(), refusedUnfinished(others), s.Close()); err != nil {
			t.Errorf("round %d, open: %v", round, err)
		}
		if err := refusedUnfinished(others); err != nil {
			t.Errorf("round %d, closed: %v", round, err)
		}
	}
	if err := store.Fsck(ctx, filling, func(p string) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	look := func(_ context.Context, s *store.Store) error {
		if n := s.Stats().Keys; n != 2 || s.Mixed() {
			t.Errorf("%d keys, mixed %t", n, s.Mixed())
		}
		return nil
	}
	if err := store.Look(ctx, filling, look); err != nil {
		t.Error(err)
	}
	own := store.Config{Dir: "/data", FS: mem, DiskReserve: -1}
	if _, err := store.Promote(ctx, own, 7); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(ctx, own)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
