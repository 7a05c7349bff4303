package store_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

var (
	roundSeeds = flag.Int("rounds.seeds", 12/effort, "random logs to follow")
	roundSteps = flag.Int("rounds.steps", 60, "rounds in each")
)

// TestRounds lets a follower follow a random log in rounds of catching up: while
// a round is on its way the log goes on, both sides sweep and forget, the round is
// cut off and begun anew, the follower is opened again. Now and then the follower
// is too far behind, or the log's owner comes back as an old copy of itself, so
// that the follower becomes a copy again in place. At the end of each round it is
// the owner's state of when the round began.
func TestRounds(t *testing.T) {
	for seed := range uint64(*roundSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newRoundWorld(t, seed)
			for range *roundSteps {
				w.mutate(w.rng.IntN(30))
				w.round()
				if t.Failed() {
					return
				}
			}
			w.settle()
		})
	}
}

type roundWorld struct {
	t         *testing.T
	rng       *rand.Rand
	centre    *disk
	follower  *disk
	clock     *clock // of both
	spaces    []godwit.NamespaceID
	made      byte
	old       *store.MemFS // a copy of the centre
	oldSpaces []godwit.NamespaceID
	late      *store.View // of the centre: an upstream that is behind
	diverged  bool
	counts    map[string]int
}

func newRoundWorld(t *testing.T, seed uint64) *roundWorld {
	cfg := store.Config{InlineBytes: 3000, Retention: 40 * time.Second, BlobGrace: time.Second}
	if seed%2 == 0 {
		cfg = cfg.Collecting(int64(seed), 50)
	}
	other := cfg
	cfg.WipeAbove, other.WipeAbove = []int64{-1, 3, 0}[seed%3], []int64{-1, 0, 5, 0}[seed%4]
	w := &roundWorld{t: t, rng: rand.New(rand.NewPCG(seed, 9)), counts: map[string]int{}}
	w.centre, w.follower = newDisk(t, cfg), newFollower(t, other)
	w.clock = w.centre.clock
	w.follower.clock = w.clock
	w.follower.cfg.Now = w.clock.Now
	w.follower.reopen()
	w.centre.openEpoch()
	w.mutate(20)
	w.follower.tx(func(tx *store.Tx) error { return tx.Follow(w.centre.Cluster(), w.centre.Lineage(), 0) })
	w.follower.tx(func(tx *store.Tx) error { tx.Rewind(w.centre.Lineage()[0].First); return nil })
	return w
}

// mutate writes n transactions to the log.
func (w *roundWorld) mutate(n int) {
	for range n {
		if w.rng.IntN(20) == 0 {
			w.close(w.late)
			w.late = w.centre.view()
		}
		w.clock.advance(time.Duration(w.rng.IntN(400)+1) * time.Millisecond)
		var ms []godwit.Mutation
		switch k := w.rng.IntN(100); {
		case len(w.spaces) == 0 || k < 4 && len(w.spaces) < 4:
			w.made++
			ns := godwit.NamespaceID{0: w.made, 15: 1}
			w.spaces = append(w.spaces, ns)
			ms = append(ms, put(godwit.SystemNamespace, "namespace/"+ns.String(), "{}"))
		case k < 6:
			i := w.rng.IntN(len(w.spaces))
			ms = append(ms, dropNS(w.spaces[i]))
			w.spaces = slices.Delete(w.spaces, i, i+1)
		case k < 8:
			w.centre.sweep()
			continue
		case k < 12:
			ms = append(ms, w.clearing())
			if w.rng.IntN(2) == 0 {
				ms = append(ms, w.mutation())
			}
		default:
			for range 1 + w.rng.IntN(4) {
				ms = append(ms, w.mutation())
			}
		}
		w.centre.write(ms...)
	}
}

