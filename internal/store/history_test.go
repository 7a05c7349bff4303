package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// keeping makes a namespace keep history, or none.
func keeping(ns godwit.NamespaceID, history string) godwit.Mutation {
	return put(godwit.SystemNamespace, "namespace/"+ns.String(), fmt.Sprintf(`{"settings":{"history":%q}}`, history))
}

// versions are the versions of a key as text, the oldest first.
func (d *disk) versions(ns godwit.NamespaceID, key string) (all []string) {
	d.t.Helper()
	page, err := d.Versions(ctx, ns, key, 0, 100)
	if err != nil {
		d.t.Fatalf("versions of %q: %v", key, err)
	}
	for i := range page.Versions {
		v := &page.Versions[len(page.Versions)-1-i]
		all = append(all, fmt.Sprintf("%d-%d %s %d", v.Revision, v.Until, v.End, v.Value.Size()))
	}
	return all
}

func (d *disk) wantVersions(ns godwit.NamespaceID, key string, want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.versions(ns, key)); diff != "" {
		d.t.Errorf("versions of %q (-want +got):\n%s", key, diff)
	}
}

func (d *disk) wantHistory(ns godwit.NamespaceID, versions, bytes int64) {
	d.t.Helper()
	if v, b := d.HistoryStats(ns); v != versions || b != bytes {
		d.t.Errorf("history of %d versions of %d bytes, want %d of %d", v, b, versions, bytes)
	}
}

// past is a key's value at a revision, or the error's code.
func (d *disk) past(ns godwit.NamespaceID, key string, r godwit.Revision) string {
	d.t.Helper()
	v, err := d.VersionAt(ctx, ns, key, godwit.Moment{Revision: r})
	if err != nil {
		return fmt.Sprint(godwit.CodeOf(err))
	}
	return string(v.Value.Inline)
}

var (
	isGone   = fmt.Sprint(godwit.CodeHistoryGone)
	isAbsent = fmt.Sprint(godwit.CodeKeyNotFound)
)

func TestHistoryOfKeys(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "k", "before"), put(ns2, "k", "1"))               // 1, 2
	d.write(keeping(ns1, "3"))                                         // 3
	d.write(put(ns1, "k", "a"), put(ns2, "k", "2"), put(ns1, "k", "")) // 4, 5, 6: two in one transaction
	d.write(del(ns1, "k"))                                             // 7
	d.write(put(ns1, "k\x00", "zero"), put(ns1, "k", "again"))         // 8, 9
	d.write(clearing(ns1, ""))                                         // 10
	d.wantVersions(ns1, "k", "4-6 replaced 1", "6-7 deleted 0", "9-10 cleared 5")
	d.wantVersions(ns1, "k\x00", "8-10 cleared 4")
	if _, err := d.Versions(ctx, ns2, "k", 0, 1); godwit.CodeOf(err) != godwit.CodeHistoryGone {
		t.Errorf("of a namespace without: %v", err)
	}
	for r, want := range map[godwit.Revision]string{3: isGone, 4: "a", 5: "a", 6: "", 7: isAbsent, 8: isAbsent, 9: "again", 10: isAbsent} {
		if got := d.past(ns1, "k", r); got != want {
			t.Errorf("at %d: %q, want %q", r, got, want)
		}
	}
	if got := d.past(ns1, "never", 3); got != isAbsent {
		t.Errorf("a key that never was: %s", got)
	}
	if got := d.past(ns1, "never", 2); got != isGone {
		t.Errorf("before the history: %s", got)
	}
	d.wantHistory(ns1, 4, 2+1+6+6)
	d.healthy()
	d.open()
	d.wantHistory(ns1, 4, 2+1+6+6)
	if v, err := d.LastVersion(ctx, ns1, "k"); err != nil || string(v.Value.Inline) != "again" {
		t.Errorf("the last: %v, %v", v, err)
	}
	d.write(dropNS(ns1))
	d.wantHistory(ns1, 0, 0)
	d.sweep()
	d.healthy()
	d.open()
	if left := d.rowsOf(ns1); len(left) != 0 {
		t.Errorf("rows are left of a deleted namespace: %q", left)
	}
}

