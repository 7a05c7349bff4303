package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// runEntries makes run n of a copy: over a MiB of entries of all kinds in order of
// place, whose revisions are in another order.
func runEntries(n int) (all []*godwit.Record) {
	const count = 60
	for i := range count {
		m := put(ns1, fmt.Sprintf("key-%03d", n*count+i), strings.Repeat("v", 30_000+i))
		switch i % 6 {
		case 0:
			m.Value.Inline = []byte("short")
		case 1:
			m.Expiration = 4_000_000_000
		case 2:
			m = putRef(ns1, m.Key, reference(byte(n*count+i), "somewhere else"))
		case 3:
			m.Metadata = []byte(`{"a":1}`)
		}
		r := at(godwit.Revision(100+n*count+i*7%count), m)
		all = append(all, r)
	}
	return all
}

// installRun brings in run n one by one.
func (d *disk) installRun(n int) {
	d.t.Helper()
	d.announceRun(n)
	all := runEntries(n)
	d.tx(func(tx *store.Tx) error {
		for _, r := range all {
			if err := tx.Install(r); err != nil {
				return err
			}
		}
		tx.SetNote("runs", []byte(fmt.Sprint(n+1)))
		return nil
	})
}

// installRuns brings in runs from n to below end as such, one begun before the one before
// it is taken.
func (d *disk) installRuns(n, end int) {
	d.t.Helper()
	next := d.BeginRun(runEntries(n))
	for ; n < end; n++ {
		run := next
		if n+1 < end {
			next = d.BeginRun(runEntries(n + 1))
		}
		d.announceRun(n)
		d.tx(func(tx *store.Tx) error {
			tx.SetNote("runs", []byte(fmt.Sprint(n+1)))
			return tx.Take(run)
		})
	}
}

func (d *disk) announceRun(n int) {
	d.t.Helper()
	d.tx(func(tx *store.Tx) error {
		tx.Mix()
		tx.SetNote("runs", []byte(fmt.Sprint(n)))
		return nil
	})
}

func (d *disk) dump() map[string]string {
	rows := map[string]string{}
	if err := d.Rows(func(k, v []byte) { rows[fmt.Sprintf("%q", k)] = fmt.Sprintf("%q", v) }); err != nil {
		d.t.Fatal(err)
	}
	return rows
}

// TestRun: what goes in in bulk leaves the rows that it would leave otherwise, of
// which those who are told of commits hear; entries go by the log where they are
// few.
func TestRun(t *testing.T) {
	var rows [2]map[string]string
	for i, inBulk := range []bool{false, true} {
		d := newFollower(t, store.Config{})
		d.follows()
		h := d.hear()
		files := 0
		d.faults.Inject(func(op storetest.Op, path string) error {
			if op == storetest.Create && strings.HasPrefix(path, "/data/runs/") {
				files++
			}
			return nil
		})
		if inBulk {
			d.installRuns(0, 3)
		} else {
			for n := range 3 {
				d.installRun(n)
			}
		}
		d.faults.Inject(nil)
		if inBulk != (files >= 3) {
			t.Errorf("in bulk %v: %d files", inBulk, files)
		}
		d.tx(func(tx *store.Tx) error {
			if inBulk {
				return tx.Take(d.BeginRun([]*godwit.Record{at(1000, put(ns1, "z", "few"))}))
			}
			return tx.Install(at(1000, put(ns1, "z", "few")))
		})
		told := 0
		for _, c := range h.all {
			told += len(c.Records)
		}
		if told != 181 {
			t.Errorf("in bulk %v: told of %d entries, want 181", inBulk, told)
		}
		if got, _ := d.get(ns1, "key-064"); !strings.HasPrefix(got, "vvv") {
			t.Errorf("in bulk %v: read %.10q", inBulk, got)
		}
		d.wantState(0, true)
		d.reopen()
		rows[i] = d.dump()
		d.healthy()
	}
	if diff := cmp.Diff(rows[0], rows[1]); diff != "" {
		t.Errorf("rows differ (-one by one +in bulk):\n%.2000s", diff)
	}
}

// TestRunWithoutDirectory: a run whose files could not even be begun is not committed.
func TestRunWithoutDirectory(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.follows()
	d.announceRun(0)
	before := d.dump()
	d.faults.Fail(storetest.Create, "/data/runs")
	run := d.BeginRun(runEntries(0))
	d.faults.Inject(nil)
	tx := d.Begin()
	if err := tx.Take(run); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(store.NoSync); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("commit: %v, want %v", err, storetest.ErrInjected)
	}
	d.reopen()
	if diff := cmp.Diff(before, d.dump()); diff != "" {
		t.Errorf("rows differ (-before +after):\n%.2000s", diff)
	}
}

// TestRunCrash cuts the power at any moment of a copy in bulk. What is left is
// what was noted, and entries of the run behind that, whole, which Unrun removes;
// then the copy can go on.
func TestRunCrash(t *testing.T) {
	const runs = 3
	for world := range max(2, 12/effort) {
		cfg := store.Config{}
		if world%2 == 1 {
			cfg.Keys = storetest.Keys(1)
		}
		d := newFollower(t, cfg)
		d.follows()
		if err := d.Sync(); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(uint64(world), 1))
		var mu sync.Mutex
		var left []*store.MemFS
		d.faults.Inject(func(storetest.Op, string) error {
			mu.Lock()
			defer mu.Unlock()
			if len(left) < 4 && rng.IntN(25) == 0 {
				left = append(left, d.mem.CrashClone(store.CrashClone{UnsyncedDataPercent: rng.IntN(101), RNG: rng}))
			}
			return nil
		})
		d.installRuns(0, runs)
		d.faults.Inject(nil)
		for _, fs := range left {
			resumeRuns(t, openDisk(t, fs, d.cfg), runs)
		}
	}
}

// resumeRuns goes on with a copy that was cut off.
func resumeRuns(t *testing.T, d *disk, runs int) {
	t.Helper()
	if _, err := d.mem.Stat("/data/runs"); err == nil {
		t.Error("files of a run are left")
	}
	note, err := d.Note("runs")
	if err != nil {
		t.Fatal(err)
	}
	noted := 0
	var after *store.Place
	if note != nil {
		_, _ = fmt.Sscan(string(note), &noted)
	}
	if noted > 0 {
		all := runEntries(noted - 1)
		after = &store.Place{Namespace: ns1, Key: all[len(all)-1].Key}
	}
	v := d.view()
	here := len(walk(t, v, nil, false))
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if here != noted*60 && here != noted*60+60 {
		t.Fatalf("%d entries are here, and %d are noted", here, noted*60)
	}
	if here > 0 && !d.Mixed() {
		t.Error("the store is not mixed")
	}
	if err := d.Unrun(ctx, after); err != nil {
		t.Fatal(err)
	}
	d.healthy()
	d.open()
	if noted < runs {
		d.installRuns(noted, runs)
	}
	if keys, _ := d.NamespaceStats(ns1); keys != int64(runs*60) {
		t.Errorf("%d keys, want %d", keys, runs*60)
	}
	d.healthy()
}
