package store_test

import (
	"encoding/base64"
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

// listAll pages through a namespace.
func (d *disk) listAll(ns godwit.NamespaceID, prefix string, limit int) (keys []string) {
	d.t.Helper()
	q := godwit.ListQuery{Prefix: prefix, Limit: limit}
	for {
		page, err := d.List(ctx, ns, q, godwit.ReadOptions{})
		if err != nil {
			d.t.Fatalf("list %q: %v", prefix, err)
		}
		for _, e := range page.Entries {
			if e.Value.Inline != nil || !e.Value.Blob.IsZero() {
				d.t.Errorf("list %q: %q has a value", prefix, e.Key)
			}
			keys = append(keys, e.Key)
		}
		if len(page.Entries) > limit || page.More != (page.Cursor != "") || page.More && len(page.Entries) == 0 {
			d.t.Fatalf("list %q: page of %d, more %v, cursor %q", prefix, len(page.Entries), page.More, page.Cursor)
		}
		if !page.More {
			return keys
		}
		q.Cursor = page.Cursor
	}
}

// TestListOddKeys lists keys whose order or end is easy to get wrong, between
// two namespaces whose ids are neighbours.
func TestListOddKeys(t *testing.T) {
	d := newDisk(t, store.Config{})
	ns := godwit.NamespaceID{14: 1, 15: 0xff}
	before, after := godwit.NamespaceID{14: 1, 15: 0xfe}, godwit.NamespaceID{14: 2, 15: 0}
	long := strings.Repeat("p", 512)
	keys := []string{
		"\x00", "\x00\x00", " ", "a", "a\x00", "a\x00b", "a\x01", "a/b", "ab", "a\x7f", "aé", "a𝄞", "b",
		long[:511], long, long[:511] + "q", "\uffff", "\U0010ffff", "\xff", "\xff\xff", "\xff\xff\x00",
	}
	var ms []godwit.Mutation
	for _, k := range keys {
		ms = append(ms, put(ns, k, k), put(before, k, "other"), put(after, k, "other"))
	}
	rand.New(rand.NewPCG(1, 7)).Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
	d.write(ms...)
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a\x00", "\xff", "\xff\xff", "\xff\xff\xff", long[:511], long, "\x00", "é"} {
		var want []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		for _, limit := range []int{1, 2, 3, 7, 1000} {
			if diff := cmp.Diff(want, d.listAll(ns, prefix, limit)); diff != "" {
				t.Errorf("prefix %q, limit %d (-want +got):\n%s", prefix, limit, diff)
			}
		}
	}
}

// TestListLastNamespace lists the namespace after which nothing can stand.
func TestListLastNamespace(t *testing.T) {
	d := newDisk(t, store.Config{})
	var last godwit.NamespaceID
	for i := range last {
		last[i] = 0xff
	}
	d.write(put(last, "\xff", "v"), put(last, "a", "v"))
	if diff := cmp.Diff([]string{"a", "\xff"}, d.listAll(last, "", 1)); diff != "" {
		t.Error(diff)
	}
	d.write(dropNS(last))
	if got := d.listAll(last, "", 10); len(got) != 0 {
		t.Errorf("keys %q of a dropped namespace", got)
	}
	d.sweep()
	d.healthy()
}

func TestCursors(t *testing.T) {
	d := newDisk(t, store.Config{})
	var ms []godwit.Mutation
	for i := range 20 {
		ms = append(ms, put(ns1, keyN(i), "v"))
	}
	d.write(ms...)
	page, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 5}, godwit.ReadOptions{})
	if err != nil || page.Cursor == "" {
		t.Fatalf("%+v %v", page, err)
	}
	// A cursor means the same after reopening, and at another store.
	d.reopen()
	if other := newDisk(t, store.Config{}); true {
		other.write(ms...)
		for _, at := range []*disk{d, other} {
			next, err := at.List(ctx, ns1, godwit.ListQuery{Limit: 2, Cursor: page.Cursor}, godwit.ReadOptions{})
			if err != nil || next.Entries[0].Key != keyN(5) || len(next.Entries) != 2 {
				t.Errorf("after the cursor: %+v %v", next, err)
			}
		}
	}
	// One of another prefix is a cursor all the same: it goes on after its key.
	for prefix, want := range map[string][]string{"a": nil, "z": nil, "key001": {keyN(10)}} {
		got, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 1, Prefix: prefix, Cursor: page.Cursor}, godwit.ReadOptions{})
		if err != nil {
			t.Errorf("prefix %q: %v", prefix, err)
			continue
		}
		var keys []string
		for _, e := range got.Entries {
			keys = append(keys, e.Key)
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("prefix %q with another's cursor (-want +got):\n%s", prefix, diff)
		}
	}
}

