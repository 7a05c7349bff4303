package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

var (
	txNS   = godwit.NamespaceID{0x11, 0x22}
	txBlob = godwit.Blob{ID: godwit.BlobID{0xb1, 0x0b}, Size: 25 << 20, Hash: [32]byte{0x4a, 0x5b}}
)

func txPut(key, value string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpPut, Namespace: txNS, Key: key, Value: godwit.Value{Inline: []byte(value)}}
}

// someTransactions are of every kind there is.
func someTransactions() map[string]godwit.Transaction {
	full := txPut("key", "value")
	full.Metadata, full.Expiration = []byte(`{"a":1}`), 1767225660
	blob := txPut("large", "")
	blob.Value = godwit.Value{Blob: txBlob}
	condition := func(kind godwit.ConditionKind, revisions ...godwit.Revision) godwit.Condition {
		return godwit.Condition{Kind: kind, Namespace: txNS, Key: "key", Revisions: revisions}
	}
	return map[string]godwit.Transaction{
		"nothing": {},
		"put":     {RequestKey: godwit.RequestKey{1, 2, 3}, Mutations: []godwit.Mutation{txPut("key", "value")}},
		"empty":   {Mutations: []godwit.Mutation{txPut("key", "")}},
		"full":    {Mutations: []godwit.Mutation{full}},
		"blob":    {Mutations: []godwit.Mutation{blob}},
		"add": {Mutations: []godwit.Mutation{
			{Op: godwit.OpAdd, Namespace: txNS, Key: "n", Delta: -300},
			{Op: godwit.OpAdd, Namespace: txNS, Key: "m", Delta: math.MaxInt64, Metadata: []byte("1"), Expiration: 1767225660},
		}},
		"delete": {Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: txNS, Key: "key"}}},
		"conditions": {
			Conditions: []godwit.Condition{
				condition(godwit.MustBeAbsent), condition(godwit.MustExist),
				condition(godwit.MustMatch, 1, godwit.MaxRevision), condition(godwit.MustNotMatch, 7),
			},
			Mutations: []godwit.Mutation{txPut("a", "1"), {Op: godwit.OpDelete, Namespace: txNS, Key: "b"}},
		},
	}
}

// TestTransactionGolden holds the bytes of what nodes send each other. With
// --rewrite it writes down what they are now.
func TestTransactionGolden(t *testing.T) {
	datadriven.RunTest(t, "testdata/transaction", func(t *testing.T, td *datadriven.TestData) string {
		switch td.Cmd {
		case "transaction":
			tx, ok := someTransactions()[td.CmdArgs[0].Key]
			if !ok {
				t.Fatalf("no transaction %q", td.CmdArgs[0].Key)
			}
			return hex.Dump(wire.AppendTransaction(nil, &tx))
		case "batch":
			return hex.Dump(wire.AppendBatch(nil, &godwit.Batch{Time: 1767225600123, Transactions: []godwit.Transaction{
				someTransactions()["put"], someTransactions()["delete"],
			}}))
		case "results":
			return hex.Dump(wire.AppendResults(nil, someResults()))
		default:
			t.Fatalf("no command %q", td.Cmd)
			return ""
		}
	})
}

func TestTransactionsComeBack(t *testing.T) {
	var all []godwit.Transaction
	for name, tx := range someTransactions() {
		d := wire.NewDecoder(wire.AppendTransaction(nil, &tx))
		var got godwit.Transaction
		wire.DecodeTransaction(&d, &got)
		if diff := cmp.Diff(tx, got); d.Err() != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, d.Err(), diff)
		}
		all = append(all, tx)
	}
	batch := godwit.Batch{Time: 1767225600123, Transactions: all}
	got, err := wire.DecodeBatch(wire.AppendBatch(nil, &batch), len(all))
	if diff := cmp.Diff(batch, got); err != nil || diff != "" {
		t.Errorf("batch: %v (-want +got):\n%s", err, diff)
	}
}

