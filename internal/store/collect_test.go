package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// indexed counts what the index by revision has: its rows, and the records in them.
func (d *disk) indexed() (rows, records int) {
	d.t.Helper()
	err := d.Rows(func(k, v []byte) {
		switch k[0] {
		case 'r':
			rows, records = rows+1, records+1
		case 'i':
			found, err := store.DecodeIndexRow(revisionIn(k), v)
			if err != nil {
				d.t.Error(err)
			}
			rows, records = rows+1, records+len(found)
		}
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return rows, records
}

func revisionIn(k []byte) (r godwit.Revision) {
	for _, b := range k[1:] {
		r = r<<8 | godwit.Revision(b)
	}
	return r
}

func (d *disk) allChanges() []godwit.Record {
	d.t.Helper()
	v := d.view()
	defer v.Close()
	return changes(d.t, v, 0, d.Revision())
}

// TestCollect: however often keys are written again, the index has at most so many
// records more than keys, and always those of what stands.
func TestCollect(t *testing.T) {
	const keys, bound, each = 60, 40, 50
	d := newDisk(t, store.Config{Retention: time.Hour}.Collecting(bound, each))
	rng := rand.New(rand.NewPCG(1, 2))
	most := 0
	for i := range 120 {
		var ms []godwit.Mutation
		for range 10 {
			if key := keyN(rng.IntN(keys)); rng.IntN(8) == 0 {
				ms = append(ms, del(ns1, key))
			} else {
				ms = append(ms, put(ns1, key, fmt.Sprint(i)))
			}
		}
		d.write(ms...)
		before := d.allChanges()
		d.sweep()
		if diff := cmp.Diff(lines(before), lines(d.allChanges())); diff != "" {
			t.Fatalf("step %d: the sweep changed the index (-before +after):\n%s", i, diff)
		}
		if i%40 == 39 {
			d.healthy()
			d.open()
		}
		_, records := d.indexed()
		most = max(most, records)
	}
	// While a walk goes on, twice as many may come as it looks at in that time.
	if limit := 2*keys + bound + keys + bound; most > limit {
		t.Errorf("%d records for %d keys, want at most %d", most, keys, limit)
	}
	d.healthy()
}

// TestCollectPacks: what is left of many rows stands in few.
func TestCollectPacks(t *testing.T) {
	d := newDisk(t, store.Config{}.Collecting(0, 1<<20))
	for i := range 2000 {
		d.write(put(ns1, keyN(i/2), "v")) // each is written twice
	}
	before := d.allChanges()
	d.write(put(ns1, keyN(0), "v"))
	d.sweep()
	if rows, records := d.indexed(); records != 1000 || rows > 10 || d.Replaced() != 0 {
		t.Errorf("%d records in %d rows, %d replaced", records, rows, d.Replaced())
	}
	if after := d.allChanges(); len(before) != 1000 || len(after) != 1000 {
		t.Errorf("%d changes before, %d after", len(before), len(after))
	}
	d.healthy()
}

// TestCollectDropped: the records of a deleted namespace go, in parts, also if a
// crash comes between.
func TestCollectDropped(t *testing.T) {
	d := newDisk(t, store.Config{}.Collecting(1<<20, 100))
	for i := range 50 {
		d.write(put(ns1, keyN(i), "v"), put(ns2, keyN(i), "v"))
	}
	for i := range 600 {
		d.write(put(ns1, keyN(i), "v"))
	}
	d.write(dropNS(ns2))
	d.sweep()
	if row, err := d.Row(store.DroppedKey(ns2)); row == nil || err != nil {
		t.Errorf("the namespace is forgotten before its records are gone: %v", err)
	}
	d.reopen()
	for range 20 {
		d.sweep()
	}
	if row, err := d.Row(store.DroppedKey(ns2)); row != nil || err != nil {
		t.Errorf("the namespace is not forgotten: %q, %v", row, err)
	}
	if _, records := d.indexed(); records != 601 { // and the namespace's own deletion
		t.Errorf("%d records are left", records)
	}
	d.healthy()
}

// TestCollectWhatCameBack: a copy brings back a revision that was replaced. It
// stays in the index, though that it was replaced is still noted.
func TestCollectWhatCameBack(t *testing.T) {
	d := newFollower(t, store.Config{}.Collecting(0, 1<<20))
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, put(ns1, "a", "1"))), tx.Apply(at(2, put(ns1, "b", "1"))))
	})
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(3, put(ns1, "a", "2"))) })
	d.tx(func(tx *store.Tx) error { return tx.Install(at(1, put(ns1, "a", "1"))) })
	d.tx(func(tx *store.Tx) error { return tx.Reach(4) })
	for i := range 10 {
		d.tx(func(tx *store.Tx) error { return tx.Apply(at(godwit.Revision(5+i), put(ns1, "b", "2"))) })
	}
	d.sweep()
	if got := lines(d.allChanges()); !strings.HasPrefix(got, "1 op=1 ns=1 a") || strings.Count(got, "\n") != 2 {
		t.Errorf("changes:\n%s", got)
	}
	if _, records := d.indexed(); records != 2 {
		t.Errorf("%d records", records)
	}
	d.healthy()
}

