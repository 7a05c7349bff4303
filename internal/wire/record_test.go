package wire_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// records are one of each shape.
func records() map[string]godwit.Record {
	mutation := godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1, 2}, Key: "key"}
	record := func(change func(*godwit.Record)) godwit.Record {
		r := godwit.Record{Mutation: mutation, Revision: 1_700_000_000_000_001, Created: 1_700_000_000_000, Modified: 1_700_000_000_000}
		change(&r)
		return r
	}
	return map[string]godwit.Record{
		"inline": record(func(r *godwit.Record) { r.Value.Inline = []byte("value") }),
		"empty":  record(func(r *godwit.Record) { r.Value.Inline = []byte{} }),
		"head":   record(func(*godwit.Record) {}),
		"all": record(func(r *godwit.Record) {
			r.Value.Inline, r.Metadata, r.Expiration, r.Created = []byte("value"), []byte(`{"a":1}`), 1_800_000_000, 1_600_000_000_000
		}),
		"blob": record(func(r *godwit.Record) {
			r.Value.Blob = godwit.Blob{ID: godwit.BlobID{3}, Size: 1 << 20, Hash: [32]byte{4}}
		}),
		"swept": record(func(r *godwit.Record) { r.Swept, r.Expiration = true, 1_700_000_060 }),
		"swept number": record(func(r *godwit.Record) {
			r.Swept, r.Expiration, r.Value.Inline = true, 1_700_000_060, []byte("-7")
		}),
		"delete": record(func(r *godwit.Record) { r.Op = godwit.OpDelete }),
		"longest": record(func(r *godwit.Record) {
			r.Key, r.Metadata = strings.Repeat("k", godwit.MaxKeyBytes), bytes.Repeat([]byte{'1'}, godwit.MaxMetadataBytes)
			r.Value.Inline, r.Revision = make([]byte, godwit.MaxInlineBytes), godwit.MaxRevision
		}),
	}
}

func decode(b []byte) (r godwit.Record, err error) {
	d := wire.NewDecoder(b)
	wire.DecodeRecord(&d, &r)
	return r, d.Err()
}

// TestRecordGolden holds the bytes. With --rewrite it writes down what they are.
func TestRecordGolden(t *testing.T) {
	all := records()
	datadriven.RunTest(t, "testdata/record", func(t *testing.T, td *datadriven.TestData) string {
		r, ok := all[td.Cmd]
		if !ok {
			t.Fatalf("%s: no such record", td.Pos)
		}
		return hex.Dump(wire.AppendRecord(nil, &r))
	})
}

func TestRecordsComeBack(t *testing.T) {
	for name, want := range records() {
		b := wire.AppendRecord(nil, &want)
		if len(b) < wire.MinRecordBytes {
			t.Errorf("%s: %d bytes, and no record is to be under %d", name, len(b), wire.MinRecordBytes)
		}
		got, err := decode(b)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v, (-sent +got):\n%s", name, err, diff)
		}
		for n := range min(len(b), 100) {
			if _, err := decode(b[:n]); err == nil {
				t.Errorf("%s: the first %d bytes of %d were taken", name, n, len(b))
			}
		}
		if _, err := decode(append(b, 0)); err == nil {
			t.Errorf("%s: a byte too many was taken", name)
		}
	}
}

// TestRecordsWithoutWhatTheyHaveNot holds that a deletion or a swept entry never
// carries content, whatever it was made of: nobody could read it.
func TestRecordsWithoutWhatTheyHaveNot(t *testing.T) {
	full := records()["all"]
	for _, op := range []godwit.Op{godwit.OpDelete, godwit.OpPut} {
		r := full
		r.Op, r.Swept = op, op == godwit.OpPut
		got, err := decode(wire.AppendRecord(nil, &r))
		if err != nil || got.Metadata != nil || got.Value.Inline != nil || got.Op != op || got.Swept != r.Swept {
			t.Errorf("operation %d: %+v, %v", op, got, err)
		}
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	tooLong := func(change func(*godwit.Record)) []byte {
		r := records()["all"]
		change(&r)
		return wire.AppendRecord(nil, &r)
	}
	ns := strings.Repeat("00", 16)
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"key too long":       tooLong(func(r *godwit.Record) { r.Key = strings.Repeat("k", godwit.MaxKeyBytes+1) }),
		"no key":             tooLong(func(r *godwit.Record) { r.Key = "" }),
		"metadata too long":  tooLong(func(r *godwit.Record) { r.Metadata = make([]byte, godwit.MaxMetadataBytes+1) }),
		"value too long":     tooLong(func(r *godwit.Record) { r.Value.Inline = make([]byte, godwit.MaxInlineBytes+1) }),
		"no revision":        tooLong(func(r *godwit.Record) { r.Revision = 0 }),
		"revision too high":  tooLong(func(r *godwit.Record) { r.Revision = godwit.MaxRevision + 1 }),
		"unknown shape":      unhex("80" + ns + "016b0101"),
		"deleted with value": unhex("21" + ns + "016b01010161"),
		"swept with value":   unhex("22" + ns + "016b01010161"),
		"swept with nothing": unhex("22" + ns + "016b010100"),
		"value and blob":     unhex("60" + ns + "016b01010161"),
		"blob without id":    unhex("40" + ns + "016b0101" + ns + "05" + strings.Repeat("00", 32)),
		"endless number":     unhex("01" + ns + "016b" + strings.Repeat("ff", 11)),
	} {
		if r, err := decode(b); err == nil {
			t.Errorf("%s was taken: %+v", name, r)
		}
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", s, err))
	}
	return b
}

// FuzzRecord holds that what is taken comes back the same.
func FuzzRecord(f *testing.F) {
	for _, r := range records() {
		f.Add(wire.AppendRecord(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(wire.AppendRecord(nil, &r))
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("error %v, (-first +again):\n%s", err, diff)
		}
	})
}
