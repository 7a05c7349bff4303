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

// Place is a key's place in a walk: by namespace, the system's first, then by
// the bytes of the key.
type Place struct {
	Namespace godwit.NamespaceID
	Key       string
}

// View is one durable state of the store. Whoever holds one keeps the database
// from forgetting what has been replaced since: hold it for seconds, not minutes.
// It is for one goroutine.
type View struct {
	snap      *pebble.Snapshot
	revision  godwit.Revision
	time      int64
	purged    godwit.Revision
	retention int64 // seconds
}

// View returns the state of now. The caller closes it.
func (s *Store) View(ctx context.Context) (*View, error) {
	snap, _, err := s.snapshot(ctx, godwit.ReadOptions{})
	if err != nil {
		return nil, err
	}
	v := &View{snap: snap, retention: int64(s.cfg.Retention / time.Second)}
	rev, ms, err := v.pair(metaApplied)
	floor, _, floorErr := v.pair(metaPurged)
	if err := errors.Join(err, floorErr); err != nil {
		return nil, errors.Join(err, snap.Close())
	}
	v.revision, v.time, v.purged = godwit.Revision(rev), int64(ms), godwit.Revision(floor)
	return v, nil
}

// pair reads a row of two numbers, zero if it is not there.
func (v *View) pair(key []byte) (x, y uint64, err error) {
	_, err = v.get(key, func(row []byte) (err error) {
		x, y, err = decodePair(row)
		return err
	})
	return x, y, err
}

// get shows a row to fn, if it is there. It is valid during the call.
func (v *View) get(key []byte, fn func(row []byte) error) (found bool, err error) {
	row, closer, err := v.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read row: %w", err)
	}
	return true, errors.Join(fn(row), closer.Close())
}

// Close ends the view.
func (v *View) Close() error { return v.snap.Close() }

// Revision is the position of the state.
func (v *View) Revision() godwit.Revision { return v.revision }

// Time is the log's time at that position, unix milliseconds.
func (v *View) Time() int64 { return v.time }

// Purged is the purge floor of the state: of deletions up to there Changes may
// not tell.
func (v *View) Purged() godwit.Revision { return v.purged }

// checkEvery is how many rows go by between two looks at the context.
const checkEvery = 256

// HasBlobs tells whether the value of any entry, or earlier version, is a blob.
func (v *View) HasBlobs() (has bool, err error) {
	err = scanPrefix(v.snap, []byte{prefixBlob}, func(_, _ []byte) error {
		has = true
		return errEnough
	})
	if has {
		err = nil
	}
	return has, err
}

// Changes calls fn with what stands now of each mutation in (after, upTo], in
// order of revision: what was replaced since is left out, a deletion comes as
// OpDelete, an entry whose value is gone because it has expired comes with
// Record.Swept. Values that are blobs come as references. The record is valid
// during the call.
func (v *View) Changes(ctx context.Context, after, upTo godwit.Revision, fn func(*godwit.Record) error) error {
	if after >= upTo {
		return nil
	}
	records, t := 0, v.teller(true, fn)
	err := scanRevisions(v.snap, after, upTo, func(r indexed) error {
		if records++; records%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if r.op == godwit.OpDelete {
			return v.dead(r.ns, r.key, r.revision, false, fn)
		}
		found, err := t.live(r.ns, r.key, r.revision)
		if found || err != nil {
			return err
		}
		return v.dead(r.ns, r.key, r.revision, false, fn)
	})
	return errors.Join(err, t.in.close())
}

// live calls fn with a key's entry, and tells whether it has one of a revision.
func (t *teller) live(ns godwit.NamespaceID, key []byte, r godwit.Revision) (found bool, err error) {
	_, err = t.v.get(appendEntryKey(nil, ns, key), func(row []byte) error {
		e, err := decodeEntryRow(row)
		if err != nil || e.revision != r {
			return err
		}
		found = true
		return t.tell(ns, key, &e)
	})
	return found, err
}