// TestRewindTakesTheIndexApart: after a rewind the log may give the same revisions
// to other keys, in rows that would lie across the old ones.
func TestRewindTakesTheIndexApart(t *testing.T) {
	d := newFollower(t, store.Config{}.Collecting(-1000, 1)) // at once, in many parts
	d.tx(func(tx *store.Tx) (err error) {
		for i := range 20 {
			err = errors.Join(err, tx.Apply(at(godwit.Revision(i+1), put(ns1, keyN(i), "old"))))
		}
		return err
	})
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(21, put(ns1, keyN(15), "newer"))) })
	d.tx(func(tx *store.Tx) error { // what the log has lost: all after 10, but that the last was not noticed
		for i := 10; i < 20; i++ {
			if i == 12 {
				continue
			}
			if err := tx.Remove(store.Place{Namespace: ns1, Key: keyN(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	d.sweep() // a walk has begun
	d.tx(func(tx *store.Tx) error { tx.Rewind(10); return nil })
	if row, err := d.Row(store.IndexKey(nil, 20)); row != nil || err != nil {
		t.Errorf("the row across the rewind stands: %v", err)
	}
	d.sweep()
	d.tx(func(tx *store.Tx) error { return tx.Remove(store.Place{Namespace: ns1, Key: keyN(12)}) })
	d.sweep()
	d.tx(func(tx *store.Tx) error { tx.Rewind(10); return nil })
	if err := d.Rows(func(k, v []byte) {
		if k[0] == 'u' {
			t.Errorf("replaced revisions from after the rewind are noted: %q", v)
		}
	}); err != nil {
		t.Fatal(err)
	}
	d.tx(func(tx *store.Tx) error { return tx.Reach(10) })
	d.tx(func(tx *store.Tx) (err error) {
		for i := 10; i < 25; i++ {
			err = errors.Join(err, tx.Apply(at(godwit.Revision(i+1), put(ns1, keyN(100+i), "new"))))
		}
		return err
	})
	want := lines(d.allChanges())
	if strings.Count(want, "\n") != 25 {
		t.Errorf("changes:\n%s", want)
	}
	for range 20 {
		d.sweep()
	}
	if diff := cmp.Diff(want, lines(d.allChanges())); diff != "" {
		t.Errorf("collected (-before +after):\n%s", diff)
	}
	d.healthy()
}

// TestCollectCrash cuts the power while the index is being collected. What is left
// is whole and goes on where it was.
func TestCollectCrash(t *testing.T) {
	d := newDisk(t, store.Config{}.Collecting(0, 40))
	for i := range 400 {
		d.write(put(ns1, keyN(i%150), "v"), del(ns1, keyN(i%7)))
	}
	want := lines(d.allChanges())
	rng := rand.New(rand.NewPCG(3, 4))
	var mu sync.Mutex
	var clones []*store.MemFS
	for range 60 / effort {
		d.sweep()
		if rng.IntN(4) == 0 {
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		clones = append(clones, d.mem.CrashClone(store.CrashClone{UnsyncedDataPercent: rng.IntN(101), RNG: rng}))
		mu.Unlock()
	}
	begun := false
	for i, mem := range clones {
		c := openDisk(t, mem, d.cfg)
		_, records := c.indexed()
		begun = begun || records < 800
		for range 30 {
			c.sweep()
		}
		if diff := cmp.Diff(want, lines(c.allChanges())); diff != "" {
			t.Errorf("crash %d (-want +got):\n%s", i, diff)
		}
		if c.Replaced() > 150 {
			t.Errorf("crash %d: %d are not collected", i, c.Replaced())
		}
		c.healthy()
	}
	if !begun {
		t.Error("no crash came while it was being collected")
	}
}

// asFormat1 makes a closed directory one that an older godwit would have written.
func (d *disk) asFormat1() {
	d.t.Helper()
	standing := map[godwit.Revision]bool{}
	for _, r := range d.allChanges() {
		standing[r.Revision] = true
	}
	set, gone := map[string][]byte{"mformat": []byte("1")}, []string{}
	err := d.Rows(func(k, v []byte) {
		if k[0] == 'i' {
			records, err := store.DecodeIndexRow(revisionIn(k), v)
			if err != nil {
				d.t.Error(err)
			}
			for _, r := range records {
				if standing[r.Revision] {
					set[string(store.RevisionKey(nil, r.Revision))] = store.RevisionRow(nil, r.Op, r.Namespace, r.Key)
				}
			}
		}
		if k[0] == 'i' || k[0] == 'u' {
			gone = append(gone, string(k))
		}
	})
	for _, k := range gone {
		err = errors.Join(err, d.Delete([]byte(k)))
	}
	for k, v := range set {
		err = errors.Join(err, d.Set([]byte(k), v))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.close()
	writeFile(d.t, d.mem, "/data/FORMAT", []byte("godwit store, format 1\n"))
}

// TestFormat1: a directory of format 1 opens, is of this format from then on, and
// its rows are collected as they are replaced.
func TestFormat1(t *testing.T) {
	d := newDisk(t, store.Config{}.Collecting(0, 1<<20))
	for i := range 100 {
		d.write(put(ns1, keyN(i%40), "v"), del(ns1, keyN(i%7)))
	}
	want := lines(d.allChanges())
	d.asFormat1()
	if problems := d.fsck(); len(problems) > 0 {
		t.Errorf("problems before opening: %q", problems)
	}
	d.open()
	if diff := cmp.Diff(want, lines(d.allChanges())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := string(readFile(t, d.mem, "/data/FORMAT")); text != "godwit store, format 4\n" {
		t.Errorf("format %q", text)
	}
	if row, err := d.Row([]byte("mformat")); string(row) != "4" || err != nil {
		t.Errorf("format of rows %q, %v", row, err)
	}
	for i := range 100 {
		d.write(put(ns1, keyN(i%40), "w"))
	}
	d.sweep()
	if err := d.Rows(func(k, _ []byte) {
		if k[0] == 'r' {
			t.Errorf("row %q is left", k)
		}
	}); err != nil {
		t.Fatal(err)
	}
	d.healthy()
}

// TestFormat1HalfMade: the power may go between the rows' format and the file's.
func TestFormat1HalfMade(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "k", "v"))
	d.close()
	writeFile(t, d.mem, "/data/FORMAT", []byte("godwit store, format 1\n"))
	d.healthy()
	d.open()
	d.wantValue(ns1, "k", "v")
	if text := string(readFile(t, d.mem, "/data/FORMAT")); text != "godwit store, format 4\n" {
		t.Errorf("format %q", text)
	}
}