func TestTransactionsThatAreRefused(t *testing.T) {
	encode := func(tx godwit.Transaction) []byte {
		return wire.AppendBatch(nil, &godwit.Batch{Transactions: []godwit.Transaction{tx}})
	}
	put := encode(godwit.Transaction{Mutations: []godwit.Mutation{txPut("key", "value")}})
	metadata, inline := txPut("k", "v"), txPut("k", strings.Repeat("v", godwit.MaxInlineBytes+1))
	metadata.Metadata = make([]byte, godwit.MaxMetadataBytes+1)
	etags := godwit.Condition{Kind: godwit.MustMatch, Key: "k", Revisions: make([]godwit.Revision, godwit.MaxETags+1)}
	add := encode(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpAdd, Key: "k", Delta: 1}}})
	shaped := func(shape byte) []byte { // of an add whose delta may be taken for a count of no bytes
		b := append([]byte(nil), add...)
		b[bytes.IndexByte(b, 0x80)] = shape
		return b
	}
	for name, b := range map[string][]byte{
		"an add that deletes":  shaped(0x81),
		"an add with a value":  shaped(0xa0),
		"an add of a blob":     shaped(0xc0),
		"an add with no delta": add[:len(add)-1],
		"nothing":              {},
		"another version":      append([]byte{2}, put[1:]...),
		"cut":                  put[:len(put)-1],
		"goes on":              append(put[:len(put):len(put)], 0),
		"a count of nothing":   {1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"two of one": wire.AppendBatch(nil, &godwit.Batch{Transactions: []godwit.Transaction{
			someTransactions()["put"], someTransactions()["put"],
		}}),
		"empty key":        encode(godwit.Transaction{Mutations: []godwit.Mutation{txPut("", "")}}),
		"long key":         encode(godwit.Transaction{Mutations: []godwit.Mutation{txPut(strings.Repeat("k", 513), "")}}),
		"long metadata":    encode(godwit.Transaction{Mutations: []godwit.Mutation{metadata}}),
		"long value":       encode(godwit.Transaction{Mutations: []godwit.Mutation{inline}}),
		"unknown kind":     encode(godwit.Transaction{Conditions: []godwit.Condition{{Kind: 5, Key: "k"}}}),
		"no kind":          encode(godwit.Transaction{Conditions: []godwit.Condition{{Key: "k"}}}),
		"too many tags":    encode(godwit.Transaction{Conditions: []godwit.Condition{etags}}),
		"no condition key": encode(godwit.Transaction{Conditions: []godwit.Condition{{Kind: godwit.MustExist}}}),
		"large revision": encode(godwit.Transaction{Conditions: []godwit.Condition{
			{Kind: godwit.MustMatch, Key: "k", Revisions: []godwit.Revision{godwit.MaxRevision + 1}},
		}}),
	} {
		if got, err := wire.DecodeBatch(b, 1); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// FuzzBatch decodes any bytes; what was decoded is encoded to bytes that decode
// to the same.
func FuzzBatch(f *testing.F) {
	for _, tx := range someTransactions() {
		f.Add(wire.AppendBatch(nil, &godwit.Batch{Time: 1, Transactions: []godwit.Transaction{tx, tx}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		batch, err := wire.DecodeBatch(b, 100)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) || len(batch.Transactions) > 0 {
				t.Fatalf("%+v, %v", batch, err)
			}
			return
		}
		again, err := wire.DecodeBatch(wire.AppendBatch(nil, &batch), 100)
		if diff := cmp.Diff(batch, again); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func someResults() []godwit.Result {
	return []godwit.Result{
		{Outcome: godwit.Applied, Revision: godwit.MaxRevision},
		{Outcome: godwit.Applied, Revision: 7, Repeated: true},
		{Outcome: godwit.ConditionFailed, Revision: 8},
		{Outcome: godwit.NamespaceMissing},
		{Outcome: godwit.NotNumber, Revision: 9},
		{Outcome: godwit.Applied, Revision: 10, Sums: []int64{7, math.MinInt64}},
		{Outcome: godwit.Applied, Revision: 10, Sums: []int64{0}, Repeated: true},
	}
}

func TestResults(t *testing.T) {
	b := wire.AppendResults(nil, someResults())
	d := wire.NewDecoder(b)
	got := wire.DecodeResults(&d, len(someResults()))
	if diff := cmp.Diff(someResults(), got); d.Err() != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", d.Err(), diff)
	}
	for name, bad := range map[string][]byte{
		"too many":       b,
		"cut":            {1, 1},
		"no outcome":     {1, 0, 1},
		"unknown":        {1, 5, 1},
		"no sums":        {1, 0x41, 1, 0},
		"too few sums":   {1, 0x41, 1, 2, 0},
		"sums of none":   {1, 0x42, 1, 1, 0},
		"a large number": {0xff, 0xff, 0x03, 1, 1},
	} {
		d := wire.NewDecoder(bad)
		if got := wire.DecodeResults(&d, 3); !d.Bad() || got != nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzResults(f *testing.F) {
	f.Add(wire.AppendResults(nil, someResults()))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := wire.NewDecoder(b)
		results := wire.DecodeResults(&d, 100)
		if d.Err() != nil {
			return
		}
		again := wire.NewDecoder(wire.AppendResults(nil, results))
		if diff := cmp.Diff(results, wire.DecodeResults(&again, 100)); again.Err() != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", again.Err(), diff)
		}
	})
}
