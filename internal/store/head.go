package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

type entryID struct {
	ns  godwit.NamespaceID
	key string
}

// headKind is what stands under a key at this node.
type headKind uint8

const (
	headNone headKind = iota
	headEntry
	headSwept   // an entry that had expired and whose value is gone
	headDeleted // a tombstone
)

// Head is what a decision needs to know of a key.
type Head struct {
	Revision   godwit.Revision
	Expiration int64
	Created    int64

	kind   headKind
	due    int64 // of a tombstone
	at     place
	size   int64 // of an entry, as counters count
	blob   godwit.BlobID
	number number
	change int // 1 + its place in Tx.changes; 0: not changed
}

// Live tells whether the key has an entry at a time of the log, in unix seconds.
// That this node has swept it makes no difference.
func (h Head) Live(now int64) bool {
	return (h.kind == headEntry || h.kind == headSwept) && (h.Expiration == 0 || h.Expiration > now)
}

// Number is the number that a live key holds, if its value is one. That this node
// has swept it makes no difference.
func (h Head) Number() (n int64, ok bool) { return h.number.n, h.number.is }

// number is a value that can be added to, if it is one.
type number struct {
	n  int64
	is bool
}

func numberOf(v godwit.Value) (n number) {
	n.n, n.is = godwit.ParseNumber(v.Inline)
	return n
}

// Head returns what stands under a key, this transaction's changes included.
func (tx *Tx) Head(ns godwit.NamespaceID, key string) (Head, error) {
	if h, ok := tx.heads[entryID{ns, key}]; ok {
		return h, nil
	}
	if slices.Contains(tx.dropped, ns) {
		return Head{}, nil
	}
	h, err := tx.readHead(ns, key)
	if err == nil {
		h = tx.lookedUp(entryID{ns, key}, h)
	}
	return h, err
}

// lookedUp keeps what the database has under a key, unless that is cleared.
func (tx *Tx) lookedUp(id entryID, h Head) Head {
	if len(tx.cleared) > 0 && tx.isCleared(id, h.Revision) {
		h = Head{}
	}
	tx.heads[id] = h
	return h
}

func (tx *Tx) readHead(ns godwit.NamespaceID, key string) (h Head, err error) {
	found, err := rowCacheGet(tx.s.hot.rows, hotHash(tx.s.hot, ns, key), ns, key, func(row []byte) error {
		h, err = headOf(key, row)
		return err
	})
	if found || err != nil {
		return h, err
	}
	tx.key = appendEntryKey(tx.key[:0], ns, key)
	v, closer, err := tx.s.db.Get(tx.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return tx.readTombstone(ns, key)
	}
	if err != nil {
		return Head{}, fmt.Errorf("read entry: %w", err)
	}
	defer closer.Close()
	return headOf(key, v)
}

func headOf(key string, row []byte) (Head, error) {
	e, err := decodeEntryRow(row)
	if err != nil {
		return Head{}, err
	}
	return Head{
		kind: headEntry, Revision: e.revision, Expiration: e.expiration, Created: e.created,
		at: e.place, blob: e.blob.ID, size: int64(len(key)+len(e.metadata)) + e.size,
		number: numberOf(godwit.Value{Inline: e.inline}),
	}, nil
}

func (tx *Tx) readTombstone(ns godwit.NamespaceID, key string) (Head, error) {
	if !tx.s.tombstoned.has(ns) {
		return Head{}, nil
	}
	tx.key = appendTombstoneKey(tx.key[:0], ns, key)
	v, closer, err := tx.s.db.Get(tx.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("read tombstone: %w", err)
	}
	defer closer.Close()
	return tombstoneHead(v)
}

func tombstoneHead(row []byte) (Head, error) {
	t, err := decodeTombstoneRow(row)
	if err != nil {
		return Head{}, err
	}
	return t.head(), nil
}