// TestHistoryByTime: versions go once they ended too long ago, with their values.
func TestHistoryByTime(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 3000, BlobGrace: time.Second, Retention: time.Hour})
	d.write(keeping(ns1, "10s"))
	row, large := strings.Repeat("r", 2000), strings.Repeat("b", 5000)
	d.write(put(ns1, "row", row), d.putBlob(ns1, "blob", large), putUntil(ns1, "brief", "v", d.clock.Now().Unix()+5))
	d.write(put(ns1, "row", "new"), d.putBlob(ns1, "blob", "new"+large))
	d.clock.advance(6 * time.Second)
	d.sweep()
	d.wantVersions(ns1, "brief", "4-7 expired 1")
	d.wantHistory(ns1, 3, 2003+5004+6)
	if files := d.blobFiles(); len(files) != 2 {
		t.Errorf("%d files while a version names one", len(files))
	}
	v, err := d.VersionAt(ctx, ns1, "blob", godwit.Moment{Revision: 4})
	if err != nil || v.Value.Size() != 5000 {
		t.Fatalf("the large value: %+v, %v", v, err)
	}
	if r, err := d.OpenValue(ctx, ns1, &v.Entry); err != nil {
		t.Error(err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
	d.reopen()
	d.clock.advance(4 * time.Second)
	d.sweep()
	d.wantHistory(ns1, 1, 6)
	if got := d.past(ns1, "row", 4); got != isGone {
		t.Errorf("what went: %s", got)
	}
	d.clock.advance(time.Second)
	d.sweep()
	if files := d.blobFiles(); len(files) != 1 {
		t.Errorf("%d files after the version went", len(files))
	}
	d.clock.advance(5 * time.Second)
	d.sweep()
	d.wantHistory(ns1, 0, 0)
	d.healthy()
}

// TestHistoryTurnedDown drops what is too much, of more keys than one chunk has, and
// turned off all of it.
func TestHistoryTurnedDown(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(keeping(ns1, "5"))
	for i := range 4 {
		var ms []godwit.Mutation
		for n := range 700 {
			ms = append(ms, put(ns1, keyN(n), fmt.Sprint(i)))
		}
		d.write(ms...)
	}
	d.wantHistory(ns1, 2100, 2100*8)
	d.write(keeping(ns1, "2"))
	d.sweep()
	d.wantHistory(ns1, 1400, 1400*8)
	if got := d.past(ns1, keyN(7), 800); got != "1" {
		t.Errorf("what is kept: %s", got)
	}
	if got := d.past(ns1, keyN(7), 100); got != isGone {
		t.Errorf("what is not: %s", got)
	}
	d.write(keeping(ns1, ""))
	d.write(del(ns1, keyN(7)))
	if got := d.past(ns1, keyN(7), d.Revision()); got != isGone {
		t.Errorf("after it was turned off: %s", got)
	}
	d.sweep()
	d.wantHistory(ns1, 0, 0)
	d.healthy()
	d.open()
	err := d.Rows(func(k, _ []byte) {
		if strings.ContainsRune("hok", rune(k[0])) {
			t.Errorf("row %q is left", k)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestHistoryOfHotKey: what a write or a look back costs does not grow with the versions that the ones
// before it dropped.
func TestHistoryOfHotKey(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(keeping(ns1, "2"))
	for i := range 500 {
		d.write(put(ns1, "k", fmt.Sprint(i)))
	}
	tx := d.Begin()
	steps, err := tx.StepsToOldest(ns1, "k")
	tx.Rollback()
	if err != nil || steps == 0 || steps > 10 {
		t.Errorf("%d steps to the oldest version, %v", steps, err)
	}
	steps, err = d.StepsOfWalk(t.Context(), ns1, "k")
	if err != nil || steps == 0 || steps > 10 {
		t.Errorf("%d steps through all versions, %v", steps, err)
	}
	d.wantVersions(ns1, "k", "499-500 replaced 3", "500-501 replaced 3", "501-0 current 3")
	d.healthy()
}

// TestHistoryOfExpiring: an entry may be put at the very revision until which the one
// before it stood.
func TestHistoryOfExpiring(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(keeping(ns1, "1"))
	for range 3 {
		d.write(putUntil(ns1, "k", "v", d.clock.Now().Unix()+1))
		d.clock.advance(time.Second)
		d.sweep()
	}
	d.write(put(ns1, "k", "stays"))
	d.write(put(ns1, "k", "again"))
	d.wantVersions(ns1, "k", "5-6 replaced 5", "6-0 current 5")
	d.healthy()
}

// TestHistoryOfFollowers: a store that follows another keeps none, and one that did
// not drops what it has; what comes out of order makes an end of it, too.
func TestHistoryOfFollowers(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 3000, BlobGrace: time.Second})
	d.write(keeping(ns1, "5"))
	d.write(put(ns1, "k", "1"), d.putBlob(ns1, "k", strings.Repeat("b", 5000)), put(ns1, "k", strings.Repeat("r", 2000)), put(ns1, "k", "4"))
	d.wantHistory(ns1, 3, 7004)
	d.close()
	asFollower := d.cfg
	asFollower.Follower = true
	s, err := store.Open(ctx, asFollower)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := s.HistoryStats(ns1); v != 0 {
		t.Errorf("a follower has %d versions", v)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.healthy()
	d.open() // and now it is promoted
	if got := d.past(ns1, "other", 3); got != isGone {
		t.Errorf("before it was: %s", got)
	}
	d.write(put(ns1, "k", "6"))
	d.wantHistory(ns1, 1, 2)
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Install(at(20, put(ns1, "k", "20"))), tx.Reach(30))
	})
	d.wantHistory(ns1, 0, 0)
	d.write(put(ns1, "k", "31"))
	for r, want := range map[godwit.Revision]string{6: isGone, 20: "20", 30: "20", 31: "31"} {
		if got := d.past(ns1, "k", r); got != want {
			t.Errorf("at %d: %q, want %q", r, got, want)
		}
	}
	d.clock.advance(time.Minute)
	d.sweep()
	if files := d.blobFiles(); len(files) != 0 {
		t.Errorf("files are left: %q", files)
	}
	d.healthy()
}

// TestHistoryOfMembers: one that follows a log which it shares keeps versions as it takes
// them in order, over restarts; what comes out of order makes an end of them.
func TestHistoryOfMembers(t *testing.T) {
	d := newFollower(t, store.Config{History: true, InlineBytes: 100})
	apply := func(r godwit.Revision, m godwit.Mutation) {
		t.Helper()
		d.tx(func(tx *store.Tx) error { return tx.Apply(at(r, m)) })
	}
	apply(1, keeping(ns1, "5"))
	apply(2, put(ns1, "k", "2"))
	apply(3, put(ns1, "k", "3"))
	d.reopen()
	apply(4, del(ns1, "k"))
	d.wantVersions(ns1, "k", "2-3 replaced 1", "3-4 deleted 1")
	d.wantHistory(ns1, 2, 4)
	d.catchUp(at(9, put(ns1, "k", "9")))
	d.reach(10)
	d.wantHistory(ns1, 0, 0)
	if got := d.past(ns1, "k", 3); got != isGone {
		t.Errorf("of before it was a copy again: %s", got)
	}
	apply(11, put(ns1, "k", "11"))
	d.wantVersions(ns1, "k", "9-11 replaced 1", "11-0 current 2")
	d.healthy()
}

// TestHistoryForgotten: what a crash left of a history of which an end was being made
// goes with the next opening.
func TestHistoryForgotten(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(keeping(ns1, "5"))
	for i := range 3 {
		var ms []godwit.Mutation
		for n := range 4000 {
			ms = append(ms, put(ns1, keyN(n)+strings.Repeat("k", 100), fmt.Sprint(i)))
		}
		d.write(ms...)
	}
	if err := d.Set([]byte("mforget"), nil); err != nil {
		t.Fatal(err)
	}
	d.reopen()
	d.wantHistory(ns1, 0, 0)
	d.write(put(ns1, keyN(1)+strings.Repeat("k", 100), "new"))
	d.wantHistory(ns1, 1, 108)
	d.healthy()
}

// TestFsckFindsInHistory plants one damage at a time.
func TestFsckFindsInHistory(t *testing.T) {
	for name, damage := range map[string]struct {
		plant func(d *disk) error
		want  string
	}{
		"no value":         {func(d *disk) error { return d.Delete(store.ValueKey(nil, ns1, 2)) }, `version 2 of 00000000000000000000000000000001 "row": value of 0 bytes, not 2000`},
		"a value too many": {func(d *disk) error { return d.Delete(store.VersionKey(nil, ns1, "row", 2)) }, "value of revision 2"},
		"no blob's row": {func(d *disk) error {
			v, err := d.VersionAt(ctx, ns1, "blob", godwit.Moment{Revision: 3})
			return errors.Join(err, d.Delete(store.BlobKey(nil, ns1, v.Value.Blob.ID)))
		}, "has no row"},
		"no blob": {func(d *disk) error {
			v, err := d.VersionAt(ctx, ns1, "blob", godwit.Moment{Revision: 3})
			return errors.Join(err, d.RemoveBlob(v.Value.Blob.ID))
		}, `entry 00000000000000000000000000000001 "blob"`},
		"no time":         {func(d *disk) error { return d.Delete(store.EndedKey(nil, ns1, 5, 2)) }, `version 2 of 00000000000000000000000000000001 "row": is not among those that ended`},
		"a time too many": {func(d *disk) error { return d.Set(store.EndedKey(nil, ns1, 9, 8), []byte("12345678k")) }, "ended version 8"},
		"no summary":      {func(d *disk) error { return d.Delete(store.VersionKey(nil, ns1, "k", 0)) }, "the summary says 0, there are 1"},
		"a damaged row":   {func(d *disk) error { return d.Set(store.VersionKey(nil, ns1, "k", 4), []byte{1}) }, `version 4 of 00000000000000000000000000000001 "k": damaged row`},
		"a damaged key":   {func(d *disk) error { return d.Set([]byte("h1"), nil) }, "damaged key"},
		"wrong counts":    {func(d *disk) error { return d.Set(append([]byte{'k'}, ns1[:]...), make([]byte, 40)) }, "its history says 0 versions of 0 bytes, there are 3"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{InlineBytes: 3000})
			d.write(keeping(ns1, "5"))
			d.write(put(ns1, "row", strings.Repeat("r", 2000)), d.putBlob(ns1, "blob", strings.Repeat("b", 5000)), put(ns1, "k", "v"))
			d.write(del(ns1, "row"), del(ns1, "blob"), del(ns1, "k"))
			d.healthy()
			d.open()
			if err := damage.plant(d); err != nil {
				t.Fatal(err)
			}
			problems := strings.Join(d.fsck(), "\n")
			if !strings.Contains(problems, damage.want) {
				t.Errorf("fsck says %q, want %q", problems, damage.want)
			}
		})
	}
}

