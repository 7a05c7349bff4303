package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// dropEach bounds how many versions one write drops; the sweeper does the rest.
const dropEach = 4

// keyVersions is what a transaction knows of a key's versions.
type keyVersions struct {
	keySummary
	dropped godwit.Revision // of those in the database, all up to it
	added   []versionRow    // in this transaction
}

// keepVersion moves the entry under a key among its earlier versions, if its namespace
// keeps them, and tells whether it has: the entry's value then stays. The entry's own
// row is still there.
func (tx *Tx) keepVersion(id entryID, h Head, until instant, end godwit.VersionEnd) bool {
	if len(tx.s.histories.all)+len(tx.histories) == 0 || h.kind != headEntry || tx.mixed || tx.inexact || tx.err != nil {
		return false
	}
	ns := tx.history(id.ns)
	if !ns.record() {
		return false
	}
	if h.Expiration != 0 && h.Expiration*1000 <= until.time {
		until.time, end = h.Expiration*1000, godwit.VersionExpired
	}
	if err := tx.addVersion(ns, id, h, until, end); err != nil {
		tx.err = err
		return false
	}
	return true
}

// endBy is how a record ends what stood before it.
func endBy(r *godwit.Record) godwit.VersionEnd {
	if r.Op == godwit.OpDelete {
		return godwit.VersionDeleted
	}
	return godwit.VersionReplaced
}

func (tx *Tx) addVersion(ns *namespaceHistory, id entryID, h Head, until instant, end godwit.VersionEnd) error {
	entry, err := tx.entryRowOf(id, h)
	if err != nil {
		return err
	}
	kv, err := tx.versionsOf(id)
	if err != nil {
		return err
	}
	row := appendVersionRow(nil, until, end, entry)
	v, err := decodeVersionRow(row)
	if err != nil {
		return err
	}
	tx.key = appendVersionKey(tx.key[:0], id.ns, id.key, h.Revision)
	tx.set(tx.key, row)
	tx.key = appendEndedKey(tx.key[:0], id.ns, until.revision, h.Revision)
	tx.row = binary.BigEndian.AppendUint64(tx.row[:0], uint64(until.time))
	tx.row = append(tx.row, id.key...)
	tx.set(tx.key, tx.row)
	kv.versions++
	v.inline, v.metadata = nil, bytes.Clone(v.metadata) // many may be added at once: row is not held
	kv.added = append(kv.added, v)
	ns.keys++
	ns.bytes += h.size
	return tx.limitVersions(ns, id, kv, dropEach)
}

// entryRowOf is the row of the entry that stands under a key.
func (tx *Tx) entryRowOf(id entryID, h Head) ([]byte, error) {
	if h.change > 0 {
		c := &tx.changes[h.change-1]
		return tx.rows[c.from:c.to], nil
	}
	row, closer, err := tx.s.db.Get(appendEntryKey(nil, id.ns, id.key))
	if err != nil {
		return nil, fmt.Errorf("read entry that ends: %w", err)
	}
	row = bytes.Clone(row)
	return row, closer.Close()
}

func (tx *Tx) versionsOf(id entryID) (*keyVersions, error) {
	if kv, ok := tx.versions[id]; ok {
		return kv, nil
	}
	kv := new(keyVersions)
	row, closer, err := tx.s.db.Get(appendVersionKey(nil, id.ns, id.key, 0))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("read summary of versions: %w", err)
	default:
		kv.keySummary, err = decodeSummaryRow(row)
		if err := errors.Join(err, closer.Close()); err != nil {
			return nil, err
		}
	}
	if tx.versions == nil {
		tx.versions = make(map[entryID]*keyVersions)
	}
	tx.versions[id] = kv
	return kv, nil
}

// limitVersions drops the oldest versions of a key that are too many, up to most of
// them, and writes the key's summary.
func (tx *Tx) limitVersions(ns *namespaceHistory, id entryID, kv *keyVersions, most int) error {
	limit := int64(ns.policy.Versions)
	for ; kv.versions > limit && most > 0; most-- {
		v, err := tx.oldestVersion(id, kv)
		if err != nil {
			return err
		}
		kv.floor = kv.floor.after(v.until)
		tx.dropVersion(ns, id, kv, v)
	}
	tx.writeSummary(id, kv)
	return tx.err
}

func (tx *Tx) writeSummary(id entryID, kv *keyVersions) {
	tx.key = appendVersionKey(tx.key[:0], id.ns, id.key, 0)
	if kv.versions == 0 {
		tx.delete(tx.key)
		return
	}
	tx.row = appendSummaryRow(tx.row[:0], kv.keySummary)
	tx.set(tx.key, tx.row)
}

// left is the range of rows of a key's versions that this transaction has not dropped.
// It begins where the last dropped one ended, since the next began no earlier: from the
// first revision on the database would step over all that were ever dropped.
func (kv *keyVersions) left(id entryID) (lower, upper []byte) {
	lower = appendVersionKey(nil, id.ns, id.key, max(kv.dropped+1, kv.floor.revision))
	return lower, successor(appendHistoryKey(nil, id.ns, id.key))
}

// oldestVersion takes the oldest version of a key that this transaction has not
// dropped.
func (tx *Tx) oldestVersion(id entryID, kv *keyVersions) (v *versionRow, err error) {
	lower, upper := kv.left(id)
	err = scanRange(tx.s.db, lower, upper, func(_, row []byte) error {
		found, err := decodeVersionRow(bytes.Clone(row))
		if v = &found; err != nil {
			return err
		}
		return errEnough
	})
	switch {
	case errors.Is(err, errEnough):
		kv.dropped = v.revision
		return v, nil
	case err != nil:
		return nil, err
	case len(kv.added) == 0:
		return nil, fmt.Errorf("key has fewer versions than its summary says: %w", ErrCorrupt)
	}
	v = &kv.added[0]
	kv.added = kv.added[1:]
	return v, nil
}

// dropVersion drops a version with all that is counted of it.
func (tx *Tx) dropVersion(ns *namespaceHistory, id entryID, kv *keyVersions, v *versionRow) {
	tx.delete(appendVersionKey(tx.key[:0], id.ns, id.key, v.revision))
	tx.dropVersionRows(id.ns, v)
	kv.versions--
	ns.keys--
	ns.bytes -= v.bytes([]byte(id.key))
}

// dropVersionRows deletes the rows of a version but its own.
func (tx *Tx) dropVersionRows(ns godwit.NamespaceID, v *versionRow) {
	tx.uselessSince(ns, v.until.time) // not only now: for readers it ended then
	tx.delete(appendEndedKey(nil, ns, v.until.revision, v.revision))
	switch v.place {
	case placeRow:
		tx.delete(appendValueKey(nil, ns, v.revision))
	case placeBlob:
		tx.discardBlob(ns, v.blob.ID)
	}
}
