package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// scanAll pages through what a query selects.
func (d *disk) scanAll(ns godwit.NamespaceID, q godwit.ListQuery) (all []godwit.Entry) {
	d.t.Helper()
	for {
		page, err := d.List(ctx, ns, q, godwit.ReadOptions{})
		if err != nil {
			d.t.Fatalf("scan %+v: %v", q, err)
		}
		if len(page.Entries) > q.Limit || page.More != (page.Cursor != "") {
			d.t.Fatalf("scan %+v: page of %d, more %v, cursor %q", q, len(page.Entries), page.More, page.Cursor)
		}
		all = append(all, page.Entries...)
		if !page.More {
			return all
		}
		q.Cursor = page.Cursor
	}
}

func names(entries []godwit.Entry) (keys []string) {
	for i := range entries {
		keys = append(keys, entries[i].Key)
	}
	return keys
}

// everyByte are keys of each byte that UTF-8 can stand in, the longest too, and
// some that share their beginnings.
func everyByte() (keys []string) {
	for b := range 256 {
		keys = append(keys, string([]byte{byte(b)}), string([]byte{'a', byte(b)}), string([]byte{'a', byte(b), 0}))
	}
	long := strings.Repeat("p", 512)
	return append(keys, long, long[:511], long[:511]+"q", long[:511]+"\xff")
}

// TestScanAgainstModel holds scans of random ranges against a sorted slice. Keys
// need not be UTF-8 in a store.
func TestScanAgainstModel(t *testing.T) {
	d := newDisk(t, store.Config{})
	ns := godwit.NamespaceID{14: 1, 15: 0xff}
	keys := everyByte()
	var ms []godwit.Mutation
	for _, k := range keys {
		ms = append(ms, put(ns, k, k))
		for _, other := range []godwit.NamespaceID{{14: 1, 15: 0xfe}, {14: 2}} {
			ms = append(ms, put(other, k, "other"))
		}
	}
	d.write(ms...)
	slices.Sort(keys)
	rng := rand.New(rand.NewPCG(3, 7))
	pick := func(odds int) string {
		if rng.IntN(odds) > 0 {
			return ""
		}
		return keys[rng.IntN(len(keys))]
	}
	for range 500 {
		scan := godwit.Scan{Start: pick(2), End: pick(2), Reverse: rng.IntN(2) == 0, Values: rng.IntN(2) == 0}
		q := godwit.ListQuery{Prefix: pick(3), Limit: 1 + rng.IntN(400), Scan: &scan}
		var want []string
		for _, k := range keys {
			if strings.HasPrefix(k, q.Prefix) && k >= scan.Start && (scan.End == "" || k < scan.End) {
				want = append(want, k)
			}
		}
		if scan.Reverse {
			slices.Reverse(want)
		}
		got := d.scanAll(ns, q)
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Fatalf("%+v, %+v (-want +got):\n%s", q, scan, diff)
		}
		for _, e := range got {
			if e.Value.Size() != int64(len(e.Key)) || scan.Values && string(e.Value.Inline) != e.Key {
				t.Fatalf("%+v: %q has %+v", scan, e.Key, e.Value)
			}
		}
	}
}

