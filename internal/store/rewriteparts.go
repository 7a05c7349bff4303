package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// rewritePart is about how many bytes are written anew at a time: until those are there the
// files of before are too, and the disk has to hold both.
const rewritePart = 64 << 20

// rewriteParts has all of a range written anew, a few files at a time, each with room for
// it above the disk's reserve: what the log appends meanwhile must never find the disk full.
func (s *Store) rewriteParts(ctx context.Context, lower, upper []byte, old map[uint64]bool) error {
	levels, err := s.levels()
	if err != nil {
		return err
	}
	for _, cut := range append(cuts(levels, lower, upper, s.cfg.rewritePart), upper) {
		if err := s.awaitRoom(ctx, lower, cut, old); err != nil {
			return err
		}
		if err := s.rewrite(ctx, lower, cut, old); err != nil {
			return err
		}
		lower = cut
	}
	return nil
}

// awaitRoom makes sure that a part can be written anew. The parts before it give their room
// back in a moment, unless their files are being read.
func (s *Store) awaitRoom(ctx context.Context, lower, upper []byte, old map[uint64]bool) error {
	levels, err := s.levels()
	if err != nil {
		return err
	}
	need := rewriteRoom(levels, lower, upper)
	if s.space.spare() >= need {
		return nil
	}
	if err := s.awaitUnlinked(ctx, old); err != nil {
		return err
	}
	if spare := s.space.spare(); spare < need {
		return fmt.Errorf("the disk has too little room: it is tried again, and needs %d bytes above the reserve of %d, where %d are free", need, s.space.reserve(), max(spare, 0))
	}
	return nil
}

// levels are the files of the database that are in use, level by level.
func (s *Store) levels(which ...pebble.SSTablesOption) ([][]pebble.SSTableInfo, error) {
	levels, err := s.db.SSTables(which...)
	if err != nil {
		return nil, fmt.Errorf("list files of the database: %w", err)
	}
	return levels, nil
}

// cuts are where to cut a range into parts of so many bytes: behind files of the lowest
// level, which has most of it, so that none is written for two parts.
func cuts(levels [][]pebble.SSTableInfo, lower, upper []byte, each int64) (at [][]byte) {
	lowest, size := levels[len(levels)-1], int64(0)
	for i := range lowest {
		f := &lowest[i]
		if !reaches(f, lower, upper) {
			continue
		}
		behind := append(bytes.Clone(f.Largest.UserKey), 0)
		if size += int64(f.Size); size >= each && bytes.Compare(behind, upper) < 0 {
			at, size = append(at, behind), 0
		}
	}
	return at
}

// rewriteRoom is how many bytes writing a part anew takes at the most, until the files of
// before are gone: those of the files that reach into it, and of those that these reach over
// in the level below.
func rewriteRoom(levels [][]pebble.SSTableInfo, lower, upper []byte) (size int64) {
	from, to := lower, upper
	for _, level := range levels {
		nextFrom, nextTo := lower, upper
		for i := range level {
			f := &level[i]
			if reaches(f, from, to) {
				size += int64(f.Size)
			}
			if reaches(f, lower, upper) {
				nextFrom, nextTo = lesser(nextFrom, f.Smallest.UserKey), greater(nextTo, f.Largest.UserKey)
			}
		}
		if len(level) > 0 {
			from, to = nextFrom, nextTo
		}
	}
	return size
}

// reaches tells whether a file has something from lower on and up to upper.
func reaches(f *pebble.SSTableInfo, lower, upper []byte) bool {
	return bytes.Compare(f.Smallest.UserKey, upper) <= 0 && bytes.Compare(f.Largest.UserKey, lower) >= 0
}

func lesser(a, b []byte) []byte {
	if bytes.Compare(b, a) < 0 {
		return b
	}
	return a
}

func greater(a, b []byte) []byte {
	if bytes.Compare(b, a) > 0 {
		return b
	}
	return a
}
