package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// corruptOrNil is what a decoder may return.
func corruptOrNil(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v is not ErrCorrupt", err)
	}
}

// FuzzEntryRow decodes any bytes; what was decoded is encoded to bytes that
// decode to the same.
func FuzzEntryRow(f *testing.F) {
	for _, r := range []godwit.Record{
		{Mutation: put(ns1, "k", ""), Revision: 1},
		{Mutation: putUntil(ns1, "k", "v", 1767225660), Revision: godwit.MaxRevision, Created: 1767225600000, Modified: 1767225600001},
		{Mutation: put(ns1, "k", strings.Repeat("x", 1024)), Revision: 7},
		{Mutation: godwit.Mutation{Metadata: []byte("null"), Value: godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 1 << 40}}}},
	} {
		f.Add(store.EntryRow(nil, &r))
	}
	f.Add([]byte{0x30, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1})
	f.Add([]byte{0x02, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, row []byte) {
		r, size, err := store.Entry(bytes.Clone(row))
		corruptOrNil(t, err)
		if err != nil {
			return
		}
		if size < 0 || r.Expiration < 0 || r.Created < 0 || r.Modified < r.Created {
			t.Fatalf("%+v, size %d", r, size)
		}
		if int64(len(r.Value.Inline)) != size && r.Value.Blob.IsZero() {
			if size > 1<<20 || len(r.Value.Inline) > 0 {
				return // a value in a row of its own, that is not made here
			}
			r.Value.Inline = make([]byte, size)
		}
		again, sizeAgain, err := store.Entry(store.EntryRow(nil, &r))
		if err != nil || sizeAgain != size {
			t.Fatalf("encoded again: %v, size %d, not %d", err, sizeAgain, size)
		}
		again.Value.Inline, r.Value.Inline = nil, nil
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// FuzzEntry encodes any record and decodes it.
func FuzzEntry(f *testing.F) {
	f.Add(uint64(1), int64(1), int64(2), int64(3), []byte("{}"), []byte("v"), true)
	f.Add(uint64(1<<53), int64(1767225600000), int64(0), int64(0), []byte(nil), []byte(nil), false)
	f.Fuzz(func(t *testing.T, revision uint64, created, lasted, expiration int64, metadata, value []byte, isBlob bool) {
		const most = 1<<50 - 1
		r := godwit.Record{Revision: godwit.Revision(revision), Created: created & most}
		r.Modified, r.Expiration = r.Created+lasted&most, expiration&most
		if metadata != nil {
			r.Metadata = metadata
		}
		if isBlob {
			r.Value.Blob = godwit.Blob{ID: godwit.BlobID{1}, Size: int64(len(value))}
			copy(r.Value.Blob.Hash[:], value)
		} else {
			r.Value.Inline = value
		}
		got, size, err := store.Entry(store.EntryRow(nil, &r))
		if err != nil || size != int64(len(value)) {
			t.Fatalf("%v, size %d, want %d", err, size, len(value))
		}
		if !isBlob && len(value) < 1024 && !bytes.Equal(got.Value.Inline, value) {
			t.Error("the value is another")
		}
		if (got.Metadata == nil) != (r.Metadata == nil) {
			t.Errorf("metadata %q, want %q", got.Metadata, r.Metadata)
		}
		got.Value.Inline, r.Value.Inline = nil, nil
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzTombstoneRow(f *testing.F) {
	f.Add(store.TombstoneRow(store.Tombstone{Revision: 1, Due: 1767225660}))
	f.Add(store.TombstoneRow(store.Tombstone{Swept: true, Revision: 1, Due: 1767225660, Expiration: 5, Created: 9}))
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, row []byte) {
		ts, err := store.DecodeTombstone(row)
		corruptOrNil(t, err)
		if err != nil {
			return
		}
		if again, err := store.DecodeTombstone(store.TombstoneRow(ts)); err != nil || again != ts {
			t.Errorf("%+v became %+v, %v", ts, again, err)
		}
	})
}

func FuzzRevisionRow(f *testing.F) {
	f.Add(store.RevisionRow(nil, godwit.OpPut, ns1, "some/key"))
	f.Add(store.RevisionRow(nil, godwit.OpDelete, ns1, ""))
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, row []byte) {
		op, ns, key, err := store.DecodeRevisionRow(row)
		corruptOrNil(t, err)
		if err == nil && !bytes.Equal(store.RevisionRow(nil, op, ns, string(key)), row) {
			t.Errorf("%d %s %q is not %x", op, ns, key, row)
		}
	})
}

func FuzzIndexRow(f *testing.F) {
	f.Add(uint64(9), store.IndexRow(store.Indexed{Revision: 9, Op: godwit.OpPut, Namespace: ns1, Key: "some/key"}))
	f.Add(uint64(1<<53), store.IndexRow(
		store.Indexed{Revision: 3, Op: godwit.OpPut, Namespace: ns1, Key: "a"},
		store.Indexed{Revision: 4, Op: godwit.OpDelete, Namespace: ns1, Key: ""},
		store.Indexed{Revision: 1 << 53, Op: godwit.OpPut, Namespace: ns2, Key: "b"}))
	f.Fuzz(func(t *testing.T, last uint64, row []byte) {
		records, err := store.DecodeIndexRow(godwit.Revision(last), row)
		corruptOrNil(t, err)
		if err != nil || len(records) == 0 {
			return
		}
		for i := 1; i < len(records); i++ {
			if records[i].Revision <= records[i-1].Revision {
				t.Fatalf("%+v are out of order", records)
			}
		}
		again, err := store.DecodeIndexRow(godwit.Revision(last), store.IndexRow(records...))
		if diff := cmp.Diff(records, again); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzReplacedRow(f *testing.F) {
	f.Add(store.ReplacedRow(nil, 7, []godwit.Revision{1, 1 << 53}))
	f.Fuzz(func(t *testing.T, row []byte) {
		before, revisions, err := store.DecodeReplacedRow(row)
		corruptOrNil(t, err)
		if err == nil && !bytes.Equal(store.ReplacedRow(nil, before, revisions), row) {
			t.Errorf("%d %v is not encoded to what it was decoded from", before, revisions)
		}
	})
}

func FuzzPair(f *testing.F) {
	f.Add(store.Pair(nil, 1, 1<<63))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, row []byte) {
		x, y, err := store.DecodePair(row)
		corruptOrNil(t, err)
		if err == nil && !bytes.Equal(store.Pair(nil, x, y), row) {
			t.Errorf("%d %d is not %x", x, y, row)
		}
	})
}

func FuzzBlobRow(f *testing.F) {
	f.Add(store.BlobRow(nil, 1767225600000001, "some/key"))
	f.Add([]byte{})
	f.Add([]byte("12345678"))
	f.Fuzz(func(t *testing.T, row []byte) {
		r, key, known, err := store.DecodeBlobRow(row)
		corruptOrNil(t, err)
		if known && (err != nil || len(key) == 0 || !bytes.Equal(store.BlobRow(nil, r, string(key)), row)) {
			t.Errorf("%d %q is not %x", r, key, row)
		}
		if !known && err == nil && len(row) > 0 {
			t.Errorf("%x tells nothing", row)
		}
	})
}

func FuzzBlobKey(f *testing.F) {
	f.Add(store.BlobKey(nil, ns1, godwit.BlobID{7}))
	f.Add([]byte("b"))
	f.Fuzz(func(t *testing.T, key []byte) {
		ns, id, err := store.CutBlobKey(key)
		corruptOrNil(t, err)
		if err == nil && !bytes.Equal(store.BlobKey(nil, ns, id)[1:], key[1:]) {
			t.Errorf("%s %s is not %x", ns, id, key)
		}
	})
}

func FuzzDueKey(f *testing.F) {
	f.Add(store.DueKey(nil, 1767225660, ns1, "some/key"))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, key []byte) {
		due, ns, rest, ok := store.CutDueKey(key)
		if ok && len(key) > 0 && !bytes.Equal(store.DueKey(nil, due, ns, string(rest))[1:], key[1:]) {
			t.Errorf("%d %s %q is not %x", due, ns, rest, key)
		}
	})
}

