package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/godwitkv/godwit"
)

// compareTallies looks rows up one by one where tallies tell that some do not fit, to
// find which. It may be that none is wrong: a record of the index that was replaced may
// stand again.
func (f *fsck) compareTallies() error {
	if f.entries.revisions.plus(f.tombstones.revisions) != f.indexes.revisions {
		if err := f.check(f.ctx,
			rowCheck{prefixEntry, f.entryRevision}, rowCheck{prefixTombstone, f.tombstoneRevision},
			rowCheck{prefixIndex, f.indexStands}, rowCheck{prefixRevision, f.revisionStands}); err != nil {
			return err
		}
	}
	if f.entries.dues.plus(f.tombstones.dues) != f.indexes.dues {
		if err := f.check(f.ctx, rowCheck{prefixEntry, f.entryDue}, rowCheck{prefixTombstone, f.tombstoneDue}, rowCheck{prefixDue, f.dueStands}); err != nil {
			return err
		}
	}
	if f.entries.values != f.indexes.values {
		return f.check(f.ctx, rowCheck{prefixEntry, f.entryValue}, rowCheck{prefixValue, f.valueStands})
	}
	return nil
}

// Damaged rows have been told of: what follows leaves them out.

func (f *fsck) entryRevision(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	if row, err := decodeEntryRow(v); ok && err == nil {
		f.lookForRevision(godwit.OpPut, row.revision, ns, key)
	}
}

func (f *fsck) tombstoneRevision(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	if t, err := decodeTombstoneRow(v); ok && err == nil {
		f.lookForRevision(t.op(), t.revision, ns, key)
	}
}

func (f *fsck) indexStands(k, v []byte) {
	last, err := cutIndexKey(k)
	if err == nil {
		_ = decodeIndexRow(last, v, func(r indexed) error {
			f.stands(r)
			return nil
		})
	}
}

func (f *fsck) revisionStands(k, v []byte) {
	if r, err := decodeSingle(k, v); err == nil {
		f.stands(r)
	}
}

// stands looks whether what is under a key is of a revision.
func (f *fsck) stands(r indexed) {
	if h, ok := f.head(r.ns, r.key); (!ok || h.Revision != r.revision) && f.mustStand(r) {
		f.problem("revision %d: key %s %q is not at it", r.revision, r.ns, r.key)
	}
}

func (f *fsck) entryDue(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	if row, err := decodeEntryRow(v); ok && err == nil && row.expiration != 0 && !f.unswept(ns) {
		f.lookForDue(row.expiration, ns, key, row.revision)
	}
}

func (f *fsck) tombstoneDue(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	if t, err := decodeTombstoneRow(v); ok && err == nil && !f.unswept(ns) {
		f.lookForDue(t.due, ns, key, t.revision)
	}
}

func (f *fsck) dueStands(k, v []byte) {
	due, ns, key, ok := cutDueKey(k)
	if !ok || len(v) != 8 || f.dropped[ns] || f.unswept(ns) {
		return
	}
	h, ok := f.head(ns, key)
	at := h.due
	if h.kind == headEntry {
		at = h.Expiration
	}
	if !ok || at != due || h.Revision != godwit.Revision(binary.BigEndian.Uint64(v)) {
		f.problem("time %d: key %s %q has nothing due then", due, ns, key)
	}
}

// entryValue looks for the row of an entry's value.
func (f *fsck) entryValue(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	row, err := decodeEntryRow(v)
	if !ok || err != nil || row.place != placeRow {
		return
	}
	if n := max(f.size(appendValueKey(nil, ns, row.revision)), 0); n != row.size {
		f.problem("entry %s %q: value of %d bytes, not %d", ns, key, n, row.size)
	}
}

// valueStands looks for the entry of a row of v.
func (f *fsck) valueStands(k, _ []byte) {
	if len(k) != 1+nsLen+8 {
		return
	}
	_, r := cutValueKey(k)
	if f.history.values.has(r) {
		return
	}
	found := f.mutationsNear(r)
	for _, rec := range found {
		row, err := decodeEntryRow(f.get(appendEntryKey(nil, rec.ns, string(rec.key))))
		if err == nil && row.revision == r && row.place == placeRow {
			return
		}
	}
	if len(found) == 0 {
		f.problem("value of revision %d: no entry has it", r)
		return
	}
	f.problem("value of revision %d: entry %s %q does not use it", r, found[0].ns, found[0].key)
}

func (f *fsck) lookForRevision(op godwit.Op, r godwit.Revision, ns godwit.NamespaceID, key []byte) {
	for _, rec := range f.mutations(r) {
		if rec.op == op && rec.ns == ns && string(rec.key) == string(key) {
			return
		}
	}
	f.problem("key %s %q: revision %d is not in the index by revision", ns, key, r)
}

func (f *fsck) lookForDue(due int64, ns godwit.NamespaceID, key []byte, r godwit.Revision) {
	got := f.get(appendDueKey(nil, due, ns, string(key)))
	if len(got) != 8 || godwit.Revision(binary.BigEndian.Uint64(got)) != r {
		f.problem("key %s %q: time %d is not in the index by time", ns, key, due)
	}
}

// mutations is what the index has of a revision.
func (f *fsck) mutations(r godwit.Revision) (found []indexed) {
	if r == 0 || r > godwit.MaxRevision {
		return nil
	}
	err := scanRevisions(f.s.db, r-1, r, func(rec indexed) error {
		rec.key = bytes.Clone(rec.key)
		found = append(found, rec)
		return nil
	})
	if err != nil && !errors.Is(err, ErrCorrupt) { // damaged rows are told of by themselves
		f.problem("revision %d: %v", r, err)
	}
	return found
}

// mutations are what the index has of some revisions, all that it has of them.
type mutations struct {
	after, upTo godwit.Revision // of revisions in (after, upTo]
	found       []indexed
}

// nearRecords is about how many mutations are read of the index at once.
const nearRecords = 256

var errNear = errors.New("enough is read")

// mutationsNear is mutations, for who asks in order of revision. It is for one goroutine.
func (f *fsck) mutationsNear(r godwit.Revision) []indexed {
	if r == 0 || r > godwit.MaxRevision {
		return nil
	}
	if r <= f.near.after || r > f.near.upTo {
		f.near = f.readNear(r)
	}
	from, _ := slices.BinarySearchFunc(f.near.found, r, func(m indexed, r godwit.Revision) int { return cmp.Compare(m.revision, r) })
	to := from
	for to < len(f.near.found) && f.near.found[to].revision == r {
		to++
	}
	return f.near.found[from:to]
}

// readNear reads the index from a revision on.
func (f *fsck) readNear(r godwit.Revision) mutations {
	near := mutations{after: r - 1, upTo: godwit.MaxRevision}
	err := scanRevisions(f.s.db, near.after, near.upTo, func(m indexed) error {
		if len(near.found) >= nearRecords && m.revision > near.found[len(near.found)-1].revision {
			near.upTo = m.revision - 1
			return errNear
		}
		m.key = bytes.Clone(m.key)
		near.found = append(near.found, m)
		return nil
	})
	if err != nil && !errors.Is(err, errNear) {
		return mutations{after: r - 1, upTo: r, found: f.mutations(r)}
	}
	return near
}