// TestScanEntries: an entry comes with all that is known of it, its value where
// that is asked for and not too long.
func TestScanEntries(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 100 << 10})
	values := []string{"", "v", strings.Repeat("r", 5000), strings.Repeat("l", 64<<10), strings.Repeat("t", 64<<10+1), strings.Repeat("b", 200<<10)}
	now := d.clock.Now()
	var want []godwit.Entry
	for i, v := range values {
		m := put(ns1, keyN(i), v)
		if len(v) > 100<<10 {
			m.Value = godwit.Value{Blob: d.upload(v)}
		}
		if i%2 == 1 {
			m.Metadata, m.Expiration = fmt.Appendf(nil, `{"n":%d}`, i), now.Unix()+60
		}
		want = append(want, godwit.Entry{
			Key: m.Key, Revision: godwit.Revision(i + 1), Created: now.UnixMilli(), Modified: now.UnixMilli(),
			Metadata: m.Metadata, Expiration: m.Expiration, Value: godwit.SizeOnly(int64(len(v))),
		})
		d.write(m)
	}
	got := d.scanAll(ns1, godwit.ListQuery{Limit: 10, Scan: &godwit.Scan{}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without values (-want +got):\n%s", diff)
	}
	for i, v := range values[:4] {
		want[i].Value = godwit.Value{Inline: []byte(v)}
	}
	got = d.scanAll(ns1, godwit.ListQuery{Limit: 10, Scan: &godwit.Scan{Values: true}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with values (-want +got):\n%s", diff)
	}
}

// upload stores a value as a blob.
func (d *disk) upload(value string) godwit.Blob {
	d.t.Helper()
	v, err := d.Upload(ctx, strings.NewReader(value), int64(len(value)))
	if err != nil || v.Blob.IsZero() {
		d.t.Fatalf("upload: %+v %v", v, err)
	}
	return v.Blob
}

// TestScanPageIsBounded: a page ends where its bytes would be too many, and goes
// on in the next, in both orders.
func TestScanPageIsBounded(t *testing.T) {
	d := newDisk(t, store.Config{})
	value := strings.Repeat("v", 64<<10)
	const n = 150 // 9.4 MiB
	for i := range n {
		d.write(put(ns1, keyN(i), value))
	}
	for _, reverse := range []bool{false, true} {
		q := godwit.ListQuery{Limit: 1000, Scan: &godwit.Scan{Values: true, Reverse: reverse}}
		page, err := d.List(ctx, ns1, q, godwit.ReadOptions{})
		if err != nil || len(page.Entries) != 63 || !page.More {
			t.Errorf("reverse %v: %d entries, more %v, %v", reverse, len(page.Entries), page.More, err)
		}
		if got := len(d.scanAll(ns1, q)); got != n {
			t.Errorf("reverse %v: %d entries in all", reverse, got)
		}
	}
}

// TestScanWhere: what does not match is left out, and so is what has expired.
func TestScanWhere(t *testing.T) {
	d := newDisk(t, store.Config{})
	var ms []godwit.Mutation
	for i := range 100 {
		m := put(ns1, keyN(i), "v")
		m.Metadata = fmt.Appendf(nil, `{"mod":%d}`, i%10)
		if i == 13 {
			m.Expiration = d.clock.Now().Unix() + 1
		}
		ms = append(ms, m)
	}
	d.write(ms...)
	d.clock.advance(1e9)
	for _, limit := range []int{1, 2, 9, 10} {
		q := godwit.ListQuery{Prefix: "key00", Limit: limit, Scan: &godwit.Scan{Where: &godwit.MetadataFilter{Field: "mod", Equals: "3"}, Reverse: true}}
		want := []string{keyN(93), keyN(83), keyN(73), keyN(63), keyN(53), keyN(43), keyN(33), keyN(23), keyN(3)}
		if diff := cmp.Diff(want, names(d.scanAll(ns1, q))); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

// TestScanCounts: a count is of names, metadata and values, as the namespace's own
// counters are.
func TestScanCounts(t *testing.T) {
	d := newDisk(t, store.Config{})
	for i, v := range []string{"", "12345", strings.Repeat("r", 3000), strings.Repeat("b", 100<<10)} {
		m := put(ns1, keyN(i), v)
		if len(v) > 64<<10 {
			m.Value = godwit.Value{Blob: d.upload(v)}
		}
		m.Metadata = []byte(`{"a":1}`)
		d.write(m)
	}
	page, err := d.List(ctx, ns1, godwit.ListQuery{Scan: &godwit.Scan{Count: true}}, godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	keys, size := d.NamespaceStats(ns1)
	if page.Keys != keys || page.Bytes != size || keys != 4 || page.More || page.Entries != nil {
		t.Errorf("counted %d keys of %d bytes, more %v; the counters say %d, %d", page.Keys, page.Bytes, page.More, keys, size)
	}
}

// TestScanLooksAtSoMany: one page looks at a bounded number of keys, and its cursor
// goes on behind them, also where none was asked for.
func TestScanLooksAtSoMany(t *testing.T) {
	d := newDisk(t, store.Config{Follower: true})
	const n = godwit.MaxScannedKeys + 10
	d.tx(func(tx *store.Tx) error {
		for i := range n {
			m := put(ns1, fmt.Sprintf("%07d", i), "")
			if i == n-1 {
				m.Metadata = []byte(`{"last":true}`)
			}
			if err := tx.Install(&godwit.Record{Mutation: m, Revision: godwit.Revision(i + 1)}); err != nil {
				return err
			}
		}
		return nil
	})
	q := godwit.ListQuery{Limit: 1, Scan: &godwit.Scan{Where: &godwit.MetadataFilter{Field: "last", Equals: "true"}}}
	page, err := d.List(ctx, ns1, q, godwit.ReadOptions{})
	if err != nil || len(page.Entries) != 0 || !page.More || page.Cursor != store.EncodeCursor(fmt.Sprintf("%07d", godwit.MaxScannedKeys-1)) {
		t.Errorf("first page: %d entries, more %v, cursor %q, %v", len(page.Entries), page.More, page.Cursor, err)
	}
	if got := d.scanAll(ns1, q); len(got) != 1 {
		t.Errorf("%d entries in all", len(got))
	}
	count := godwit.ListQuery{Scan: &godwit.Scan{Count: true, Reverse: true}}
	for _, want := range []int64{godwit.MaxScannedKeys, 10} {
		page, err := d.List(ctx, ns1, count, godwit.ReadOptions{})
		if err != nil || page.Keys != want {
			t.Fatalf("counted %d, want %d: %v", page.Keys, want, err)
		}
		count.Cursor = page.Cursor
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := d.List(cancelled, ns1, q, godwit.ReadOptions{}); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("cut off: %v", err)
	}
}

func TestScanRefusesCursors(t *testing.T) {
	d := newDisk(t, store.Config{})
	_, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 1, Cursor: "x", Scan: &godwit.Scan{}}, godwit.ReadOptions{})
	if !errors.Is(err, godwit.ErrInvalidCursor) {
		t.Error(err)
	}
}
