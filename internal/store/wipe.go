package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// A namespace that is cleared as a whole need not be read, whatever it holds: its
// counters are known, and what stands under its keys goes by range. A row of w tells
// that rows of x and b and records of i and r may be left which mean nothing: whoever
// reads one looks at the key. The sweeper takes them away in parts, those of b and x
// first, and forgets the row of w once the index by revision was gone through. If a
// crash comes between, the row is still there, and it begins anew.

// wiped is what is left of a namespace that was cleared as a whole.
type wiped struct {
	before godwit.Revision // records of older revisions in i and r mean nothing
	swept  bool            // only those are left
}

// wipeAbove is how many keys, or tombstones, of a namespace are read rather: the walk
// through all of the index costs more than they do.
const wipeAbove = 1 << 14

func appendWipedRow(b []byte, w wiped) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(w.before))
	if w.swept {
		b = append(b, 1)
	}
	return b
}

func decodeWipedRow(row []byte) (w wiped, err error) {
	if len(row) != 8 && (len(row) != 9 || row[8] != 1) {
		return w, fmt.Errorf("decode row of %d bytes of a cleared namespace: %w", len(row), ErrCorrupt)
	}
	return wiped{godwit.Revision(binary.BigEndian.Uint64(row)), len(row) == 9}, nil
}

// loadWiped reads the rows of w.
func (s *Store) loadWiped() error {
	s.wiped = make(map[godwit.NamespaceID]wiped)
	return scanPrefix(s.db, []byte{prefixWiped}, func(k, row []byte) error {
		w, err := decodeWipedRow(row)
		if err != nil || len(k) != 1+nsLen {
			return fmt.Errorf("read cleared namespaces: %w", ErrCorrupt)
		}
		s.wiped[godwit.NamespaceID(k[1:])] = w
		return nil
	})
}

// wipes tells whether a clearing need not read what it clears. In order of the log all
// that there is is older. Versions that a namespace keeps have values of their own, and
// the system namespace has the clearing.
func (tx *Tx) wipes(c *clearing) (bool, error) {
	if c.prefix != "" || c.ns == godwit.SystemNamespace || tx.mixed || tx.inexact || tx.clearsAgain(c) {
		return false, nil
	}
	if _, kept := tx.s.histories.all[c.ns]; kept || tx.histories[c.ns] != nil {
		return false, nil
	}
	most, n := tx.s.cfg.WipeAbove, tx.countOf(c.ns)
	if n.keys > most {
		return true, nil
	}
	return tx.manyTombstones(c.ns, most)
}

