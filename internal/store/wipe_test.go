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
	"github.com/godwitkv/godwit/internal/store/storetest"
)

var ns3 = godwit.NamespaceID{15: 3}

// wipe clears a namespace without reading it, whatever the configuration says.
func (d *disk) wipe(ns godwit.NamespaceID) {
	d.t.Helper()
	cfg := d.cfg
	d.cfg.WipeAbove = -1
	d.reopen()
	d.write(put(ns, "wiped", "v"), clearing(ns, ""))
	d.cfg = cfg
	d.reopen()
}

// fill puts keys of each kind, with expirations and as blobs, some of them deleted
// again.
func (d *disk) fill(ns godwit.NamespaceID, keys int) {
	d.t.Helper()
	for i := range keys {
		m := put(ns, keyN(i), strings.Repeat("v", []int{0, 1500, 100}[i%3]))
		if i%10 == 0 {
			m = d.putBlob(ns, keyN(i), strings.Repeat("b", 2500))
		}
		if i%2 == 0 {
			m.Expiration = d.clock.Now().Unix() + 1000 + int64(i%7)
		}
		d.write(m)
		if i%11 == 0 {
			d.write(del(ns, keyN(i)))
		}
	}
}

// trace are the rows that name a namespace, and records of the index.
func (d *disk) trace(ns godwit.NamespaceID) (left []string) {
	d.t.Helper()
	for _, k := range d.rowsOf(ns) {
		if !strings.ContainsRune("gu", rune(k[0])) {
			left = append(left, k)
		}
	}
	for _, r := range d.everIndexed() {
		if r.Namespace == ns {
			left = append(left, fmt.Sprintf("record %d of %q", r.Revision, r.Key))
		}
	}
	return left
}

// everIndexed are the records of the index, those that mean nothing too.
func (d *disk) everIndexed() (all []store.Indexed) {
	d.t.Helper()
	err := d.Rows(func(k, v []byte) {
		switch k[0] {
		case 'i':
			records, err := store.DecodeIndexRow(revisionIn(k), v)
			if err != nil {
				d.t.Error(err)
			}
			all = append(all, records...)
		case 'r':
			op, ns, key, err := store.DecodeRevisionRow(v)
			if err != nil {
				d.t.Error(err)
			}
			all = append(all, store.Indexed{Revision: revisionIn(k), Op: op, Namespace: ns, Key: string(key)})
		}
	})
	if err != nil {
		d.t.Error(err)
	}
	return all
}

var wipeConfig = store.Config{InlineBytes: 2000, Retention: time.Hour, BlobGrace: time.Second, WipeAbove: -1}.Collecting(1<<20, 100)