// dead calls fn with a key's tombstone, if it has one of that revision, and with
// the number that the value was, if that is wanted. Records that were replaced, or
// that a deleted namespace left behind, have none.
func (v *View) dead(ns godwit.NamespaceID, key []byte, r godwit.Revision, numbers bool, fn func(*godwit.Record) error) error {
	_, err := v.get(appendTombstoneKey(nil, ns, key), func(row []byte) error {
		t, err := decodeTombstoneRow(row)
		if err != nil || t.revision != r {
			return err
		}
		rec := godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: string(key)}, Revision: r}
		if t.kind == tombSwept {
			rec.Op, rec.Swept, rec.Expiration = godwit.OpPut, true, t.expiration
			rec.Created, rec.Modified = t.created, t.created
			if numbers && t.number.is {
				rec.Value.Inline = godwit.FormatNumber(t.number.n)
			}
		}
		return fn(&rec)
	})
	return err
}

// Walk calls fn for each entry behind after (nil: from the start), in order of
// place, expired ones too, deletions not. Without values, Value.Inline is nil
// though Value.Blob stands. The record is valid during the call.
func (v *View) Walk(ctx context.Context, after *Place, values bool, fn func(*godwit.Record) error) error {
	lower, rows := []byte{prefixEntry}, 0
	if after != nil {
		lower = append(appendEntryKey(nil, after.Namespace, after.Key), 0)
	}
	t := v.teller(values, fn)
	err := scanRange(v.snap, lower, []byte{prefixEntry + 1}, func(k, row []byte) error {
		if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ns, key, ok := cutNSKey(k[1:])
		e, err := decodeEntryRow(row)
		if err != nil || !ok {
			return fmt.Errorf("read entry: %w", ErrCorrupt)
		}
		return t.tell(ns, key, &e)
	})
	return errors.Join(err, t.in.close())
}

// teller calls fn with entries, each as the same record: one for each entry was nine
// tenths of the garbage of a walk, and reads wait while it is collected.
type teller struct {
	v      *View
	values bool
	fn     func(*godwit.Record) error
	rec    godwit.Record
	in     valueCursor // to be closed
}

func (v *View) teller(values bool, fn func(*godwit.Record) error) teller {
	return teller{v: v, values: values, fn: fn, in: valueCursor{in: v.snap}}
}

// tell calls fn with an entry.
func (t *teller) tell(ns godwit.NamespaceID, key []byte, e *entryRow) error {
	t.rec = godwit.Record{
		Mutation: godwit.Mutation{
			Op: godwit.OpPut, Namespace: ns, Key: string(key), Value: godwit.Value{Blob: e.blob},
			Metadata: e.metadata, Expiration: e.expiration,
		},
		Revision: e.revision, Created: e.created, Modified: e.modified,
	}
	switch {
	case !t.values || e.place == placeBlob:
		return t.fn(&t.rec)
	case e.place == placeInline:
		t.rec.Value.Inline = e.inline
		return t.fn(&t.rec)
	}
	value, err := t.in.get(ns, e.revision)
	if err != nil {
		return err
	}
	t.rec.Value.Inline = value
	return t.fn(&t.rec)
}

// Entry returns what stands under a key, as Walk does, or nil.
func (v *View) Entry(p Place) (*godwit.Record, error) {
	var out *godwit.Record
	_, err := v.get(appendEntryKey(nil, p.Namespace, p.Key), func(row []byte) error {
		e, err := decodeEntryRow(row)
		if err != nil {
			return err
		}
		t := v.teller(true, func(r *godwit.Record) error {
			keep := *r
			keep.Value.Inline, keep.Metadata = bytes.Clone(r.Value.Inline), bytes.Clone(r.Metadata)
			out = &keep
			return nil
		})
		return errors.Join(t.tell(p.Namespace, []byte(p.Key), &e), t.in.close())
	})
	return out, err
}
