package store

import (
	"encoding/binary"
	"errors"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

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
	f.expectRevision(godwit.OpPut, row.revision, ns, key)
	if row.expiration != 0 {
		f.expectDue(row.expiration, ns, key, row.revision)
	}
	if f.get(appendTombstoneKey(nil, ns, key)) != nil {
		f.problem("entry %s %q: has a tombstone too", ns, key)
	}
	switch row.place {
	case placeRow:
		f.named++
	case placeBlob:
		f.entryBlob(ns, key, row.blob)
	}
	c := f.counts[ns]
	f.counts[ns] = count{c.keys + 1, c.bytes + int64(len(key)+len(row.metadata)) + row.size}
}

// entryValue looks for the row of an entry's value.
func (f *fsck) entryValue(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	row, err := decodeEntryRow(v)
	if !ok || err != nil || row.place != placeRow {
		return
	}
	if n := max(f.size(appendValueKey(nil, ns, row.revision)), 0); n != row.size {
		f.problem("entry %s %q: value of %d bytes, not %d", ns, key, n, row.size)
	}
}

func (f *fsck) entryBlob(ns godwit.NamespaceID, key []byte, b godwit.Blob) {
	f.naming.Lock()
	f.blobs[b.ID] = true
	f.naming.Unlock()
	if f.get(appendBlobKey(nil, ns, b.ID)) == nil {
		f.problem("entry %s %q: blob %s has no row", ns, key, b.ID)
	}
	err := blob.ErrNotFound
	if f.files != nil {
		err = f.files.Verify(f.ctx, b)
	}
	switch {
	case err == nil, f.ctx.Err() != nil:
	case f.follows && errors.Is(err, blob.ErrNotFound): // it can be had again
	case f.files == nil:
		f.problem("entry %s %q: blob directory is missing", ns, key)
	default:
		f.problem("entry %s %q: %v", ns, key, err)
	}
}

func (f *fsck) tombstone(k, v []byte) {
	ns, key, ok := cutNSKey(k[1:])
	t, err := decodeTombstoneRow(v)
	if !ok || err != nil {
		f.problem("tombstone %q: damaged row", k)
		return
	}
	op := godwit.OpDelete
	if t.kind == tombSwept {
		op = godwit.OpPut
	}
	f.expectRevision(op, t.revision, ns, key)
	f.expectDue(t.due, ns, key, t.revision)
}

func (f *fsck) expectDue(due int64, ns godwit.NamespaceID, key []byte, r godwit.Revision) {
	got := f.get(appendDueKey(nil, due, ns, string(key)))
	if len(got) != 8 || godwit.Revision(binary.BigEndian.Uint64(got)) != r {
		f.problem("key %s %q: time %d is not in the index by time", ns, key, due)
	}
}

func (f *fsck) expectRevision(op godwit.Op, r godwit.Revision, ns godwit.NamespaceID, key []byte) {
	for _, rec := range f.mutations(r) {
		if rec.op == op && rec.ns == ns && string(rec.key) == string(key) {
			return
		}
	}
	f.problem("key %s %q: revision %d is not in the index by revision", ns, key, r)
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