func (w *roundWorld) mutation() godwit.Mutation {
	ns, key := w.spaces[w.rng.IntN(len(w.spaces))], keyN(w.rng.IntN(25))
	m := put(ns, key, strings.Repeat(fmt.Sprint(w.rng.IntN(10)), []int{0, 3, 200, 1500, 2900}[w.rng.IntN(5)]))
	switch k := w.rng.IntN(100); {
	case k < 25:
		return del(ns, key)
	case k < 30:
		m = w.centre.putBlob(ns, key, strings.Repeat("b", 3001+w.rng.IntN(100)))
	case k < 40:
		m.Metadata = []byte(`{"a":1}`)
	}
	if w.rng.IntN(3) == 0 {
		m.Expiration = w.clock.Now().Unix() + 1 + w.rng.Int64N(60)
	}
	return m
}

// clearing clears a part of a namespace, or all of it.
func (w *roundWorld) clearing() godwit.Mutation {
	ns, key := w.spaces[w.rng.IntN(len(w.spaces))], keyN(w.rng.IntN(25))
	m := clearing(ns, key[:w.rng.IntN(len(key)+1)])
	m.Expiration = w.clock.Now().Unix() + 1 + w.rng.Int64N(60)
	return m
}

// upstream is a state to go on from: as a rule the centre's, or that of an upstream
// which is behind.
func (w *roundWorld) upstream() (v *store.View, behind bool) {
	late := w.late
	if late == nil || w.rng.IntN(3) > 0 {
		return w.centre.view(), false
	}
	w.late = nil
	if late.Revision() >= w.follower.Revision() && late.Purged() <= w.follower.Revision() {
		w.counts["behind"]++
		return late, true
	}
	w.close(late)
	return w.centre.view(), false
}

func (w *roundWorld) close(v *store.View) {
	w.t.Helper()
	if v == nil {
		return
	}
	if err := v.Close(); err != nil {
		w.t.Error(err)
	}
}

// horizon is a second that no round lasts to, so that digests leave out what
// either side may sweep meanwhile.
func (w *roundWorld) horizon() int64 { return w.clock.Now().Unix() + 30 }

