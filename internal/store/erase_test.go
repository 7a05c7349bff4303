package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// erasingWithin makes a namespace erase within a time, and keep history.
func erasingWithin(ns godwit.NamespaceID, within, history string) godwit.Mutation {
	return put(godwit.SystemNamespace, "namespace/"+ns.String(), fmt.Sprintf(`{"settings":{"erase_within":%q,"history":%q}}`, within, history))
}

// secret is a value that can be told from any other, and that nothing compresses.
func secret(n int, seed uint64) string {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 99))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// stands tells in how many files below a directory a part of a value stands. A value
// may be cut in two, so a few parts of it are looked for.
func stands(t testing.TB, fs store.FS, value string) (files []string) {
	t.Helper()
	const part = 64
	for path, content := range snapshotFS(t, fs, "/data") {
		for at := 0; at+part <= len(value); at += max((len(value)-part)/7, 1) {
			if strings.Contains(content, value[at:at+part]) {
				files = append(files, path)
				break
			}
		}
	}
	return files
}

// wantErased looks for every secret in every file.
func wantErased(t testing.TB, fs store.FS, when string) {
	t.Helper()
	for key, value := range secrets() {
		if files := stands(t, fs, value); len(files) > 0 {
			t.Errorf("%s: %s stands in %v", when, key, files)
		}
	}
}

// values of each kind: beside the key, in a row of its own, in a file.
func secrets() map[string]string {
	return map[string]string{"small": secret(288, 1), "row": secret(10<<10, 2), "blob": secret(200_000, 3)}
}

// end is how values come to their end.
var ends = map[string]func(d *disk, keys []string){
	"deleted": func(d *disk, keys []string) {
		for _, k := range keys {
			d.write(del(ns1, k))
		}
	},
	"replaced": func(d *disk, keys []string) {
		for _, k := range keys {
			d.write(put(ns1, k, "v"))
		}
	},
	"expired":           func(d *disk, _ []string) { d.clock.advance(20 * time.Second); d.sweep() },
	"namespace deleted": func(d *disk, _ []string) { d.write(dropNS(ns1)) },
}

// fill writes the secrets, some of them down to the lowest level of the database.
func fill(d *disk, flush bool) {
	d.t.Helper()
	expiration := d.clock.Now().Unix() + 15
	for key, value := range secrets() {
		m := put(ns1, key, value)
		if key == "blob" {
			m = d.putBlob(ns1, key, value)
		}
		m.Expiration = expiration
		d.write(m)
	}
	if flush {
		if err := d.Flush(); err != nil {
			d.t.Fatal(err)
		}
	}
}

// later lets time go by as a node would, with all that it does meanwhile.
func (d *disk) later(total time.Duration) {
	d.t.Helper()
	const steps = 20
	for range steps {
		d.clock.advance(total / steps)
		d.sweep()
		if err := d.Erase(ctx); err != nil {
			d.t.Errorf("erase: %v", err)
		}
	}
}

// TestErase: within the time no file has a byte of a value that came to its end; without
// the setting they have.
func TestErase(t *testing.T) {
	for name, end := range ends {
		for _, within := range []string{"", "1h"} {
			for _, flush := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s within %q flushed %v", name, within, flush), func(t *testing.T) {
					d := newDisk(t, store.Config{})
					d.openEpoch()
					d.write(erasingWithin(ns1, within, ""), put(ns2, "other", secret(288, 7)))
					fill(d, flush)
					end(d, []string{"small", "row", "blob"})
					d.later(time.Hour)
					left := 0
					for key, value := range secrets() {
						files := stands(t, d.mem, value)
						left += len(files)
						if within != "" && len(files) > 0 {
							t.Errorf("%s stands in %v", key, files)
						}
					}
					if within == "" && left == 0 {
						t.Error("nothing is left without the setting: this test looks in the wrong place")
					}
					d.wantValue(ns2, "other", secret(288, 7))
					d.healthy()
				})
			}
		}
	}
}

