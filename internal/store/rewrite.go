package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// rewriteTries bounds how often a range is written anew until no file of before is left.
const rewriteTries = 4

// errPinned tells that a state was being read which still has what is to go.
var errPinned = errors.New("an older state is being read: it is tried again")

// rewrite has all of a range written anew, also what stands in the lowest level alone: a
// deletion of range keys, of which there are none, reaches over all of it, and so each
// compaction does. The database may compact on its own meanwhile: what counts is that no
// file of before is left.
func (s *Store) rewrite(ctx context.Context, lower, upper []byte, old map[uint64]bool) error {
	for range rewriteTries {
		pinned := s.db.Metrics().Snapshots.PinnedKeys
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		before, err := s.tablesIn(lower, upper)
		if err != nil {
			return err
		}
		maps.Copy(old, before)
		if err := s.compactAll(ctx, lower, upper); err != nil {
			return err
		}
		after, err := s.tablesIn(lower, upper)
		if err != nil {
			return err
		}
		if s.db.Metrics().Snapshots.PinnedKeys == pinned && disjoint(before, after) {
			return nil
		}
	}
	return errPinned
}

// compactAll has each file that reaches into a range compacted.
func (s *Store) compactAll(ctx context.Context, lower, upper []byte) error {
	b := s.db.NewBatch()
	err := errors.Join(b.RangeKeyDelete(lower, upper, nil), b.Commit(pebble.NoSync))
	if err == nil {
		err = s.db.Flush()
	}
	if err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := s.db.Compact(ctx, lower, upper, false); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}

func disjoint(a, b map[uint64]bool) bool {
	for n := range a {
		if b[n] {
			return false
		}
	}
	return true
}

// tablesIn are the numbers of the files of the database that have rows of a range.
func (s *Store) tablesIn(lower, upper []byte) (map[uint64]bool, error) {
	levels, err := s.levels(pebble.WithKeyRangeFilter(lower, upper))
	if err != nil {
		return nil, err
	}
	found := make(map[uint64]bool)
	for _, level := range levels {
		for i := range level {
			found[uint64(level[i].BackingSSTNum)] = true
		}
	}
	return found, nil
}

// renewLogs has all files of the log that were written to so far unlinked, those too
// that the database keeps to use again.
func (s *Store) renewLogs() error {
	s.logs.fresh.Store(true)
	defer s.logs.fresh.Store(false)
	for range stopWrites + 3 {
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
	}
	return nil
}

const (
	unlinkWait  = 30 * time.Second
	unlinkEvery = 10 * time.Millisecond
)

// awaitUnlinked waits until files are gone.
func (s *Store) awaitUnlinked(ctx context.Context, numbers map[uint64]bool) error {
	ctx, cancel := context.WithTimeout(ctx, unlinkWait)
	defer cancel()
	for n := range numbers {
		if err := s.awaitGone(ctx, s.tablePath(n)); err != nil {
			return err
		}
	}
	return nil
}

// logsFS is the file system as the database has it. While fresh is set, a file of the log
// that is to be used again is unlinked instead, and another one made.
type logsFS struct {
	vfs.FS
	fresh atomic.Bool
}

// ReuseForWrite implements vfs.FS.
func (l *logsFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !l.fresh.Load() {
		return l.FS.ReuseForWrite(from, to, category)
	}
	if err := l.Remove(from); err != nil {
		return nil, err
	}
	return l.Create(to, category)
}
