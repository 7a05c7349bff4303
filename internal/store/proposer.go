package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// ProposerID names one life of one proposer of a log that several nodes share. It
// is random.
type ProposerID [16]byte

// String is the id in hexadecimal.
func (id ProposerID) String() string { return hex.EncodeToString(id[:]) }

// ProposerWindow is how long, by the log's time, a proposer is remembered after
// its last batch.
const ProposerWindow = 10 * time.Minute

// Proposer returns the number of a proposer's last batch, 0 if it has had none
// within ProposerWindow. That the row is still here decides nothing.
func (tx *Tx) Proposer(id ProposerID) (uint64, error) {
	if n, ok := tx.proposers[id]; ok {
		return n, nil
	}
	v, closer, err := tx.s.db.Get(appendProposerKey(tx.key[:0], id))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read proposer: %w", err)
	}
	defer closer.Close()
	number, ms, err := decodePair(v)
	if err != nil || tx.time-int64(ms) > ProposerWindow.Milliseconds() {
		return 0, err
	}
	return number, nil
}

// SetProposer keeps the number of a proposer's last batch.
func (tx *Tx) SetProposer(id ProposerID, number uint64) {
	if tx.proposers == nil {
		tx.proposers = make(map[ProposerID]uint64)
	}
	tx.proposers[id] = number
	tx.row = appendPair(tx.row[:0], number, uint64(tx.time))
	tx.set(appendProposerKey(tx.key[:0], id), tx.row)
}

// sweepProposers forgets those whose window is over. They are few: one for each
// process that shared the log.
func (s *Store) sweepProposers(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	old := s.logTime.Load() - ProposerWindow.Milliseconds()
	b := s.db.NewBatch()
	defer b.Close()
	err := scanPrefix(s.db, []byte{prefixProposer}, func(k, v []byte) error {
		_, ms, err := decodePair(v)
		if err != nil || int64(ms) >= old {
			return err
		}
		return b.Delete(k, nil)
	})
	if err != nil || b.Empty() || ctx.Err() != nil {
		return err
	}
	return b.Commit(pebble.NoSync)
}