// TestEraseOften: while keys are replaced again and again, no value is older than the time.
func TestEraseOften(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", ""))
	const every = 5 * time.Minute
	for i := range uint64(40) {
		d.write(put(ns1, "k", secret(2000, 100+i)))
		d.later(every)
		if i < 14 {
			continue
		}
		if files := stands(t, d.mem, secret(2000, 100+i-13)); len(files) > 0 { // ended an hour ago
			t.Fatalf("after %d writes one stands in %v", i, files)
		}
	}
	d.wantValue(ns1, "k", secret(2000, 139))
	d.healthy()
}

// TestEraseHistory: earlier versions go in time, whatever the history's own setting.
func TestEraseHistory(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", "30d"))
	fill(d, true)
	for key := range secrets() {
		d.write(del(ns1, key))
	}
	d.later(20 * time.Minute)
	if got := d.versions(ns1, "small"); len(got) == 0 {
		t.Error("no version is kept at all")
	}
	d.later(40 * time.Minute)
	wantErased(t, d.mem, "at the end")
	d.healthy()
}

// TestEraseHistoryWhileWriting: the same where the log's time goes on, and where much else
// ends meanwhile.
func TestEraseHistoryWhileWriting(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", "30d"))
	d.later(2 * time.Hour) // what there was before
	fill(d, true)
	for key := range secrets() {
		d.write(del(ns1, key))
	}
	for i := range 60 {
		d.write(put(ns2, "other", fmt.Sprint(i)))
		d.clock.advance(time.Minute)
		d.sweep()
		if err := d.Erase(ctx); err != nil {
			t.Fatal(err)
		}
	}
	wantErased(t, d.mem, "at the end")
	d.healthy()
}

// TestEraseWhileRead: a state that is being read holds it up, and no longer.
func TestEraseWhileRead(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", ""))
	fill(d, true)
	view, err := d.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for key := range secrets() {
		d.write(del(ns1, key))
	}
	d.clock.advance(50 * time.Minute)
	if err := d.Erase(ctx); err == nil {
		t.Error("erased what is being read")
	}
	d.clock.advance(time.Second)
	if err := d.Erase(ctx); err != nil {
		t.Errorf("it is tried again each second: %v", err)
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	d.later(10 * time.Minute)
	wantErased(t, d.mem, "at the end")
}

// TestEraseWaitsForTransaction: no pass begins while a transaction is open. What that
// deletes would be written anew, as it is not deleted yet, and be forgotten of.
func TestEraseWaitsForTransaction(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", ""))
	d.later(time.Hour) // what there was before
	gone := secret(2000, 42)
	d.write(put(ns1, "k", gone), put(ns1, "old", "x"))
	d.write(del(ns1, "old"))
	d.clock.advance(50 * time.Minute)
	tx := d.Begin()
	tx.Advance(d.clock.Now().UnixMilli())
	if err := tx.Apply(&godwit.Record{Mutation: del(ns1, "k"), Revision: tx.Revision() + 1, Created: tx.Time(), Modified: tx.Time()}); err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{}, 1)
	d.onChange(func() {
		select {
		case began <- struct{}{}:
		default:
		}
	})
	erased := make(chan error)
	go func() { erased <- d.Erase(ctx) }()
	select {
	case <-began:
		t.Error("a pass has begun")
	case <-time.After(100 * time.Millisecond): // a pass that is right cannot be seen to wait
	}
	d.onChange(nil)
	c, err := tx.Commit(store.Sync)
	if err := errors.Join(err, c.Wait(), <-erased); err != nil {
		t.Fatal(err)
	}
	d.later(time.Hour)
	if files := stands(t, d.mem, gone); len(files) > 0 {
		t.Errorf("an hour after its deletion it stands in %v", files)
	}
	d.healthy()
}

