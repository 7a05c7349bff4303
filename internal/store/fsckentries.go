package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// allEntries looks at all entries, beside the tombstones, which are in the same order.
func (f *fsck) allEntries(ctx context.Context) (err error) {
	f.buried, err = f.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixTombstone}, UpperBound: []byte{prefixTombstone + 1}})
	if err != nil {
		return fmt.Errorf("open iterator: %w", err)
	}
	f.buried.First()
	if f.digest != nil {
		f.digest.revision = godwit.Revision(f.s.applied.Load())
		f.digest.in = valueCursor{in: f.s.db}
	}
	err = f.check(ctx, rowCheck{prefixEntry, f.entry})
	if f.digest != nil {
		f.digest.end()
	}
	return errors.Join(err, f.buried.Close()) // whose damage is told of where its rows are read
}

func (f *fsck) entry(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	row, err := decodeEntryRow(v)
	if !ok || err != nil {
		f.problem("entry %q: damaged row", k)
		return
	}
	if row.revision > max(godwit.Revision(f.s.applied.Load()), f.s.ahead) {
		f.problem("entry %s %q: revision %d is beyond the applied position", ns, key, row.revision)
	}
	if f.dropped[ns] {
		f.problem("entry %s %q: is of a namespace that was deleted", ns, key)
	}
	f.entries.revision(f.seed, godwit.OpPut, row.revision, ns, key)
	if row.expiration != 0 {
		f.expectDue(&f.entries, row.expiration, ns, key, row.revision)
	}
	if f.isBuried(k[1:]) {
		f.problem("entry %s %q: has a tombstone too", ns, key)
	}
	switch row.place {
	case placeRow:
		f.entries.value(f.seed, ns, row.revision, row.size)
	case placeBlob:
		f.entryBlob(ns, key, row.blob)
	}
	if f.digest != nil {
		f.digest.entry(f.seed, k, &row)
	}
	c := f.counts[ns]
	f.counts[ns] = count{c.keys + 1, c.bytes + int64(len(key)+len(row.metadata)) + row.size}
}

// isBuried tells whether a key has a tombstone. It is asked for keys in their order.
func (f *fsck) isBuried(key []byte) bool {
	for f.buried.Valid() {
		switch bytes.Compare(f.buried.Key()[1:], key) {
		case 0:
			return true
		case 1:
			return false
		}
		f.buried.Next()
	}
	return false
}

func (f *fsck) entryBlob(ns godwit.NamespaceID, key []byte, b godwit.Blob) {
	f.naming.Lock()
	if _, asked := f.blobs[b.ID]; asked {
		f.blobs[b.ID] = true
	}
	f.naming.Unlock()
	if f.get(appendBlobKey(nil, ns, b.ID)) == nil {
		f.problem("entry %s %q: blob %s has no row", ns, key, b.ID)
	}
	key = bytes.Clone(key)
	f.whole.Go(func() error {
		f.readBlob(ns, key, b)
		return nil
	})
}

func (f *fsck) tombstone(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	t, err := decodeTombstoneRow(v)
	if !ok || err != nil {
		f.problem("tombstone %q: damaged row", k)
		return
	}
	f.tombstones.revision(f.seed, t.op(), t.revision, ns, key)
	f.expectDue(&f.tombstones, t.due, ns, key, t.revision)
}

// op is that of the record which the tombstone is of.
func (t *tombstoneRow) op() godwit.Op {
	if t.kind == tombSwept {
		return godwit.OpPut
	}
	return godwit.OpDelete
}

func (f *fsck) compareCounts() {
	for ns, c := range f.s.counts.all {
		if f.counts[ns] != c {
			f.problem("namespace %s: counters say %d keys of %d bytes, there are %d of %d", ns, c.keys, c.bytes, f.counts[ns].keys, f.counts[ns].bytes)
		}
	}
	for ns, c := range f.counts {
		if _, ok := f.s.counts.all[ns]; !ok {
			f.problem("namespace %s: no counters for %d keys of %d bytes", ns, c.keys, c.bytes)
		}
	}
}