func (w *roundWorld) digest(d *disk, now int64) [32]byte {
	w.t.Helper()
	sum, _, err := d.Digest(ctx, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

// round brings the follower up to the centre's state of now, unless it is cut off.
func (w *roundWorld) round() {
	switch w.rng.IntN(16) {
	case 0:
		w.clock.advance(time.Minute) // tombstones go
		w.centre.sweep()
	case 1:
		w.old, w.oldSpaces = w.centre.mem.CrashClone(store.CrashClone{}), slices.Clone(w.spaces)
	case 2:
		w.rollBack()
	}
	v, behind := w.upstream()
	want, now := w.digest(w.centre, w.horizon()), w.horizon()
	if w.diverged || v.Purged() > w.follower.Revision() {
		w.close(v)
		w.reconcile()
		return
	}
	records := changes(w.t, v, w.follower.Revision(), v.Revision())
	at := v.Revision()
	w.close(v)
	for len(records) > 0 {
		n := min(1+w.rng.IntN(15), len(records))
		w.follower.tx(func(tx *store.Tx) error {
			for i := range records[:n] {
				if err := tx.CatchUp(&records[i]); err != nil {
					return err
				}
			}
			return nil
		})
		records = records[n:]
		if w.disturb() {
			w.counts["cut off"]++
			return
		}
	}
	w.follower.reach(at)
	w.counts["rounds"]++
	if !behind {
		w.check(at, now, want)
	}
}

func (w *roundWorld) check(at godwit.Revision, now int64, want [32]byte) {
	w.t.Helper()
	w.follower.wantState(at, false)
	if got := w.digest(w.follower, now); got != want {
		w.t.Errorf("at %d the follower differs", at)
	}
}

// disturb is what happens between two parts of a round. It tells whether that is
// cut off.
func (w *roundWorld) disturb() (cut bool) {
	switch w.rng.IntN(12) {
	case 0:
		w.mutate(w.rng.IntN(5))
	case 1:
		w.follower.sweep()
	case 2:
		w.follower.reopen()
	case 3:
		return w.rng.IntN(2) == 0
	}
	return false
}

// rollBack opens the old copy of the centre in place of what it has become.
func (w *roundWorld) rollBack() {
	if w.old == nil {
		return
	}
	w.close(w.late)
	w.late = nil
	w.centre.close()
	cfg := w.centre.cfg
	next := openDisk(w.t, w.old, cfg)
	next.clock, next.cfg.Now = w.clock, w.clock.Now
	next.reopen()
	next.openEpoch()
	w.centre, w.spaces, w.old, w.diverged = next, w.oldSpaces, nil, true
	w.mutate(3)
	w.counts["rolled back"]++
}

// reconcile makes the follower a copy of the centre: page by page, each from a
// state of its own, of which the lowest is the position then.
func (w *roundWorld) reconcile() {
	w.diverged = true
	lowest := godwit.MaxRevision
	var place *store.Place
	highest := godwit.Revision(0)
	for done := false; !done; {
		v, _ := w.upstream()
		lowest, highest = min(lowest, v.Revision()), max(highest, v.Revision())
		var page []godwit.Record
		enough := errors.New("enough")
		err := v.Walk(ctx, place, true, func(r *godwit.Record) error {
			if page = append(page, keepRecord(r)); len(page) == 20 {
				return enough
			}
			return nil
		})
		if done = !errors.Is(err, enough); done && err != nil {
			w.t.Fatal(err)
		}
		if err := v.Close(); err != nil {
			w.t.Error(err)
		}
		place = w.merge(place, page, done)
		if w.disturb() { // as if a new process went on from its note
			w.follower.reopen()
		}
	}
	w.follower.tx(func(tx *store.Tx) error {
		tx.Rewind(lowest)
		return tx.Follow(w.centre.Cluster(), w.centre.Lineage(), highest)
	})
	w.diverged = false
	w.counts["copies"]++
}

// merge makes what the follower has behind place, up to the page's end, the page.
func (w *roundWorld) merge(place *store.Place, page []godwit.Record, last bool) *store.Place {
	v := w.follower.view()
	local := walk(w.t, v, place, false)
	if err := v.Close(); err != nil {
		w.t.Error(err)
	}
	w.follower.tx(func(tx *store.Tx) error {
		for _, r := range page {
			for len(local) > 0 && comparePlaces(&local[0], &r) < 0 {
				if err := tx.Remove(store.Place{Namespace: local[0].Namespace, Key: local[0].Key}); err != nil {
					return err
				}
				local = local[1:]
			}
			if len(local) > 0 && comparePlaces(&local[0], &r) == 0 {
				same := local[0].Revision == r.Revision
				if local = local[1:]; same {
					continue
				}
			}
			if err := tx.Install(&r); err != nil {
				return err
			}
		}
		for ; last && len(local) > 0; local = local[1:] {
			if err := tx.Remove(store.Place{Namespace: local[0].Namespace, Key: local[0].Key}); err != nil {
				return err
			}
		}
		return nil
	})
	if len(page) == 0 {
		return place
	}
	end := page[len(page)-1]
	return &store.Place{Namespace: end.Namespace, Key: end.Key}
}

func comparePlaces(a, b *godwit.Record) int {
	if c := strings.Compare(string(a.Namespace[:]), string(b.Namespace[:])); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

// settle ends all rounds; then both have the same rows of entries, values, blobs
// and counters, and fsck is content with both.
func (w *roundWorld) settle() {
	for w.follower.Revision() != w.centre.Revision() || w.follower.Mixed() {
		w.round()
		if w.t.Failed() {
			return
		}
	}
	w.close(w.late)
	w.centre.sweep()
	w.follower.sweep()
	rows := func(d *disk) map[string]string {
		rows := map[string]string{}
		err := d.Rows(func(k, v []byte) {
			if strings.ContainsRune("evcb", rune(k[0])) {
				rows[string(k)] = string(v)
			}
		})
		if err != nil {
			w.t.Error(err)
		}
		return rows
	}
	if diff := cmp.Diff(rows(w.centre), rows(w.follower)); diff != "" {
		w.t.Errorf("rows (-centre +follower):\n%.2000s", diff)
	}
	w.centre.healthy()
	w.follower.healthy()
	w.t.Log(w.counts)
}
