package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// headInOrder is Head for keys that come in order of place: it goes along with
// them through the database, where Head would look each up. A first copy, into
// which nothing is in the way, costs two comparisons a key.
func (tx *Tx) headInOrder(ns godwit.NamespaceID, key string) (Head, error) {
	id := entryID{ns, key}
	if h, ok := tx.heads[id]; ok {
		return h, nil
	}
	for _, dropped := range tx.dropped {
		if dropped == ns {
			return Head{}, nil
		}
	}
	h, err := tx.findHead(ns, key)
	if err == nil {
		h = tx.lookedUp(id, h)
	}
	return h, err
}

func (tx *Tx) findHead(ns godwit.NamespaceID, key string) (Head, error) {
	tx.key = appendEntryKey(tx.key[:0], ns, key)
	row, err := tx.entries.find(tx.s.db, tx.key)
	if err != nil {
		return Head{}, fmt.Errorf("read entry: %w", err)
	}
	if row != nil {
		return headOf(key, row)
	}
	tx.key = appendTombstoneKey(tx.key[:0], ns, key)
	if row, err = tx.tombstones.find(tx.s.db, tx.key); err != nil {
		return Head{}, fmt.Errorf("read tombstone: %w", err)
	}
	if row == nil {
		return Head{}, nil
	}
	return tombstoneHead(row)
}

// rowCursor finds rows of one kind, fast where each is behind the one before. It
// sees the database as it was when it was first used.
type rowCursor struct {
	it   *pebble.Iterator
	last []byte // what was looked for last: it stands at the first row from there on
}

// nearby is how many rows a cursor goes over before it looks a key up.
const nearby = 8

// find returns the row of a key, valid until the next call, or nil.
func (c *rowCursor) find(r pebble.Reader, key []byte) (row []byte, err error) {
	if c.it == nil {
		c.it, err = r.NewIter(&pebble.IterOptions{LowerBound: key[:1], UpperBound: []byte{key[0] + 1}})
		if err != nil {
			return nil, err
		}
		c.it.SeekGE(key)
	} else if bytes.Compare(key, c.last) < 0 {
		c.it.SeekGE(key)
	}
	for i := 0; c.it.Valid() && bytes.Compare(c.it.Key(), key) < 0; i++ {
		if i < nearby {
			c.it.Next()
		} else {
			c.it.SeekGE(key)
		}
	}
	c.last = append(c.last[:0], key...)
	if !c.it.Valid() || !bytes.Equal(c.it.Key(), key) {
		return nil, c.it.Error()
	}
	row, err = c.it.ValueAndErr()
	if row == nil {
		row = []byte{}
	}
	return row, err
}

func (c *rowCursor) close() error {
	if c.it == nil {
		return nil
	}
	it := c.it
	c.it, c.last = nil, c.last[:0]
	return it.Close()
}

// closeCursors ends what headInOrder began.
func (tx *Tx) closeCursors() {
	if err := errors.Join(tx.entries.close(), tx.tombstones.close()); err != nil {
		tx.s.cfg.Logger.Error("close iterator", "error", err.Error())
	}
}
