package store_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

var (
	followSeeds = flag.Int("follow.seeds", 20/effort, "random lives of a follower")
	followSteps = flag.Int("follow.steps", 200, "transactions in each")
)

// TestFollowModel does all that a follower can do, in any order, to a store and to
// a model of it. After each transaction every read gives what the model says, and
// whatever the order was, every index fits every other.
func TestFollowModel(t *testing.T) {
	for seed := range uint64(*followSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newFollowWorld(t, seed)
			for range *followSteps {
				w.step()
				if t.Failed() {
					t.Logf("last: %s", strings.Join(w.log[max(0, len(w.log)-12):], "; "))
					return
				}
			}
			w.disk.healthy()
		})
	}
}

// modelHead is what stands under a key.
type modelHead struct {
	revision   godwit.Revision
	expiration int64
	value      string
	dead       bool // a deletion, or an entry that the store has swept
}

type followWorld struct {
	t        *testing.T
	rng      *rand.Rand
	disk     *disk
	heads    map[string]modelHead // of ns1
	position godwit.Revision
	ahead    godwit.Revision
	mixed    bool
	next     godwit.Revision // never given before
	given    map[string][]godwit.Revision
	log      []string
}

const followKeys = 12

func newFollowWorld(t *testing.T, seed uint64) *followWorld {
	cfg := store.Config{InlineBytes: 3000, Retention: 1000 * time.Hour}
	if seed%2 == 0 {
		cfg.CacheBytes, cfg.HotBytes = 8<<20, 1<<20
	}
	if seed%4 < 2 {
		cfg = cfg.Collecting(int64(seed), 25)
	}
	w := &followWorld{t: t, rng: rand.New(rand.NewPCG(seed, 11)), disk: newFollower(t, cfg), heads: map[string]modelHead{}, given: map[string][]godwit.Revision{}, next: 100}
	w.disk.tx(func(tx *store.Tx) error { return tx.Follow(strings.Repeat("00", 16), nil, 0) })
	return w
}

func (w *followWorld) step() {
	switch w.rng.IntN(12) {
	case 0:
		w.disk.clock.advance(time.Duration(w.rng.IntN(5)) * time.Second)
	case 1:
		w.disk.sweep()
		for key, h := range w.heads {
			h.dead = h.dead || h.expiration != 0 && h.expiration <= w.disk.clock.Now().Unix()
			w.heads[key] = h
		}
	case 2:
		w.disk.reopen()
	default:
		w.disk.tx(w.transaction)
	}
	w.check()
}