// manyTombstones tells whether the database has more tombstones of a namespace.
func (tx *Tx) manyTombstones(ns godwit.NamespaceID, most int64) (bool, error) {
	if !tx.s.tombstoned.has(ns) {
		return false, nil
	}
	err := scanPrefix(tx.s.db, appendNS(nil, prefixTombstone, ns), func(_, _ []byte) error {
		if most--; most < 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

// wipe clears a namespace without reading it.
func (tx *Tx) wipe(c clearing) {
	tx.dropRows(c.ns, prefixEntry, prefixValue, prefixTombstone)
	tx.useless(c.ns)
	tx.counts[c.ns] = count{}
	tx.unnamed = true
	tx.setWiped(c.ns, wiped{before: c.before})
	tx.cleared = append(tx.cleared, c)
}

func (tx *Tx) setWiped(ns godwit.NamespaceID, w wiped) {
	tx.key = appendNS(tx.key[:0], prefixWiped, ns)
	if w == (wiped{}) {
		tx.delete(tx.key)
	} else {
		tx.row = appendWipedRow(tx.row[:0], w)
		tx.set(tx.key, tx.row)
	}
	if tx.wiped == nil {
		tx.wiped = make(map[godwit.NamespaceID]wiped)
	}
	tx.wiped[ns] = w
}

// unwipe forgets that a namespace was cleared, which is deleted now.
func (tx *Tx) unwipe(ns godwit.NamespaceID) {
	if tx.s.wiped[ns] != (wiped{}) || tx.wiped[ns] != (wiped{}) {
		tx.setWiped(ns, wiped{})
	}
}

// rewindWiped has records after r mean something again: the log may give those
// revisions to others. What stood in the index from there on was taken apart.
func (tx *Tx) rewindWiped(r godwit.Revision) {
	all := maps.Clone(tx.s.wiped)
	maps.Copy(all, tx.wiped)
	for ns, w := range all {
		if w.before > r+1 {
			tx.setWiped(ns, wiped{r + 1, w.swept})
		}
	}
}

// publishWiped lets the sweeper know of what the transaction has cleared.
func (tx *Tx) publishWiped() {
	for ns, w := range tx.wiped {
		if w == (wiped{}) {
			delete(tx.s.wiped, ns)
		} else {
			tx.s.wiped[ns] = w
		}
	}
}

// wipedSwept are the namespaces of which only records of the index are left, and from
// which revision on those mean something.
func (s *Store) wipedSwept() map[godwit.NamespaceID]godwit.Revision {
	var swept map[godwit.NamespaceID]godwit.Revision
	for ns, w := range s.wiped {
		if w.swept {
			if swept == nil {
				swept = make(map[godwit.NamespaceID]godwit.Revision)
			}
			swept[ns] = w.before
		}
	}
	return swept
}

// forgetWiped forgets namespaces whose records the index has no more, unless they were
// cleared again meanwhile.
func (s *Store) forgetWiped(b *pebble.Batch, swept map[godwit.NamespaceID]godwit.Revision) error {
	for ns, before := range swept {
		if s.wiped[ns] != (wiped{before, true}) {
			continue
		}
		if err := b.Delete(appendNS(nil, prefixWiped, ns), nil); err != nil {
			return err
		}
		delete(s.wiped, ns)
	}
	return nil
}

// wiping is one walk through the rows of b of some namespaces, and then through x.
type wiping struct {
	spaces map[godwit.NamespaceID]wiped
	blobs  []godwit.NamespaceID // whose rows of b it has not gone through
	next   []byte               // where it goes on; nil: at the first row
}

// sweepWiped goes on with a walk through what cleared namespaces have left in b and x,
// or begins one. It goes over so many rows in each run.
func (s *Store) sweepWiped(ctx context.Context) error {
	for rows := 0; rows < s.cfg.collectEach && ctx.Err() == nil; {
		n, more, err := s.sweepWipedPart()
		if err != nil || !more {
			return err
		}
		rows += n
	}
	return ctx.Err()
}

// sweepWipedPart goes over some rows under one hold of the write lock.
func (s *Store) sweepWipedPart() (rows int, more bool, err error) {
	tx := s.Begin()
	if s.wiping == nil {
		s.wiping = newWiping(s.wiped)
	}
	if s.wiping == nil {
		tx.Rollback()
		return 0, false, nil
	}
	if rows, err = tx.sweepWiped(s.wiping); err != nil {
		s.wiping = nil
		tx.Rollback()
		return rows, false, err
	}
	err = tx.commitAside()
	return rows, err == nil, err
}

func newWiping(all map[godwit.NamespaceID]wiped) *wiping {
	w := &wiping{spaces: make(map[godwit.NamespaceID]wiped)}
	for ns, is := range all {
		if !is.swept {
			w.spaces[ns] = is
			w.blobs = append(w.blobs, ns)
		}
	}
	if len(w.blobs) == 0 {
		return nil
	}
	return w
}

// sweepWiped removes what means nothing among the next rows, and ends the walk with the
// last of them.
func (tx *Tx) sweepWiped(w *wiping) (rows int, err error) {
	lower, upper, visit := []byte{prefixDue}, []byte{prefixDue + 1}, tx.sweepWipedDue
	if len(w.blobs) > 0 {
		lower = appendNS(nil, prefixBlob, w.blobs[0])
		upper, visit = successor(lower), tx.sweepWipedBlob
	}
	if w.next != nil {
		lower = w.next
	}
	w.next = nil
	err = scanRange(tx.s.db, lower, upper, func(k, row []byte) error {
		if rows == min(sweepChunk, tx.s.cfg.collectEach) {
			w.next = append([]byte(nil), k...)
			return errEnough
		}
		rows++
		return errors.Join(visit(w, k, row), tx.err)
	})
	switch {
	case errors.Is(err, errEnough):
		return rows, nil
	case err != nil:
		return rows, err
	case len(w.blobs) > 0:
		w.blobs = w.blobs[1:]
		return rows, nil
	}
	tx.endWiping(w)
	return rows, tx.err
}

func (tx *Tx) endWiping(w *wiping) {
	for ns, was := range w.spaces {
		if tx.s.wiped[ns] == was {
			tx.setWiped(ns, wiped{was.before, true})
		}
	}
	tx.s.wiping = nil
}

func (tx *Tx) sweepWipedDue(w *wiping, k, row []byte) error {
	due, ns, key, ok := cutDueKey(k)
	if !ok || len(row) != 8 {
		return fmt.Errorf("read due row: %w", ErrCorrupt)
	}
	if _, is := w.spaces[ns]; !is {
		return nil
	}
	h, err := tx.readHead(ns, string(key))
	at := h.due
	if h.kind == headEntry {
		at = h.Expiration
	}
	if err == nil && (h.kind == headNone || at != due) {
		tx.delete(k)
	}
	return err
}

func (tx *Tx) sweepWipedBlob(_ *wiping, k, row []byte) error {
	ns, id, err := cutBlobKey(k)
	if err != nil {
		return err
	}
	r, key, known, err := decodeBlobRow(row)
	if err != nil {
		return err
	}
	if known { // one that an older version wrote was there before
		if b, err := tx.s.blobAt(ns, string(key), r); err != nil || b.ID == id {
			return err
		}
	}
	tx.discardBlob(ns, id)
	return nil
}
