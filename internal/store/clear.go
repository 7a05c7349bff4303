package store

import (
	"strings"

	"github.com/godwitkv/godwit"
)

// An entry of the system namespace under cleared/, an id, a slash and a prefix has
// cleared the namespace of all keys with that prefix that were there before it. So
// it is one record, of which followers are told as of any other, in its place in the
// log; and whoever comes late finds it among what stands, for as long as tombstones
// are kept. Each node removes the keys as it takes the record, and leaves no
// tombstones of them.
const clearedPrefix = "cleared/"

// ClearedKeys returns which keys an entry under a key of the system namespace has
// cleared, and false if it is no such entry.
func ClearedKeys(key string) (ns godwit.NamespaceID, prefix string, ok bool) {
	text, ok := strings.CutPrefix(key, clearedPrefix)
	id, prefix, slash := strings.Cut(text, "/")
	if !ok || !slash {
		return ns, "", false
	}
	ns, err := godwit.ParseNamespaceID(id)
	return ns, prefix, err == nil
}

// clearing is keys that a transaction has cleared.
type clearing struct {
	ns     godwit.NamespaceID
	prefix string
	before godwit.Revision // what is as new stays: it came early, in a round or a walk
}

func (c *clearing) covers(id entryID, r godwit.Revision) bool {
	return r < c.before && id.ns == c.ns && strings.HasPrefix(id.key, c.prefix)
}

// isCleared tells whether what the database has under a key is gone in this
// transaction.
func (tx *Tx) isCleared(id entryID, r godwit.Revision) bool {
	for i := range tx.cleared {
		if tx.cleared[i].covers(id, r) {
			return true
		}
	}
	return false
}

// clear removes the keys, and what is noted of them.
func (tx *Tx) clear(c clearing) error {
	for id, h := range tx.heads {
		if h.kind != headNone && c.covers(id, h.Revision) {
			tx.clearKey(id, h, c.before)
			tx.forgetRow(h)
			tx.heads[id] = Head{}
		}
	}
	err := tx.clearRows(appendEntryKey(nil, c.ns, c.prefix), &c, headOf)
	if err != nil {
		return err
	}
	err = tx.clearRows(appendTombstoneKey(nil, c.ns, c.prefix), &c, func(_ string, row []byte) (Head, error) { return tombstoneHead(row) })
	tx.cleared = append(tx.cleared, c)
	return err
}

// clearRows clears the keys of the rows under a prefix that this transaction has not
// looked at: those it has are cleared already.
func (tx *Tx) clearRows(rows []byte, c *clearing, headOf func(key string, row []byte) (Head, error)) error {
	return scanPrefix(tx.s.db, rows, func(k, row []byte) error {
		ns, key, _ := cutNSKey(k[1:])
		id := entryID{ns, string(key)}
		if _, looked := tx.heads[id]; looked {
			return nil
		}
		h, err := headOf(id.key, row)
		if err != nil {
			return err
		}
		if c.covers(id, h.Revision) && !tx.isCleared(id, h.Revision) {
			tx.clearKey(id, h, c.before)
		}
		return tx.err
	})
}

func (tx *Tx) clearKey(id entryID, h Head, by godwit.Revision) {
	kept := tx.keepVersion(id, h, instant{by, tx.time}, godwit.VersionCleared)
	tx.removeHead(id.ns, id.key, h, kept)
	if h.kind == headEntry {
		tx.delete(appendEntryKey(tx.key[:0], id.ns, id.key))
	}
}