func (w *followWorld) transaction(tx *store.Tx) error {
	w.log = append(w.log, "begin")
	begun := w.mixed // Apply goes by what the store was
	inexact, reached, changed := false, false, false
	ahead := w.ahead
	if w.rng.IntN(8) == 0 {
		inexact, changed = true, true
		ahead = w.rewind(tx)
	}
	for range 1 + w.rng.IntN(6) {
		r := w.record()
		var err error
		switch k := w.rng.IntN(10); {
		case k < 3:
			changed = w.do("catch up", r, true) || changed
			inexact, ahead = true, max(ahead, r.Revision)
			err = tx.CatchUp(r)
		case k < 6:
			if old := w.given[r.Key]; len(old) > 0 && w.rng.IntN(3) == 0 {
				r.Revision = old[w.rng.IntN(len(old))] // an older one comes back
			}
			inexact, ahead = true, max(ahead, r.Revision)
			changed = w.do("install", r, false)
			err = tx.Install(r)
		case k < 7:
			if _, is := w.heads[r.Key]; is {
				inexact, changed = true, true
			}
			w.log = append(w.log, "remove "+r.Key)
			delete(w.heads, r.Key)
			err = tx.Remove(store.Place{Namespace: ns1, Key: r.Key})
		case k < 8:
			w.next = max(w.next, w.position) + 1
			r.Revision, w.position = w.next, w.next
			changed = w.do("apply", r, begun) || changed
			err = tx.Apply(r)
		default:
			reached, changed = true, true
			w.position += godwit.Revision(w.rng.IntN(20))
			w.log = append(w.log, fmt.Sprint("reach ", w.position))
			err = tx.Reach(w.position)
		}
		if err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	w.mixed, w.ahead = begun || inexact, ahead
	if reached && w.position >= ahead {
		w.mixed, w.ahead = false, 0
	}
	w.next = max(w.next, w.position)
	return nil
}

// rewind drops the tombstones from after the position, and returns the highest
// revision that stands.
func (w *followWorld) rewind(tx *store.Tx) (ahead godwit.Revision) {
	w.position = godwit.Revision(w.rng.IntN(int(w.position) + 10))
	w.log = append(w.log, fmt.Sprint("rewind ", w.position))
	tx.Rewind(w.position)
	for key, h := range w.heads {
		if h.dead && h.revision > w.position {
			delete(w.heads, key)
		} else if h.revision > w.position {
			ahead = max(ahead, h.revision)
		}
	}
	return ahead
}

// record is a new mutation, or one that may be older than what stands.
func (w *followWorld) record() *godwit.Record {
	w.next++
	key := fmt.Sprint("k", w.rng.IntN(followKeys))
	if w.rng.IntN(5) == 0 {
		return at(w.next, del(ns1, key))
	}
	r := at(w.next, put(ns1, key, strings.Repeat(fmt.Sprint(w.next), []int{0, 1, 300, 700}[w.rng.IntN(4)])))
	if w.rng.IntN(2) == 0 {
		r.Expiration = w.disk.clock.Now().Unix() + 1 + w.rng.Int64N(6)
		if w.rng.IntN(4) == 0 {
			r.Swept, r.Value, r.Expiration = true, godwit.Value{}, r.Expiration-8
		}
	}
	return r
}

// do gives a record to the model, and tells whether it changes anything. Yields:
// it gives way to what is as new.
func (w *followWorld) do(name string, r *godwit.Record, yields bool) (changes bool) {
	old, is := w.heads[r.Key]
	if yields && is && w.rng.IntN(3) == 0 && name == "catch up" {
		r.Revision = old.revision // the same once more: nothing happens
	}
	w.log = append(w.log, fmt.Sprintf("%s %s@%d op=%d swept=%v until %d", name, r.Key, r.Revision, r.Op, r.Swept, r.Expiration))
	if changes = !yields || !is || old.revision < r.Revision; changes {
		w.given[r.Key] = append(w.given[r.Key], r.Revision)
		w.heads[r.Key] = modelHead{r.Revision, r.Expiration, string(r.Value.Inline), r.Op == godwit.OpDelete || r.Swept}
	}
	return changes
}

func (w *followWorld) check() {
	w.t.Helper()
	w.disk.wantState(w.position, w.mixed)
	w.checkIndex()
	now := w.disk.clock.Now().Unix()
	var want []string
	for i := range followKeys {
		key := fmt.Sprint("k", i)
		h, is := w.heads[key]
		if !is || h.dead || h.expiration != 0 && h.expiration <= now {
			w.disk.wantAbsent(ns1, key)
			continue
		}
		w.disk.wantValue(ns1, key, h.value)
		want = append(want, key)
		e, _, err := w.disk.Get(ctx, ns1, []byte(key), godwit.ReadOptions{})
		if err == nil && e.Revision != h.revision {
			err = errors.New("of revision " + e.Revision.String())
		}
		if err != nil {
			w.t.Errorf("%s: %v, want it at %d", key, err, h.revision)
		}
	}
	got := w.disk.listAll(ns1, "", 100)
	for _, key := range want {
		if len(got) != len(want) || !strings.Contains(fmt.Sprint(got), key) {
			w.t.Errorf("keys (-want +got):\n%s", cmp.Diff(want, got))
			return
		}
	}
}

// checkIndex holds the index by revision against the model.
func (w *followWorld) checkIndex() {
	w.t.Helper()
	want, got := map[godwit.Revision]string{}, map[godwit.Revision]string{}
	for key, h := range w.heads {
		want[h.revision] = key
	}
	v := w.disk.view()
	defer v.Close()
	last := godwit.Revision(0)
	for _, r := range changes(w.t, v, 0, godwit.MaxRevision) {
		if got[r.Revision] = r.Key; r.Revision <= last {
			w.t.Errorf("revision %d comes after %d", r.Revision, last)
		}
		last = r.Revision
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("changes (-want +got):\n%s", diff)
	}
}
