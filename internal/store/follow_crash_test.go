package store_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

var followCrashes = flag.Int("follow.crashes", 60/effort, "power cuts of a follower")

// TestFollowerCrash cuts the power while a follower applies, catches up, copies
// and goes back. What is left is what it was after one of its transactions, none
// that was synced is lost, and its note and its position are of that transaction
// too. So it is where the directory is encrypted.
func TestFollowerCrash(t *testing.T) {
	t.Run("plain", func(t *testing.T) { crashFollower(t, nil, *followCrashes) })
	t.Run("encrypted", func(t *testing.T) { crashFollower(t, storetest.Keys(1), (*followCrashes+1)/2) })
}

func crashFollower(t *testing.T, keys *store.Keys, crashes int) {
	w := &crashedFollower{number: crashes, t: t, rng: rand.New(rand.NewPCG(5, 5)), choose: rand.New(rand.NewPCG(6, 6)), states: []followState{{content: map[string]string{}}}}
	w.disk = newFollower(t, store.Config{Retention: 1000 * 3600e9, Keys: keys}.Collecting(10, 30))
	storetest.SetDiskUsage(w.disk.mem, 1<<26, 1<<26) // for a small memtable
	w.disk.reopen()
	w.disk.faults.Inject(w.mayCrash)
	for n := 0; n < crashes && len(w.states) < 20_000; w.note(func() { n = len(w.crashes) }) {
		w.transaction()
		if w.rng.IntN(40) == 0 {
			if err := w.disk.Sync(); err != nil {
				t.Fatal(err)
			}
			w.note(func() { w.synced = len(w.states) - 1 })
		}
		if w.rng.IntN(100) == 0 {
			w.note(w.crash)
		}
		if w.rng.IntN(200) == 0 {
			if err := w.disk.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.disk.faults.Inject(nil)
	lost := 0
	for _, c := range w.crashes {
		lost += w.check(c)
	}
	t.Logf("%d transactions, %d crashes, %d transactions lost in them", len(w.states)-1, len(w.crashes), lost)
	if lost == 0 {
		t.Error("no crash lost anything: nothing was tested")
	}
}

// followState is the store after a transaction.
type followState struct {
	position godwit.Revision
	mixed    bool
	ahead    godwit.Revision
	content  map[string]string
}

type crashedFollower struct {
	t      *testing.T
	rng    *rand.Rand
	disk   *disk
	number int           // of crashes
	states []followState // by number of transactions; the note is that number
	synced int

	mu      sync.Mutex // all below, and changes of states and synced
	choose  *rand.Rand
	crashes []followCrash
}

type followCrash struct {
	fs     *store.MemFS
	synced int // at least these transactions are there
	most   int // and at most these
}

func (w *crashedFollower) note(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// mayCrash cuts the power before one operation in some.
func (w *crashedFollower) mayCrash(storetest.Op, string) error {
	w.note(func() {
		if w.choose.IntN(10) == 0 {
			w.crash()
		}
	})
	return nil
}

// crash keeps what a power cut would leave. A transaction may be on its way.
func (w *crashedFollower) crash() {
	if len(w.crashes) < w.number {
		clone := w.disk.mem.CrashClone(store.CrashClone{UnsyncedDataPercent: w.choose.IntN(101), RNG: w.choose})
		w.crashes = append(w.crashes, followCrash{clone, w.synced, len(w.states)})
	}
}

func (w *crashedFollower) transaction() {
	last := w.states[len(w.states)-1]
	s := followState{position: last.position, mixed: last.mixed, ahead: last.ahead, content: maps.Clone(last.content)}
	catchUp := last.mixed || w.rng.IntN(10) == 0
	w.disk.tx(func(tx *store.Tx) error {
		tx.SetNote("number", strconv.AppendInt(nil, int64(len(w.states)), 10))
		r := max(s.position, s.ahead)
		for range 1 + w.rng.IntN(8) {
			r += 1 + godwit.Revision(w.rng.IntN(3))
			key := keyN(w.rng.IntN(40))
			rec := at(r, put(ns1, key, strings.Repeat(fmt.Sprint(r), w.rng.IntN(300))))
			s.content[key] = fmt.Sprint(r, " ", string(rec.Value.Inline))
			if !catchUp {
				s.position = r
				if err := tx.Apply(rec); err != nil {
					return err
				}
				continue
			}
			s.mixed, s.ahead = true, r
			if err := tx.CatchUp(rec); err != nil {
				return err
			}
		}
		if s.mixed && w.rng.IntN(4) == 0 {
			s.position, s.ahead, s.mixed = s.ahead, 0, false
			return tx.Reach(s.position)
		}
		if key := keyN(w.rng.IntN(40)); s.mixed {
			delete(s.content, key)
			return tx.Remove(store.Place{Namespace: ns1, Key: key})
		}
		return nil
	})
	w.note(func() { w.states = append(w.states, s) })
}

// check opens what a crash has left, and returns how many transactions it lost.
func (w *crashedFollower) check(c followCrash) int {
	d := openDisk(w.t, c.fs, w.disk.cfg)
	note, err := d.Note("number")
	if err != nil {
		w.t.Fatal(err)
	}
	n, _ := strconv.Atoi(string(note))
	if n < c.synced || n > c.most {
		w.t.Fatalf("%d transactions are left of %d, of which %d were synced", n, c.most, c.synced)
	}
	want := w.states[n]
	d.wantState(want.position, want.mixed)
	v := d.view()
	got := map[string]string{}
	for _, r := range walk(w.t, v, nil, true) {
		got[r.Key] = fmt.Sprint(r.Revision, " ", string(r.Value.Inline))
		if !want.mixed && r.Revision > want.position {
			w.t.Errorf("revision %d stands at position %d", r.Revision, want.position)
		}
	}
	if err := v.Close(); err != nil {
		w.t.Error(err)
	}
	if diff := cmp.Diff(want.content, got); diff != "" {
		w.t.Errorf("after transaction %d (-want +got):\n%.1000s", n, diff)
	}
	d.healthy()
	return c.most - n
}
