package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The sweeper drops what time has made invisible: values of expired entries at
// once, tombstones after the retention, versions that are kept no longer, files of blobs that none names, rows
// that deleted and cleared namespaces left behind, remembered requests. Nothing of it goes
// through the log, and nothing that a decision reads depends on it.
const sweepChunk = 512 // keys under one hold of the write lock

func (s *Store) sweepLoop(ctx context.Context) error {
	tick := time.NewTimer(s.untilSweep())
	defer tick.Stop()
	var met trouble
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			tick.Reset(s.untilSweep())
		}
		s.space.measure()
		if s.durable.failure() != nil {
			return nil
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil && met.logs(err) {
			s.cfg.Logger.Error("sweep", "error", err.Error())
		}
	}
}

// sweepDelay is how long after a second begins it is swept: enough for a timer
// never to be early.
const sweepDelay = 2 * time.Millisecond

// untilSweep is how long it takes until a second has begun, by the corrected
// clock: entries expire then, and who is told of that is told at once.
func (s *Store) untilSweep() time.Duration {
	now := s.cfg.Now()
	return now.Truncate(s.cfg.sweepEvery).Add(s.cfg.sweepEvery + sweepDelay).Sub(now)
}

// Sweep does at once what the store does every second. Errors are those of the
// database.
func (s *Store) Sweep(ctx context.Context) error {
	return errors.Join(
		s.sweepDue(ctx),
		s.sweepHistories(ctx),
		s.sweepRequests(ctx),
		s.sweepProposers(ctx),
		s.sweepGarbage(ctx),
		s.sweepDropped(ctx),
		s.sweepWiped(ctx),
		s.sweepIndex(ctx),
	)
}

var errEnough = errors.New("enough")

type row struct{ key, value []byte }

// chunks is a walk through rows that are swept, a chunk at a time. Each goes on behind the
// one before: from the first row on the database would step over all that the sweep has
// deleted, for each chunk again. What is written before that place meanwhile is for the
// next sweep.
type chunks struct {
	s    *Store
	next []byte // where it goes on
}

// each calls fn for a chunk of the rows before upper, and tells whether there are more. fn
// may end the walk with errEnough.
func (c *chunks) each(upper []byte, fn func(k, v []byte) error) (more bool, err error) {
	if bytes.Compare(c.next, upper) >= 0 { // a clock may go back
		return false, nil
	}
	rows := 0
	err = scanRange(c.s.db, c.next, upper, func(k, v []byte) error {
		if more = rows == sweepChunk; more {
			c.next = bytes.Clone(k)
			return errEnough
		}
		rows++
		return fn(k, v)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return more, err
}

// take returns a chunk of the rows before upper.
func (c *chunks) take(upper []byte) (rows []row, more bool, err error) {
	more, err = c.each(upper, func(k, v []byte) error {
		rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
		return nil
	})
	return rows, more, err
}

// syncLog returns once all that was committed so far is on the disk. A blob's
// file goes only after that: a crash must not bring back an entry without it.
func (s *Store) syncLog() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// rewriteRange lets fn gather changes of the rows of a range, and commits them in
// batches of bounded size.
func (s *Store) rewriteRange(ctx context.Context, lower, upper []byte, fn func(b *pebble.Batch, k, v []byte) error) error {
	const most = 256 << 10
	rows := 0
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	err := scanRange(s.db, lower, upper, func(k, v []byte) error {
		if err := fn(b, k, v); err != nil {
			return err
		}
		if rows++; b.Len() < most {
			if rows%1024 == 0 {
				return ctx.Err()
			}
			return nil
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return err
		}
		b.Reset()
		return ctx.Err()
	})
	if err != nil || b.Empty() {
		return err
	}
	return b.Commit(pebble.NoSync)
}
