package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit"
)

// Promote makes a closed store one that owns its log, of a generation above all
// that it knows of, and returns that. r is the position at which the caller has
// found it to be a whole copy. It takes effect at once or not at all, but for a
// backup's mark, which goes before. A directory that Copy has filled is finished
// by it. Errors: those of Open; the store has changed, or is a mixture.
func Promote(ctx context.Context, cfg Config, r godwit.Revision) (generation uint64, err error) {
	cfg.setDefaults()
	cfg.Follower, cfg.promoting = true, true
	if err := cfg.mount(); err != nil {
		return 0, err
	}
	if err := cfg.checkDirectory(); err != nil {
		return 0, err
	}
	if err := removeMark(cfg.FS, cfg.Dir); err != nil {
		return 0, err
	}
	s, err := Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	generation, err = s.promote(r)
	if err := errors.Join(err, s.Close()); err != nil {
		return 0, err
	}
	return generation, replaceVersion(cfg.FS, cfg.Dir, versionText(FormatVersion))
}

func (s *Store) promote(r godwit.Revision) (uint64, error) {
	tx := s.Begin()
	if tx.mixed || tx.revision != r {
		tx.Rollback()
		return 0, fmt.Errorf("%s has changed since it was looked at", s.cfg.Dir)
	}
	o := tx.ownership()
	next := max(o.generation+1, o.fence+1, uint64(max(s.cfg.Now().UnixMilli(), 1)))
	if next > godwit.MaxFollowedGeneration {
		tx.Rollback()
		return 0, fmt.Errorf("there is no generation above %d that a follower would take", max(o.generation, o.fence))
	}
	tx.RaiseGeneration(next)
	tx.delete(metaFollower)
	tx.forgetNotes()
	tx.forgetEpochsAhead()
	c, err := tx.Commit(Sync)
	if err != nil {
		return 0, err
	}
	return next, c.Wait()
}

// forgetNotes drops what the store noted as a follower. What is to be erased is no less
// so for that.
func (tx *Tx) forgetNotes() {
	erase := appendNoteKey(nil, eraseNote)
	tx.check(scanPrefix(tx.s.db, appendNoteKey(nil, ""), func(k, _ []byte) error {
		if !bytes.HasPrefix(k, erase) {
			tx.delete(k)
		}
		return nil
	}))
}

// forgetEpochsAhead drops the epochs that begin beyond the position: the store
// holds nothing of them, and its log goes on without.
func (tx *Tx) forgetEpochsAhead() {
	l := tx.s.Lineage()
	for len(l) > 0 && l[len(l)-1].First > tx.revision {
		tx.delete(appendLineageKey(tx.key[:0], l[len(l)-1].First))
		l = l[:len(l)-1]
	}
	tx.lineage = &l
}
