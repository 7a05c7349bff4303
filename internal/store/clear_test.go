package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// clearing is the mutation that clears keys.
func clearing(ns godwit.NamespaceID, prefix string) godwit.Mutation {
	return godwit.Mutation{
		Op: godwit.OpPut, Key: godwit.ClearingKey(ns, prefix), Value: godwit.Value{Inline: []byte{}},
	}
}

// TestClear: keys of every kind go, with all that is noted of them; those beside the
// prefix, of other namespaces and from after it stay.
func TestClear(t *testing.T) {
	for name, tc := range map[string]struct {
		prefix string
		above  int64
	}{"a prefix": {"a/", -1}, "all": {"", 0}, "all, unread": {"", -1}} {
		t.Run(name, func(t *testing.T) {
			prefix := tc.prefix
			d := newDisk(t, store.Config{InlineBytes: 4000, BlobGrace: time.Second, WipeAbove: tc.above})
			d.write(
				put(ns1, "a/short", "v"), put(ns1, "a/row", strings.Repeat("r", 2000)),
				d.putBlob(ns1, "a/blob", strings.Repeat("b", 5000)), put(ns1, "a/deleted", "v"),
				put(ns1, "a", "v"), put(ns1, "a0", "v"), put(ns2, "a/other", "v"),
			)
			d.write(putUntil(ns1, "a/ending", "v", d.clock.Now().Unix()+60), del(ns1, "a/deleted"))
			d.wantValue(ns1, "a/short", "v") // it is in memory now
			d.write(put(ns1, "a/same", "v"), clearing(ns1, prefix), put(ns1, "a/new", "w"))

			for _, key := range []string{"a/short", "a/row", "a/blob", "a/deleted", "a/ending", "a/same"} {
				d.wantAbsent(ns1, key)
			}
			keys, want := d.listAll(ns1, "", 10), []string{"a", "a/new", "a0"}
			if prefix == "" {
				want = []string{"a/new"}
			}
			if diff := cmp.Diff(want, keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			d.wantValue(ns1, "a/new", "w")
			d.wantValue(ns2, "a/other", "v")
			d.wantStats(ns1, int64(len(want)), map[int]int64{1: 6, 3: 11}[len(want)])
			d.healthy()
			d.open()
			d.sweep()
			d.clock.advance(time.Minute)
			d.sweep()
			if left := d.blobFiles(); len(left) > 0 {
				t.Errorf("files %q are left", left)
			}
			d.wantAbsent(ns1, "a/short")
			for _, row := range d.rowsOf(ns1) {
				if row[0] == 't' {
					t.Errorf("a tombstone is left: %q", row)
				}
			}
			d.healthy()
		})
	}
}

// TestClearAgain: clearings of one transaction, each within the one before or around
// it, with keys put in between.
func TestClearAgain(t *testing.T) {
	for name, above := range map[string]int64{"read": 0, "unread": -1} {
		t.Run(name, func(t *testing.T) { clearAgain(t, store.Config{WipeAbove: above}) })
	}
}

func clearAgain(t *testing.T, cfg store.Config) {
	t.Helper()
	d := newDisk(t, cfg)
	d.write(put(ns1, "a/old", "v"), put(ns1, "b/old", "v"))
	ms := []godwit.Mutation{clearing(ns1, "a/"), put(ns1, "a/1", "v"), clearing(ns1, ""), put(ns1, "b/2", "v")}
	for i := range 700 {
		ms = append(ms, put(ns1, fmt.Sprint("a/", i), "v"))
	}
	d.write(append(ms, clearing(ns1, "a/"), put(ns1, "a/3", "v"))...)
	if diff := cmp.Diff([]string{"a/3", "b/2"}, d.listAll(ns1, "", 10)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	d.healthy()
}

// BenchmarkClearAgain clears a hundred times in one transaction, as callers do who try
// again and again, what a hundred thousand keys are of.
func BenchmarkClearAgain(b *testing.B) {
	d := newDisk(b, store.Config{})
	for range b.N {
		b.StopTimer()
		var puts, again []godwit.Mutation
		for i := range 100_000 {
			puts = append(puts, put(ns1, fmt.Sprint("a/", i), "v"))
		}
		d.write(puts...)
		for range 100 {
			again = append(again, clearing(ns1, ""))
		}
		b.StartTimer()
		d.write(again...)
	}
}

// TestClearIsFollowed: a follower that takes what stands in the log, in whatever
// parts, has what the log's owner has, though it has some of it already.
func TestClearIsFollowed(t *testing.T) {
	d := newDisk(t, store.Config{})
	f := newDisk(t, store.Config{Follower: true})
	for i := range 20 {
		d.write(put(ns1, fmt.Sprintf("k%d", i), "v"))
		if i == 10 {
			d.write(clearing(ns1, "k1"))
		}
		if i%4 == 0 {
			takeOver(f, d)
		}
	}
	takeOver(f, d)
	if diff := cmp.Diff(d.listAll(ns1, "", 100), f.listAll(ns1, "", 100)); diff != "" {
		t.Errorf("keys (-log +follower):\n%s", diff)
	}
	if d.digest() != f.digest() {
		t.Error("the digests differ")
	}
	f.healthy()
}

// TestClearComesLate: what is newer than the clearing is kept by who has it already.
func TestClearComesLate(t *testing.T) {
	f := newDisk(t, store.Config{Follower: true})
	old, cleared, young := put(ns1, "k-old", "v"), clearing(ns1, "k"), put(ns1, "k-new", "v")
	f.catchUp(at(1, old))
	f.catchUp(at(3, young))
	f.catchUp(at(2, cleared))
	f.reach(3)
	f.wantAbsent(ns1, "k-old")
	f.wantValue(ns1, "k-new", "v")
	f.healthy()
}

// TestClearIsInstalled: a walk brings in what has cleared keys of the copy.
func TestClearIsInstalled(t *testing.T) {
	f := newDisk(t, store.Config{Follower: true, CacheBytes: 8 << 20})
	f.catchUp(at(1, put(ns1, "k-old", "v")), at(2, put(ns1, "other", "v")))
	f.wantValue(ns1, "k-old", "v")
	f.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Install(at(8, clearing(ns1, "k"))), tx.Install(at(9, put(ns1, "k-new", "v"))))
	})
	f.reach(9)
	f.wantAbsent(ns1, "k-old")
	f.wantValue(ns1, "k-new", "v")
	f.wantValue(ns1, "other", "v")
	if e, _, err := f.Get(ctx, godwit.SystemNamespace, []byte(clearing(ns1, "k").Key), godwit.ReadOptions{}); err != nil || e.Revision != 8 {
		t.Errorf("the clearing is %+v, %v", e, err)
	}
	f.healthy()
}

