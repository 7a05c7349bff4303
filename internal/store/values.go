package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// valueCursor reads rows of values of one state, as a walk of entries asks for them. Keys
// that were written in order have their values in order too: then each is the next row,
// where looking it up costs as much again as the walk. Once one is not, all are looked
// up: to seek each would read a block of every file that may have it, where a look-up has
// filters. It is for one goroutine, and holds nothing until the first get.
type valueCursor struct {
	in        pebble.Reader
	it        *pebble.Iterator
	held      io.Closer // of the last value that was looked up; nil: none
	key       []byte
	first     []byte // that was asked for
	scattered bool   // the next row was not the one that was asked for
}

// get returns the value that an entry of ns has at a revision. It is valid until the next
// get. Error: ErrCorrupt, if there is none: in one state of the database there must be.
func (c *valueCursor) get(ns godwit.NamespaceID, r godwit.Revision) (value []byte, err error) {
	if err := c.release(); err != nil {
		return nil, err
	}
	c.key = appendValueKey(c.key[:0], ns, r)
	if c.follows() {
		value, err = c.it.ValueAndErr()
	} else {
		c.scattered = true
		value, c.held, err = c.in.Get(c.key)
	}
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, fmt.Errorf("value of revision %d is missing: %w", r, ErrCorrupt)
	case err != nil:
		return nil, fmt.Errorf("read value: %w", err)
	}
	return value, nil
}

// follows moves to the next row, and tells whether it is the one that is asked for.
func (c *valueCursor) follows() bool {
	switch {
	case c.scattered:
		return false
	case c.it == nil:
		return c.open() == nil && c.it.SeekGE(c.key) && bytes.Equal(c.it.Key(), c.key)
	default:
		return c.it.Valid() && c.it.Next() && bytes.Equal(c.it.Key(), c.key)
	}
}

func (c *valueCursor) open() (err error) {
	c.first = bytes.Clone(c.key)
	c.it, err = c.in.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixValue}, UpperBound: []byte{prefixValue + 1}})
	return err
}

func (c *valueCursor) release() (err error) {
	if c.held != nil {
		err = c.held.Close()
		c.held = nil
	}
	return err
}

// readAll tells whether what was asked for was each row there is, one after the other.
func (c *valueCursor) readAll() (bool, error) {
	if c.it == nil {
		if err := c.open(); err != nil {
			return false, err
		}
		return !c.it.First(), c.it.Error()
	}
	if c.scattered || c.it.Next() {
		return false, nil
	}
	first := c.it.First() && bytes.Equal(c.it.Key(), c.first)
	return first, c.it.Error()
}

// close ends the cursor, which may not have begun.
func (c *valueCursor) close() error {
	err := c.release()
	if c.it != nil {
		err = errors.Join(err, c.it.Close())
	}
	return err
}