func TestInvalidCursors(t *testing.T) {
	d := newDisk(t, store.Config{})
	good := store.EncodeCursor("some/key")
	if key, err := store.DecodeCursor(good); key != "some/key" || err != nil {
		t.Errorf("%q %v", key, err)
	}
	if key, err := store.DecodeCursor(store.EncodeCursor(strings.Repeat("k", 512))); len(key) != 512 || err != nil {
		t.Errorf("%q %v", key, err)
	}
	bad := []string{
		"x", "null", "====", good[1:], good[:len(good)-1], good + "A", good + "=", " " + good, good + "\n",
		strings.ToUpper(good), strings.Repeat("A", 10_000), "AVI7XHw", store.EncodeCursor(strings.Repeat("k", 513)),
		base64.StdEncoding.EncodeToString([]byte("some/key")), "\x00", "é",
	}
	for i := range len(good) {
		flipped := []byte(good)
		flipped[i] ^= 1
		bad = append(bad, string(flipped))
	}
	for _, cursor := range bad {
		_, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 1, Cursor: cursor}, godwit.ReadOptions{})
		if !errors.Is(err, godwit.ErrInvalidCursor) {
			t.Errorf("cursor %.40q: %v", cursor, err)
		}
	}
}

// TestListWhileItChanges pages while keys come and go: a key that was there all
// the time is listed once, one that never was is not.
func TestListWhileItChanges(t *testing.T) {
	d := newDisk(t, store.Config{})
	rng := rand.New(rand.NewPCG(2, 7))
	var ms []godwit.Mutation
	var steady []string
	for i := range 200 {
		ms = append(ms, put(ns1, keyN(2*i), "v"))
		steady = append(steady, keyN(2*i))
	}
	d.write(ms...)
	var got []string
	q := godwit.ListQuery{Limit: 7}
	for {
		page, err := d.List(ctx, ns1, q, godwit.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			got = append(got, e.Key)
		}
		if !page.More {
			break
		}
		q.Cursor, q.Limit = page.Cursor, 1+rng.IntN(20)
		for range 10 {
			k := keyN(2*rng.IntN(200) + 1)
			d.write(put(ns1, k, "w"))
			if rng.IntN(2) == 0 {
				d.write(del(ns1, k))
			}
		}
		// The cursor's own key may go, too.
		last := page.Entries[len(page.Entries)-1].Key
		d.write(del(ns1, last), put(ns1, last, "v"))
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("not in order, or twice: %q", got)
	}
	for _, k := range steady {
		if !slices.Contains(got, k) {
			t.Errorf("%s is missing", k)
		}
	}
}

// TestListSkipsManyExpired: a page is filled from behind any number of expired
// entries, and a cut-off context ends the search.
func TestListSkipsManyExpired(t *testing.T) {
	d := newDisk(t, store.Config{})
	soon := d.clock.Now().Unix() + 1
	var ms []godwit.Mutation
	for i := range 3000 {
		ms = append(ms, putUntil(ns1, keyN(i), "v", soon))
	}
	d.write(append(ms, put(ns1, "z", "v"))...)
	d.clock.advance(1e9)
	if diff := cmp.Diff([]string{"z"}, d.listAll(ns1, "", 1)); diff != "" {
		t.Error(diff)
	}
	entries, _, err := d.GetMany(ctx, ns1, []string{keyN(1), "z", "none", "z"}, godwit.ReadOptions{})
	if err != nil || len(entries) != 4 || entries[0] != nil || entries[1] == nil || entries[2] != nil || entries[3] == nil {
		t.Errorf("get many: %v %v", entries, err)
	}
}

// TestListMetadata: a page gives each entry's own metadata, expiration and times.
func TestListMetadata(t *testing.T) {
	d := newDisk(t, store.Config{})
	var ms []godwit.Mutation
	for i := range 10 {
		m := put(ns1, keyN(i), strings.Repeat("v", 400*i))
		if i%3 > 0 {
			m.Metadata = fmt.Appendf(nil, `{"n":%d}`, i)
		}
		if i%4 > 0 {
			m.Expiration = d.clock.Now().Unix() + int64(i)
		}
		ms = append(ms, m)
	}
	d.write(ms...)
	page, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 100}, godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range page.Entries {
		now := d.clock.Now().UnixMilli()
		want := godwit.Entry{
			Key: ms[i].Key, Revision: godwit.Revision(i + 1), Created: now, Modified: now,
			Expiration: ms[i].Expiration, Metadata: ms[i].Metadata,
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("entry %d (-want +got):\n%s", i, diff)
		}
	}
	if len(page.Entries) != 10 || page.Served.Revision != 10 {
		t.Errorf("%d entries at %d", len(page.Entries), page.Served.Revision)
	}
}