// takeOver has a follower take what stands in the log from where it is.
func takeOver(f, d *disk) {
	d.t.Helper()
	v := d.view()
	records := changes(d.t, v, f.Revision(), d.Revision())
	if err := v.Close(); err != nil {
		d.t.Error(err)
	}
	for i := range records {
		f.catchUp(&records[i])
	}
	f.reach(d.Revision())
}

// TestClearComesTwice: a follower that goes from one upstream to another which is
// behind is told again of what it has seen cleared, and then of the clearing, which it
// has already.
func TestClearComesTwice(t *testing.T) {
	for name, expired := range map[string]bool{"as it was": false, "when it has expired": true} {
		t.Run(name, func(t *testing.T) {
			f := newDisk(t, store.Config{Follower: true})
			cleared := clearing(ns1, "k")
			cleared.Expiration = f.clock.Now().Unix() + 60
			f.catchUp(at(8, cleared))
			f.catchUp(at(5, put(ns1, "k-old", "v")), at(6, put(ns1, "other", "v")), at(9, put(ns1, "k-new", "v")))
			f.reach(6)
			r := at(8, cleared)
			if expired {
				f.clock.advance(time.Minute)
				f.sweep()
				r.Swept, r.Value = true, godwit.Value{}
			}
			f.tx(func(tx *store.Tx) error { return tx.Apply(r) })
			f.reach(9)
			f.wantAbsent(ns1, "k-old")
			f.wantValue(ns1, "k-new", "v")
			f.wantStats(ns1, 2, 12)
			f.wantState(9, false)
			f.healthy()
		})
	}
}

// TestClearOfWhatIsDropped: what is cleared of a namespace that the same transaction
// has dropped is not counted twice.
func TestClearOfWhatIsDropped(t *testing.T) {
	f := newDisk(t, store.Config{Follower: true})
	own := "namespace/" + ns1.String()
	f.catchUp(at(1, put(godwit.SystemNamespace, own, "{}")), at(2, put(ns1, "k", "v")))
	f.catchUp(at(9, del(godwit.SystemNamespace, own)), at(8, clearing(ns1, "k")))
	f.reach(9)
	f.wantAbsent(ns1, "k")
	f.wantStats(ns1, 0, 0)
	f.healthy()
}

// TestClearOfMany: more keys than are deleted one by one, in order of the log and out
// of it, when newer ones are there already and when none is.
func TestClearOfMany(t *testing.T) {
	const many, cleared, last = 700, 1000, 3000
	key := func(i int) string { return fmt.Sprintf("a/%03d", i) }
	for name, tc := range map[string]struct {
		follower bool
		young    []int
	}{
		"in order": {}, "out of order": {true, nil}, "some are newer": {true, []int{0, 300, many - 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{Follower: tc.follower})
			take := (*store.Tx).Apply
			if tc.follower {
				take = (*store.Tx).CatchUp
			}
			d.tx(func(tx *store.Tx) (err error) {
				for i := range many {
					err = errors.Join(err, take(tx, at(godwit.Revision(1+i), put(ns1, key(i), "v"))))
				}
				return errors.Join(err, take(tx, at(many+1, put(ns1, "b", "v"))))
			})
			want := []string{"a/new", "b"}
			d.tx(func(tx *store.Tx) (err error) {
				for _, i := range tc.young {
					want = append(want, key(i))
					err = errors.Join(err, take(tx, at(godwit.Revision(cleared+1+i), put(ns1, key(i), "w"))))
				}
				return errors.Join(
					err,
					take(tx, at(cleared-1, put(ns1, key(5), "same"))),
					take(tx, at(cleared, clearing(ns1, "a/"))),
					take(tx, at(last, put(ns1, "a/new", "w"))),
					tx.Reach(last),
				)
			})
			slices.Sort(want)
			if diff := cmp.Diff(want, d.listAll(ns1, "", 100)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			d.wantAbsent(ns1, key(5))
			d.healthy()
		})
	}
}