// TestWipe: of a namespace that is cleared unread nothing is left once the sweeper has
// gone over it, in parts and over restarts; and what is put meanwhile under the same
// keys, with the same expirations, stands.
func TestWipe(t *testing.T) {
	d := newDisk(t, wipeConfig)
	d.fill(ns1, 300)
	d.fill(ns2, 40)
	other := d.listAll(ns2, "", 1000)
	d.write(clearing(ns1, ""))
	if n := len(d.trace(ns1)); n < 300 {
		t.Errorf("%d rows are left: it was read", n)
	}
	d.wantStats(ns1, 0, 0)
	if got := d.listAll(ns1, "", 1000); len(got) > 0 {
		t.Errorf("listed: %q", got)
	}
	if changes := lines(d.allChanges()); strings.Contains(changes, ns1.String()+" k") {
		t.Errorf("told of what is cleared:\n%s", changes)
	}
	d.healthy()
	d.open()
	d.fill(ns1, 30)
	want, sum := d.listAll(ns1, "", 1000), d.digest()
	sweeps := 0
	for row := []byte{1}; row != nil && sweeps < 100; sweeps++ {
		d.sweep()
		if sweeps%3 == 1 {
			d.healthy()
			d.open()
		}
		var err error
		if row, err = d.Row(store.WipedKey(ns1)); err != nil {
			t.Fatal(err)
		}
	}
	if sweeps < 4 || sweeps == 100 {
		t.Errorf("it took %d sweeps", sweeps)
	}
	if diff := cmp.Diff(want, d.listAll(ns1, "", 1000)); diff != "" {
		t.Errorf("keys (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(other, d.listAll(ns2, "", 1000)); diff != "" {
		t.Errorf("keys beside (-before +after):\n%s", diff)
	}
	if d.digest() != sum {
		t.Error("the digest has changed")
	}
	d.clock.advance(2 * time.Second)
	d.sweep()
	if files := d.blobFiles(); len(files) != 5 {
		t.Errorf("%d files of values: %q", len(files), files)
	}
	d.write(clearing(ns1, ""))
	for range 100 {
		d.sweep()
	}
	if left := d.trace(ns1); len(left) > 0 {
		t.Errorf("%d rows are left: %.1000q", len(left), left)
	}
	d.healthy()
}

// TestWipeAgain: a namespace that is cleared once more while the sweeper goes over it,
// at each place where it may be.
func TestWipeAgain(t *testing.T) {
	for sweeps := range 12 {
		d := newDisk(t, wipeConfig)
		d.fill(ns1, 200)
		d.write(clearing(ns1, ""))
		for range sweeps {
			d.sweep()
		}
		d.fill(ns1, 60)
		d.write(clearing(ns1, ""))
		d.fill(ns1, 7)
		for range 100 {
			d.sweep()
		}
		if left := d.trace(ns1); len(left) > 30 {
			t.Errorf("again after %d sweeps: %d rows for 7 keys: %.1000q", sweeps, len(left), left)
		}
		d.write(dropNS(ns1))
		for range 100 {
			d.sweep()
		}
		if left := d.trace(ns1); len(left) > 0 {
			t.Errorf("again after %d sweeps: %d rows are left: %.1000q", sweeps, len(left), left)
		}
		d.healthy()
	}
}

// TestWipeOfTombstones: tombstones alone make a namespace one that is not read.
func TestWipeOfTombstones(t *testing.T) {
	cfg := wipeConfig
	cfg.WipeAbove = 20
	d := newDisk(t, cfg)
	for i, tombstones := range []int{20, 21} {
		for k := range tombstones {
			d.write(put(ns1, keyN(k), "v"), del(ns1, keyN(k)))
		}
		d.write(clearing(ns1, ""))
		row, err := d.Row(store.WipedKey(ns1))
		if unread := row != nil; unread != (i == 1) || err != nil {
			t.Errorf("of %d tombstones: unread is %v, %v", tombstones, unread, err)
		}
	}
	d.healthy()
}

// TestWipeKeepsHistory: a namespace that keeps versions, or has some, is read.
func TestWipeKeepsHistory(t *testing.T) {
	d := newDisk(t, wipeConfig)
	own := "namespace/" + ns1.String()
	long := strings.Repeat("l", 1500)
	d.write(put(godwit.SystemNamespace, own, `{"settings":{"history":"5"}}`)) // 1
	d.write(put(ns1, "k", long))
	r := d.Revision()
	d.write(put(ns1, "k", "new"))
	d.write(clearing(ns1, ""))
	d.sweep()
	if got := d.past(ns1, "k", r); got != long {
		t.Errorf("the version is %.20q", got)
	}
	d.healthy()
}

// TestWipeAndRewind: the log is taken back behind a clearing whose rows are not swept,
// and gives its revisions to other keys.
func TestWipeAndRewind(t *testing.T) {
	d := newFollower(t, wipeConfig)
	d.tx(func(tx *store.Tx) (err error) {
		for i := range 50 {
			err = errors.Join(err, tx.Apply(at(godwit.Revision(i+1), put(ns1, keyN(i), "old"))))
		}
		return err
	})
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(60, clearing(ns1, ""))) })
	if row, err := d.Row(store.WipedKey(ns1)); row == nil || err != nil {
		t.Fatalf("it was read: %v", err)
	}
	d.tx(func(tx *store.Tx) error {
		return tx.Remove(store.Place{Namespace: godwit.SystemNamespace, Key: godwit.ClearingKey(ns1, "")})
	})
	d.tx(func(tx *store.Tx) error { tx.Rewind(20); return nil })
	if row, err := d.Row(store.WipedKey(ns1)); string(row) != string(store.WipedRow(21, false)) || err != nil {
		t.Errorf("the row is %x, %v", row, err)
	}
	d.tx(func(tx *store.Tx) (err error) {
		for i := range 20 { // the other log has not cleared it
			err = errors.Join(err, tx.Install(at(godwit.Revision(i+1), put(ns1, keyN(i), "old"))))
		}
		return errors.Join(err, tx.Reach(20))
	})
	d.tx(func(tx *store.Tx) (err error) {
		for i := range 30 {
			err = errors.Join(err, tx.Apply(at(godwit.Revision(i+21), put(ns1, keyN(i+100), "new"))))
		}
		return err
	})
	want := lines(d.allChanges())
	if n := strings.Count(want, "\n"); n != 50 {
		t.Errorf("%d changes:\n%s", n, want)
	}
	for range 30 {
		d.sweep()
	}
	if diff := cmp.Diff(want, lines(d.allChanges())); diff != "" {
		t.Errorf("swept (-before +after):\n%s", diff)
	}
	d.wantStats(ns1, 50, 50*3+20*int64(len(keyN(1)))+30*int64(len(keyN(100))))
	d.healthy()
}

