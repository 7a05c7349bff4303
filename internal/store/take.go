package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/planted"
)

// Apply makes a record take effect and moves the position to it. Its revision is
// above all before it. Its bytes stay the same until the commit's Wait returns, and
// are not kept longer. On a store that is mixed it does what CatchUp does.
func (tx *Tx) Apply(r *godwit.Record) error {
	old, err := tx.Head(r.Namespace, r.Key)
	if err != nil {
		return err
	}
	tx.revision = r.Revision
	if !tx.mixed {
		return tx.take(r, old)
	}
	if is, err := tx.superseded(r, old); is || err != nil {
		return cmp.Or(err, tx.clearBy(r))
	}
	return tx.takeOver(r, old)
}

// change is a key whose row this transaction replaces.
type change struct {
	hash     uint64
	id       entryID
	from, to int // its row in Tx.rows; empty if the key has none any more, or a later one
}

// take puts a record in place of what stands under its key.
func (tx *Tx) take(r *godwit.Record, old Head) error {
	if r.Swept && r.Expiration == 0 {
		return fmt.Errorf("record %d has no value and no expiration", r.Revision)
	}
	from := len(tx.rows)
	h := tx.replace(r, old)
	tx.index(r)
	tx.forgetRow(old)
	tx.changes = append(tx.changes, change{hotHash(tx.s.hot, r.Namespace, r.Key), entryID{r.Namespace, r.Key}, from, len(tx.rows)})
	h.change = len(tx.changes)
	tx.heads[entryID{r.Namespace, r.Key}] = h
	tx.note(r)
	return tx.err
}

// replace writes all rows of what a record puts under a key but those of the index
// by revision.
func (tx *Tx) replace(r *godwit.Record, old Head) Head {
	retention := int64(tx.s.cfg.Retention / time.Second)
	if planted.ForgetTombstone {
		retention = 1
	}
	kept := tx.keepVersion(entryID{r.Namespace, r.Key}, old, instant{r.Revision, tx.time}, endBy(r))
	tx.removeHead(r.Namespace, r.Key, old, kept)
	switch {
	case r.Op == godwit.OpPut && !r.Swept:
		return tx.putEntry(r)
	case r.Op == godwit.OpPut:
		return tx.putTombstone(r.Namespace, r.Key, tombstoneRow{
			kind: tombSwept, revision: r.Revision, due: r.Expiration + retention, expiration: r.Expiration, created: r.Created,
			number: numberOf(r.Value),
		})
	default:
		return tx.putTombstone(r.Namespace, r.Key, tombstoneRow{
			kind: tombDeleted, revision: r.Revision, due: tx.time/1000 + retention,
		})
	}
}

// note keeps a record for those that are told of it.
func (tx *Tx) note(r *godwit.Record) {
	if tx.told != nil {
		tx.told.Records = append(tx.told.Records, *r)
	}
	if r.Namespace == godwit.SystemNamespace {
		tx.noteSystem(r)
	}
}

// forgetRow takes back the row that this transaction gave a key: nobody may find
// in the row cache what was never the last.
func (tx *Tx) forgetRow(h Head) {
	if h.change > 0 {
		c := &tx.changes[h.change-1]
		c.to = c.from
	}
}

func (tx *Tx) putEntry(r *godwit.Record) Head {
	h := Head{
		kind: headEntry, Revision: r.Revision, Expiration: r.Expiration, Created: r.Created,
		at: placeOf(r.Value), blob: r.Value.Blob.ID,
		size:   sizeOf(r),
		number: numberOf(r.Value),
	}
	from := len(tx.rows)
	tx.rows = appendEntryRow(tx.rows, r)
	tx.key = appendEntryKey(tx.key[:0], r.Namespace, r.Key)
	tx.set(tx.key, tx.rows[from:])
	if h.Expiration != 0 {
		tx.setDue(h.Expiration, r.Namespace, r.Key, r.Revision)
	}
	switch h.at {
	case placeRow:
		tx.key = appendValueKey(tx.key[:0], r.Namespace, r.Revision)
		tx.set(tx.key, r.Value.Inline)
	case placeBlob:
		tx.key = appendBlobKey(tx.key[:0], r.Namespace, h.blob)
		tx.row = appendBlobRow(tx.row[:0], r.Revision, r.Key)
		tx.set(tx.key, tx.row)
	}
	tx.count(r.Namespace, 1, h.size)
	return h
}

// sizeOf is how many bytes an entry counts for.
func sizeOf(r *godwit.Record) int64 { return int64(len(r.Key)+len(r.Metadata)) + r.Value.Size() }

func (tx *Tx) putTombstone(ns godwit.NamespaceID, key string, t tombstoneRow) Head {
	tx.s.tombstoned.add(ns)
	tx.delete(appendEntryKey(tx.key[:0], ns, key))
	tx.key = appendTombstoneKey(tx.key[:0], ns, key)
	tx.row = appendTombstoneRow(tx.row[:0], t)
	tx.set(tx.key, tx.row)
	tx.setDue(t.due, ns, key, t.revision)
	return t.head()
}

// removeHead deletes what removeBody does, and takes it out of the index by
// revision.
func (tx *Tx) removeHead(ns godwit.NamespaceID, key string, h Head, kept bool) {
	if h.kind == headNone {
		return
	}
	tx.removeBody(ns, key, h, kept)
	tx.unindex(h.Revision)
}

// removeBody deletes every row of what stands under a key but those of the index by
// revision and the entry's own, which what comes next overwrites or, a tombstone, deletes.
// kept tells that the value stays, of a version.
func (tx *Tx) removeBody(ns godwit.NamespaceID, key string, h Head, kept bool) {
	if h.kind != headEntry {
		tx.delete(appendTombstoneKey(tx.key[:0], ns, key))
		tx.delete(appendDueKey(tx.key[:0], h.due, ns, key))
		return
	}
	if h.Expiration != 0 {
		tx.delete(appendDueKey(tx.key[:0], h.Expiration, ns, key))
	}
	if !kept {
		tx.useless(ns)
	}
	switch {
	case kept:
	case h.at == placeRow:
		tx.delete(appendValueKey(tx.key[:0], ns, h.Revision))
	case h.at == placeBlob:
		tx.discardBlob(ns, h.blob)
	}
	tx.count(ns, -1, -h.size)
}

func (tx *Tx) discardBlob(ns godwit.NamespaceID, id godwit.BlobID) {
	tx.delete(appendBlobKey(tx.key[:0], ns, id))
	due := tx.s.cfg.Now().Add(tx.s.cfg.BlobGrace).Unix()
	tx.row = tx.row[:0]
	if tx.s.cfg.Follower {
		tx.row = append(tx.row, ns[:]...)
	}
	tx.set(appendGarbageKey(tx.key[:0], due, id), tx.row)
}

func (tx *Tx) setDue(due int64, ns godwit.NamespaceID, key string, r godwit.Revision) {
	tx.key = appendDueKey(tx.key[:0], due, ns, key)
	tx.row = binary.BigEndian.AppendUint64(tx.row[:0], uint64(r))
	tx.set(tx.key, tx.row)
}