// TestEraseAfterClockAhead: a clock that was a year ahead, when a pass began or when a
// value was deleted, and is put right, holds no erasing up.
func TestEraseAfterClockAhead(t *testing.T) {
	const ahead = 365 * 24 * time.Hour
	gone := secret(2000, 42)
	for name, jump := range map[string]func(d *disk){
		"in a pass": func(d *disk) {
			d.clock.advance(ahead)
			if err := d.Erase(ctx); err != nil {
				t.Error(err)
			}
			d.clock.advance(-ahead)
			d.write(del(ns1, "k"))
		},
		"in a deletion": func(d *disk) {
			d.later(time.Hour) // what there was before
			d.clock.advance(ahead)
			d.write(del(ns1, "k"))
			d.clock.advance(-ahead)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{})
			d.openEpoch()
			d.write(erasingWithin(ns1, "1h", ""), put(ns1, "k", gone))
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			jump(d)
			d.wantToErase(ns1)
			d.later(time.Hour)
			if files := stands(t, d.mem, gone); len(files) > 0 {
				t.Errorf("an hour after its deletion it stands in %v", files)
			}
			d.healthy()
		})
	}
}

// databaseBytes are how many the files of the database have.
func (d *disk) databaseBytes() (n int64) {
	d.t.Helper()
	names, err := d.mem.List("/data/db")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		if info, err := d.mem.Stat("/data/db/" + name); err == nil { // it may go meanwhile
			n += info.Size()
		}
	}
	return n
}

// TestEraseInLittleRoom: a pass takes none of the disk's reserve. It goes on where there is
// room for parts of what the namespace has, which a second copy of all would not find, and
// does not begin where there is less.
func TestEraseInLittleRoom(t *testing.T) {
	const reserve, part, all = 64 << 20, 1 << 20, 24 << 20
	d := newDisk(t, store.Config{DiskReserve: reserve}.Rewriting(part))
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", ""))
	for i := 0; i < all/4000; i += 100 {
		var ms []godwit.Mutation
		for j := range 100 {
			ms = append(ms, put(ns1, keyN(i+j), secret(4000, uint64(i+j))))
		}
		d.write(ms...)
	}
	d.later(time.Hour) // what there was before, and down to the lowest level
	d.write(del(ns1, keyN(1)))
	d.clock.advance(50 * time.Minute)

	const total, little = 1 << 40, 1 << 20
	storetest.SetDiskUsage(d.mem, total, reserve+little)
	files := d.databaseBytes()
	if err := d.Erase(ctx); err == nil || !strings.Contains(err.Error(), "too little room") {
		t.Errorf("erase without room: %v", err)
	}
	if grown := d.databaseBytes() - files; grown > little {
		t.Errorf("it took %d bytes where %d were free", grown, little)
	}
	d.clock.advance(5 * time.Minute)
	const room = all / 2
	storetest.SetDiskUsage(d.mem, total, reserve+room)
	most := files
	d.onChange(func() { most = max(most, d.databaseBytes()) })
	if err := d.Erase(ctx); err != nil {
		t.Errorf("erase with room for parts: %v", err)
	}
	d.onChange(nil)
	if most-files > room {
		t.Errorf("it took %d bytes where %d were free", most-files, room)
	}
	if files := stands(t, d.mem, secret(4000, 1)); len(files) > 0 {
		t.Errorf("it stands in %v", files)
	}
	d.wantValue(ns1, keyN(2), secret(4000, 2))
	d.healthy()
}

// TestEraseAfterCrash: a restart, also one after a crash in the middle of it, does not
// forget what is to go.
func TestEraseAfterCrash(t *testing.T) {
	for step := 0; step < 40; step += 3 {
		d := newDisk(t, store.Config{})
		d.openEpoch()
		d.write(erasingWithin(ns1, "1h", ""))
		fill(d, true)
		for key := range secrets() {
			d.write(del(ns1, key))
		}
		d.clock.advance(46 * time.Minute)
		n := 0
		var clone *store.MemFS
		d.onChange(func() {
			if n == step && clone == nil {
				clone = d.mem.CrashClone(store.CrashClone{})
			}
			n++
		})
		d.later(time.Minute)
		d.onChange(nil)
		if clone == nil {
			break
		}
		after := reopenAt(t, clone, d.clock)
		after.later(13 * time.Minute)
		wantErased(t, after.mem, fmt.Sprintf("crash at step %d", step))
		after.healthy()
	}
}

