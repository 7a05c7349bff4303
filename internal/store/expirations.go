package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// Retention is how long tombstones stay, and the headers of entries that have
// expired.
func (s *Store) Retention() time.Duration { return s.cfg.Retention }

// Expiry is a place in the order in which the entries of a namespace expire: by
// second, then by key.
type Expiry struct {
	At  int64 // unix seconds
	Key string
}

// Expirations calls fn for each entry of ns under prefix that expires behind
// after and no later than upTo, in order of expiry, swept or not: at a time of
// now those that have expired. after is at a time from 0 on. Of one that expired longer ago than the retention
// nothing may be left.
func (v *View) Expirations(ctx context.Context, ns godwit.NamespaceID, prefix string, after Expiry, upTo int64, fn func(Expired) error) error {
	if upTo < after.At {
		return nil
	}
	standing, err := v.dues(ns, prefix, after, upTo, 0)
	if err != nil {
		return err
	}
	swept, err := v.dues(ns, prefix, after, upTo, v.retention)
	if err != nil {
		return errors.Join(err, standing.it.Close())
	}
	err = mergeDues(ctx, standing, swept, fn)
	return errors.Join(err, standing.it.Error(), standing.it.Close(), swept.it.Error(), swept.it.Close())
}

// mergeDues hands on what both hold, the earlier first.
func mergeDues(ctx context.Context, a, b *dues, fn func(Expired) error) error {
	for {
		if err := errors.Join(a.next(ctx), b.next(ctx)); err != nil {
			return err
		}
		first := a
		switch {
		case !a.held && !b.held:
			return nil
		case !a.held, b.held && b.row.before(&a.row):
			first = b
		}
		first.held = false
		if err := fn(first.row); err != nil {
			return err
		}
	}
}

func (e *Expired) before(o *Expired) bool {
	return e.At < o.At || e.At == o.At && e.Key < o.Key
}

// dues walks rows of x that are due a time after the entry's expiration: none for
// those that stand, the retention for those that are swept.
type dues struct {
	v      *View
	it     *pebble.Iterator
	valid  bool
	ns     godwit.NamespaceID
	prefix string
	delay  int64
	after  Expiry

	row  Expired // the next, if it is held
	held bool
}

func (v *View) dues(ns godwit.NamespaceID, prefix string, after Expiry, upTo, delay int64) (*dues, error) {
	it, err := v.snap.NewIter(&pebble.IterOptions{
		LowerBound: appendDueKey(nil, after.At+delay, ns, ""),
		UpperBound: secondKey(prefixDue, upTo+1+delay),
	})
	if err != nil {
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	return &dues{v: v, it: it, valid: it.First(), ns: ns, prefix: prefix, delay: delay, after: after}, nil
}

// next holds the next row that is asked for, if there is one and none is held.
func (d *dues) next(ctx context.Context) error {
	for rows := 1; d.valid && !d.held; rows++ {
		if rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := d.hold(); err != nil {
			return err
		}
		d.valid = d.it.Next()
	}
	return nil
}

// hold looks at the row under the iterator.
func (d *dues) hold() error {
	due, ns, key, ok := cutDueKey(d.it.Key())
	if !ok {
		return fmt.Errorf("read due row: %w", ErrCorrupt)
	}
	at := due - d.delay
	if ns != d.ns || !bytes.HasPrefix(key, []byte(d.prefix)) || at == d.after.At && string(key) <= d.after.Key {
		return nil
	}
	r, ok, err := d.expiring(key, at)
	if ok {
		d.row, d.held = Expired{Namespace: ns, Key: string(key), Revision: r, At: at}, true
	}
	return err
}

// expiring returns the revision of the entry under a key that expires at a time,
// if what stands there is one: a row of x is a deletion's, too, in its time.
func (d *dues) expiring(key []byte, at int64) (r godwit.Revision, ok bool, err error) {
	if d.delay == 0 {
		_, err = d.v.get(appendEntryKey(nil, d.ns, key), func(row []byte) error {
			e, err := decodeEntryRow(row)
			r, ok = e.revision, err == nil && e.expiration == at
			return err
		})
		return r, ok, err
	}
	_, err = d.v.get(appendTombstoneKey(nil, d.ns, key), func(row []byte) error {
		t, err := decodeTombstoneRow(row)
		r, ok = t.revision, err == nil && t.kind == tombSwept && t.expiration == at
		return err
	})
	return r, ok, err
}