// TestChangesByPages: whatever the size of pages, they tell of the same keys.
func TestChangesByPages(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(keeping(ns1, "1h"))
	var want []string
	for i := range 40 {
		d.write(put(ns1, keyN(i), "then"), put(ns1, keyN(i)+"\x00/", "then"))
	}
	then := d.Revision()
	for i := range 40 {
		switch i % 4 {
		case 0:
			d.write(del(ns1, keyN(i)))
			want = append(want, keyN(i)+" 1")
		case 1:
			d.write(put(ns1, keyN(i)+"\x00/", "now"))
			want = append(want, keyN(i)+"\x00/ 1")
		case 2:
			d.write(put(ns1, keyN(i), "now"), put(ns1, keyN(i), "then")) // as it was
		case 3:
			d.write(put(ns1, keyN(i)+"-", "now"))
			want = append(want, keyN(i)+"- 0")
		}
	}
	for _, limit := range []int{1, 3, 1000} {
		var got []string
		q := godwit.ChangesQuery{At: godwit.Moment{Revision: then}, Prefix: "key", Limit: limit}
		for more := true; more; {
			page, err := d.Changes(ctx, ns1, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Changes {
				versions := 0
				if c.Version != nil {
					versions++
				}
				got = append(got, fmt.Sprintf("%s %d", c.Key, versions))
			}
			q.Cursor, more = page.Cursor, page.More
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}