// TestEraseOverRestarts: a node that is restarted before a pass is due, again and again,
// does not begin to count anew, nor forget a namespace that was deleted between two starts.
func TestEraseOverRestarts(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{})
			d.openEpoch()
			d.write(erasingWithin(ns1, "1h", ""))
			d.later(time.Hour)
			fill(d, true)
			d.reopen()
			end(d, []string{"small", "row", "blob"})
			d.wantToErase(ns1)
			d.later(40 * time.Minute)
			d.reopen()
			d.later(20 * time.Minute)
			d.close()
			wantErased(t, d.mem, "at the end")
			d.healthy()
		})
	}
}

// wantToErase makes sure that the store has kept since when a namespace has something to
// erase: the database may be rid of it sooner by chance.
func (d *disk) wantToErase(ns godwit.NamespaceID) {
	d.t.Helper()
	if text, err := d.Note("erase/" + ns.String()); len(text) == 0 || err != nil {
		d.t.Errorf("nothing is noted: %q, %v", text, err)
	}
}

// TestEraseAfterPromotion: a follower's store that is promoted erases what it was to.
func TestEraseAfterPromotion(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.follow(godwit.Lineage{{ID: godwit.EpochID{1}, First: 1}})
	gone := secret(288, 1)
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(5, erasingWithin(ns1, "1h", ""))), tx.Apply(at(6, put(ns1, "a", gone))), tx.Apply(at(7, put(ns2, "b", "stays"))))
	})
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(8, dropNS(ns1))) })
	if _, err := d.promote(8); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.wantToErase(ns1)
	d.later(time.Hour)
	d.close()
	if files := stands(t, d.mem, gone); len(files) > 0 {
		t.Errorf("it stands in %v", files)
	}
	d.healthy()
}

// reopenAt opens what a crash left, at the time of a clock.
func reopenAt(t testing.TB, mem *store.MemFS, c *clock) *disk {
	t.Helper()
	d := &disk{t: t, mem: mem, faults: storetest.NewFaults(mem), clock: c}
	d.cfg = store.Config{Dir: "/data", FS: d.faults, Now: c.Now, DiskReserve: -1, CacheBytes: 1 << 20, HotBytes: 64 << 10}.WithoutSweeper()
	d.open()
	t.Cleanup(d.close)
	return d
}

// onChange calls fn before each operation that changes the disk.
func (d *disk) onChange(fn func()) {
	d.faults.Inject(func(storetest.Op, string) error {
		if fn != nil {
			fn()
		}
		return nil
	})
}

// TestEraseGoesOnWithOthers: that one namespace could not be erased holds no other up.
func TestEraseGoesOnWithOthers(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	d.write(erasingWithin(ns1, "1h", ""), erasingWithin(ns2, "1h", ""))
	d.later(2 * time.Hour)
	d.write(put(ns1, "k", secret(2000, 1)), put(ns2, "k", secret(2000, 2)))
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	view, err := d.View(ctx) // somebody reads
	if err != nil {
		t.Fatal(err)
	}
	d.write(del(ns1, "k"), del(ns2, "k"))
	d.clock.advance(46 * time.Minute)
	if err := d.Erase(ctx); err == nil {
		t.Fatal("erased what is being read")
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	d.later(2 * time.Hour)
	for i, ns := range []godwit.NamespaceID{ns1, ns2} {
		value := secret(2000, uint64(10+i))
		d.write(put(ns, "later", value))
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		d.write(del(ns, "later"))
		d.later(24 * time.Hour)
		if files := stands(t, d.mem, value); len(files) > 0 {
			t.Errorf("a day after its deletion, within 1h of which it was to be erased, a value of %s stands in %v", ns, files)
		}
	}
}
