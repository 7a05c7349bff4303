package store

import (
	"errors"
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
)

// A namespace is cleared by an entry of the system namespace (godwit.ClearingKey). So
// it is one record, of which followers are told as of any other, in its place in the
// log; and whoever comes late finds it among what stands, for as long as tombstones
// are kept. Each node removes the keys as it takes the record, and leaves no
// tombstones of them: it reads them all (clear), or, of a whole namespace, none (wipe.go).

// clearing is keys that a transaction has cleared.
type clearing struct {
	ns     godwit.NamespaceID
	prefix string
	before godwit.Revision // what is as new stays: it came early, in a round or a walk
	whole  bool            // no entry with the prefix stays
	keys   int             // how many entries went
}

// clearOneByOne is how many entries are deleted each by itself. More go by one deletion
// of their range, as long as none of them stays: one for each key of a large namespace
// would be more than memory has room for, at every node, and more than a batch holds.
// Nor is each of so many taken out of the caches: they are emptied.
const clearOneByOne = 256

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

// clearBy removes the keys that a record has cleared, if it is one that does. A record
// that means nothing any more does, too: another upstream, which was behind, may have
// brought some of the keys in since it came first.
func (tx *Tx) clearBy(r *godwit.Record) error {
	if r.Namespace != godwit.SystemNamespace || r.Op != godwit.OpPut {
		return nil
	}
	ns, prefix, ok := godwit.ClearedKeys(r.Key)
	if !ok || slices.Contains(tx.dropped, ns) { // all of the namespace is gone already
		return nil
	}
	return tx.clear(clearing{ns: ns, prefix: prefix, before: r.Revision})
}

// clear removes the keys, and what is noted of them.
func (tx *Tx) clear(c clearing) (err error) {
	if wipes, err := tx.wipes(&c); err != nil {
		return err
	} else if wipes {
		tx.wipe(c)
		return tx.err
	}
	if c.whole, err = tx.clearsWhole(&c); err != nil {
		return err
	}
	for id, h := range tx.heads {
		if h.kind != headNone && c.covers(id, h.Revision) {
			tx.clearKey(&c, id, h)
			tx.forgetRow(h)
			tx.heads[id] = Head{}
		}
	}
	again, entries := tx.clearsAgain(&c), appendEntryKey(nil, c.ns, c.prefix)
	if !again {
		if err := tx.clearRows(entries, &c, headOf); err != nil {
			return err
		}
	}
	if c.whole && c.keys > clearOneByOne {
		tx.check(tx.batch.DeleteRange(entries, successor(entries), nil))
	}
	if again {
		return tx.err
	}
	err = tx.clearRows(appendTombstoneKey(nil, c.ns, c.prefix), &c, func(_ string, row []byte) (Head, error) { return tombstoneHead(row) })
	tx.cleared = append(tx.cleared, c)
	return err
}

// clearsAgain tells whether this transaction has cleared all rows of the database
// already that a clearing would: of many at once, each would look at them all.
func (tx *Tx) clearsAgain(c *clearing) bool {
	return slices.ContainsFunc(tx.cleared, func(done clearing) bool {
		return done.ns == c.ns && strings.HasPrefix(c.prefix, done.prefix) && (done.before >= c.before || !tx.mixed && !tx.inexact)
	})
}

// clearsWhole tells whether no entry with the prefix stays. In order of the log all
// that there is is older.
func (tx *Tx) clearsWhole(c *clearing) (bool, error) {
	if !tx.mixed && !tx.inexact {
		return true, nil
	}
	for id, h := range tx.heads {
		if h.kind == headEntry && id.ns == c.ns && strings.HasPrefix(id.key, c.prefix) && h.Revision >= c.before {
			return false, nil
		}
	}
	err := scanPrefix(tx.s.db, appendEntryKey(nil, c.ns, c.prefix), func(_, row []byte) error {
		e, err := decodeEntryRow(row)
		if err == nil && e.revision >= c.before {
			return errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		return false, nil
	}
	return err == nil, err
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
			tx.clearKey(c, id, h)
		}
		return tx.err
	})
}

func (tx *Tx) clearKey(c *clearing, id entryID, h Head) {
	kept := tx.keepVersion(id, h, instant{c.before, tx.time}, godwit.VersionCleared)
	tx.removeHead(id.ns, id.key, h, kept)
	if h.kind != headEntry {
		return
	}
	if c.keys++; !c.whole || c.keys <= clearOneByOne {
		tx.delete(appendEntryKey(tx.key[:0], id.ns, id.key))
	}
	if c.keys > clearOneByOne {
		tx.unnamed = true
		return
	}
	tx.changes = append(tx.changes, change{hash: hotHash(tx.s.hot, id.ns, id.key), id: id})
}