// FuzzCursor decodes any text: only what was encoded is a cursor.
func FuzzCursor(f *testing.F) {
	f.Add(store.EncodeCursor("some/key"))
	f.Add(store.EncodeCursor("\x00"))
	f.Add("")
	f.Add("AQAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := store.DecodeCursor(text)
		if err != nil {
			if !errors.Is(err, godwit.ErrInvalidCursor) {
				t.Errorf("%v is not ErrInvalidCursor", err)
			}
			return
		}
		if len(key) == 0 || len(key) > godwit.MaxKeyBytes || store.EncodeCursor(key) != text {
			t.Errorf("%q is a cursor of %q", text, key)
		}
	})
}

// FuzzSuccessor: it is above all that start with the prefix, and nothing between.
func FuzzSuccessor(f *testing.F) {
	f.Add([]byte("a"), []byte("b"))
	f.Add([]byte{0xff, 0xff}, []byte{0})
	f.Fuzz(func(t *testing.T, prefix, rest []byte) {
		end := store.Successor(prefix)
		inside := append(bytes.Clone(prefix), rest...)
		if end != nil && bytes.Compare(inside, end) >= 0 {
			t.Errorf("%x is not below %x", inside, end)
		}
		if end != nil && bytes.HasPrefix(end, prefix) && len(prefix) > 0 {
			t.Errorf("%x starts with %x", end, prefix)
		}
		if end == nil && len(bytes.Trim(prefix, "\xff")) > 0 {
			t.Errorf("nothing after %x", prefix)
		}
	})
}