// TestWipeCrash cuts the power between a clearing and the end of the sweeper's work, and
// within each part of it. What is left is whole, shows all that was cleared or none of
// it, and is swept to its end.
func TestWipeCrash(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	var mu sync.Mutex
	var clones []*store.MemFS
	d := newDisk(t, wipeConfig)
	d.fill(ns1, 250)
	d.fill(ns2, 10)
	before := d.listAll(ns1, "", 1000)
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	d.faults.Inject(func(storetest.Op, string) error {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(4) == 0 && len(clones) < 80/effort {
			clones = append(clones, d.mem.CrashClone(store.CrashClone{UnsyncedDataPercent: rng.IntN(101), RNG: rng}))
		}
		return nil
	})
	d.write(clearing(ns1, ""))
	d.write(put(ns1, keyN(0), "new"))
	for range 40 {
		d.sweep()
		if err := d.Sync(); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Second)
	}
	d.faults.Inject(nil)
	pending := 0
	for i, mem := range clones {
		c := openDisk(t, mem, d.cfg)
		keys := c.listAll(ns1, "", 1000)
		if n := len(keys); n > 1 && cmp.Diff(before, keys) != "" || n == 1 && keys[0] != keyN(0) {
			t.Errorf("crash %d: keys are %q", i, keys)
		}
		row, err := c.Row(store.WipedKey(ns1))
		if err != nil {
			t.Fatal(err)
		}
		if row != nil {
			pending++
		}
		c.healthy()
		c.open()
		c.write(clearing(ns1, ""))
		c.clock.advance(time.Minute)
		for range 60 {
			c.sweep()
		}
		c.clock.advance(time.Minute)
		c.sweep()
		if left := c.trace(ns1); len(left) > 0 {
			t.Errorf("crash %d: %d rows are left: %.300q", i, len(left), left)
		}
		if files := c.blobFiles(); len(files) != 0 {
			t.Errorf("crash %d: files %q", i, files)
		}
		c.wantStats(ns2, 9, 9*int64(len(keyN(1)))+3*1500+3*100)
		c.healthy()
	}
	if len(clones) < 20 || pending < 5 {
		t.Errorf("%d crashes, in %d of them rows waited to be swept", len(clones), pending)
	}
}
