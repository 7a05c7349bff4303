package store

import (
	"errors"
	"fmt"

	"github.com/godwitkv/godwit"
)

// ErrFollower tells that the data is a follower's, which is not to be written to
// as if it were a centre's. Promote makes it one.
var ErrFollower = errors.New("the data is that of an edge")

// ownership is which generation of its log a store is of, and whether there is a
// later one. It is replaced, never changed.
type ownership struct {
	generation uint64 // the log's, and that of the next epoch
	fence      uint64 // the higher one that has taken the log over; 0: none is known
}

func (s *Store) loadGeneration() error {
	o := &ownership{generation: s.Lineage().Generation()}
	row, err := s.getMeta(metaGeneration)
	if err != nil {
		return err
	}
	if row != nil {
		g, fence, err := decodePair(row)
		if err != nil {
			return fmt.Errorf("read generation: %w", err)
		}
		o.generation, o.fence = max(o.generation, g), fence
	}
	s.owner.Store(o)
	return nil
}

// Generation is the highest that the store has followed or was promoted to.
func (s *Store) Generation() uint64 { return s.owner.Load().generation }

// Fenced is the generation that has taken the log over from this store's, 0 if
// none is known. Nothing more is to be written to the log here then.
func (s *Store) Fenced() uint64 { return s.owner.Load().fence }

// Follows tells whether the store is a follower's.
func (s *Store) Follows() (bool, error) {
	row, err := s.getMeta(metaFollower)
	return row != nil, err
}

// checkOwner refuses to open a follower's store as one that owns its log.
func (s *Store) checkOwner() error {
	if s.cfg.Follower {
		return nil
	}
	follows, err := s.Follows()
	if err == nil && follows {
		err = ErrFollower
	}
	return err
}

// ownership is the store's, this transaction's change included.
func (tx *Tx) ownership() ownership {
	if tx.owner != nil {
		return *tx.owner
	}
	return *tx.s.owner.Load()
}

// RaiseGeneration notes that what comes into the store is of generation g from now
// on: nothing of a lower one is taken again. It lifts a fence that is no higher.
func (tx *Tx) RaiseGeneration(g uint64) {
	o := tx.ownership()
	if g <= o.generation {
		return
	}
	o.generation = g
	if o.fence <= g {
		o.fence = 0
	}
	tx.setOwnership(o)
}

func (tx *Tx) setOwnership(o ownership) {
	tx.owner = &o
	tx.row = appendPair(tx.row[:0], o.generation, o.fence)
	tx.set(metaGeneration, tx.row)
}

// Fence notes durably that generation g has taken the log over. Error: g is not
// above the store's own.
func (s *Store) Fence(g uint64) error {
	tx := s.Begin()
	if o := tx.ownership(); g <= o.generation || g > godwit.MaxGeneration {
		tx.Rollback()
		return fmt.Errorf("generation %d does not fence off generation %d", g, o.generation)
	}
	if !tx.Fence(g) {
		tx.Rollback()
		return nil
	}
	c, err := tx.Commit(Sync)
	if err != nil {
		return err
	}
	return c.Wait()
}

// Fence notes that generation g has taken the log over, unless the store knows of
// that or is of no lower one itself. It returns whether it did.
func (tx *Tx) Fence(g uint64) bool {
	o := tx.ownership()
	if g <= o.generation || g <= o.fence {
		return false
	}
	o.fence = g
	tx.setOwnership(o)
	return true
}
