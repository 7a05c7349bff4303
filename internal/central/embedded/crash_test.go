package embedded_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

var (
	crashLives  = flag.Int("crash.lives", 8/effort, "lives of the store, each begun from a crash of the one before")
	crashPoints = flag.Int("crash.points", 30, "crashes in each")
	crashSeed   = flag.Uint64("crash.seed", 1, "seed of the choices")
)

// TestCrash lets several writers write while the disk is cloned as power cuts
// would leave it, each time before some operation on it. Every clone must be
// whole, hold all that was acknowledged before, and be an exact prefix of the
// log: what the log was is known once all writers have their results. So it is where
// the disk is encrypted, with another key in each life.
func TestCrash(t *testing.T) {
	t.Run("plain", func(t *testing.T) { crashLivesOf(t, *crashLives, nil) })
	t.Run("encrypted", func(t *testing.T) {
		crashLivesOf(t, (*crashLives+1)/2, func(n int) *store.Keys {
			var numbers []byte // the newest first
			for i := n + 1; i > 0; i-- {
				numbers = append(numbers, byte(i))
			}
			return storetest.Keys(numbers...)
		})
	})
}

// crashLivesOf runs lives, each with the keys of its number.
func crashLivesOf(t *testing.T, lives int, keys func(n int) *store.Keys) {
	rng := rand.New(rand.NewPCG(*crashSeed, 2))
	l := &life{t: t, rng: rng, state: crashState{}, fs: store.NewCrashFS()}
	for n := range lives {
		if keys != nil {
			l.keys = keys(n)
		}
		l.run()
		if t.Failed() {
			return
		}
		next := l.crashes[rng.IntN(len(l.crashes))]
		l = &life{t: t, rng: rng, state: l.at(next.found), fs: next.fs, given: l.last(), acked: next.found}
	}
}

// life is one opening of the store, and what was written in it.
type life struct {
	t     *testing.T
	rng   *rand.Rand
	state crashState      // at its start
	given godwit.Revision // the highest of the lives before
	fs    *store.MemFS
	keys  *store.Keys
	disk  *storetest.Faults // around fs
	store *store.Store
	log   *embedded.Log

	mu      sync.Mutex
	acked   godwit.Revision
	writes  []crashWrite
	crashes []*crashPoint
	choose  *rand.Rand // of the crasher
	opening bool
}

// crashState is what a store holds: by namespace and key.
type crashState map[id]crashValue

// crashValue stands for bytes that need not be kept.
type crashValue struct {
	size int
	seed uint64
}

// crashWrite is a transaction that took effect.
type crashWrite struct {
	first, last godwit.Revision
	changes     []crashChange
}

type crashChange struct {
	id    id
	value *crashValue // nil: deleted
}

// crashPoint is a disk after a power cut.
type crashPoint struct {
	fs    *store.MemFS
	where string
	acked godwit.Revision // before the cut
	found godwit.Revision // after it
}

const (
	crashWriters = 6
	crashKeys    = 8 // of each writer
	counterKey   = "counter"
)

func (l *life) run() {
	l.choose = rand.New(rand.NewPCG(l.rng.Uint64(), 3))
	l.disk = storetest.NewFaults(l.fs)
	if len(l.state) > 0 {
		l.disk.Inject(l.mayCrash)
	}
	l.open()
	l.disk.Inject(l.mayCrash)
	var writers sync.WaitGroup
	for i := range crashWriters {
		w := &crashWriter{life: l, rng: rand.New(rand.NewPCG(l.rng.Uint64(), 4)), n: i, ns: namespaceID(0)}
		writers.Go(w.run)
	}
	writers.Go(l.sweep)
	writers.Wait()
	l.disk.Inject(nil)
	if err := errors.Join(l.log.Close(), l.store.Close()); err != nil {
		l.t.Fatalf("close: %v", err)
	}
	slices.SortFunc(l.writes, func(a, b crashWrite) int { return cmp.Compare(a.first, b.first) })
	l.checkLog()
	for _, c := range l.crashes {
		l.check(c)
	}
}

// config sweeps as soon as it can, and has little memory, so that much happens.
func (l *life) config(fs store.FS) store.Config {
	return store.Config{
		Dir: "/data", FS: fs, Keys: l.keys, DiskReserve: -1, InlineBytes: 24 << 10, BlobGrace: 1,
		CacheBytes: 1 << 20, HotBytes: 64 << 10, Retention: time.Second, WipeAbove: 2,
	}
}

func (l *life) setOpening(opening bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opening = opening
}

func (l *life) open() {
	l.setOpening(true)
	defer l.setOpening(false)
	storetest.SetDiskUsage(l.fs, 1<<26, 1<<26) // for a small memtable
	var err error
	if l.store, err = store.Open(context.Background(), l.config(l.disk)); err != nil {
		l.t.Fatalf("open store: %v", err)
	}
	if l.log, err = embedded.Open(context.Background(), embedded.Config{Store: l.store}); err != nil {
		l.t.Fatalf("open log: %v", err)
	}
	if first := l.log.Epoch().First; first <= l.given {
		l.t.Fatalf("epoch starts at %d, but %d was given in another life", first, l.given)
	}
	l.given = l.log.Epoch().First
	ns := id{godwit.SystemNamespace, catalog.NamespaceKey(namespaceID(0))}
	if _, ok := l.state[ns]; !ok {
		l.propose(nil, crashChange{ns, &crashValue{size: 2}})
	}
}

// mayCrash clones the disk before one operation in some.
func (l *life) mayCrash(op storetest.Op, path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.crashes) == *crashPoints || l.choose.IntN(25) > 0 {
		return nil
	}
	c := &crashPoint{where: string(op) + " " + path, acked: l.acked}
	percent := l.choose.IntN(101)
	if l.opening {
		// All or nothing while the store is being opened: the database relies on a
		// directory's entries reaching the disk in their order.
		percent = percent / 51 * 100
	}
	c.fs = l.fs.CrashClone(store.CrashClone{UnsyncedDataPercent: percent, RNG: l.choose})
	l.crashes = append(l.crashes, c)
	return nil
}

// sweep removes files and rows all the time.
func (l *life) sweep() {
	for !l.enough() {
		if err := l.store.Sweep(context.Background()); err != nil {
			l.t.Errorf("sweep: %v", err)
			return
		}
	}
}

func (l *life) enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.crashes) == *crashPoints || len(l.writes) > 20_000
}

func (l *life) last() godwit.Revision {
	if len(l.writes) == 0 {
		return l.given
	}
	return max(l.given, l.writes[len(l.writes)-1].last)
}

// crashWriter makes writes of keys that are its own, but for the counter.
type crashWriter struct {
	*life
	rng *rand.Rand
	n   int
	ns  godwit.NamespaceID
	own map[string]bool // its live keys
}

func (w *crashWriter) run() {
	w.own = map[string]bool{}
	for k := range w.state {
		w.own[k.key] = k.ns == w.ns
	}
	for i := 0; !w.enough() && !w.t.Failed(); i++ {
		key := fmt.Sprintf("w%d/k%d", w.n, w.rng.IntN(crashKeys))
		switch n := w.rng.IntN(100); {
		case n < 50:
			w.put(key)
		case n < 65:
			w.delete(key)
		case n < 80:
			w.putTwo()
		case n < 97:
			w.increment()
		default:
			w.namespace()
		}
	}
}

func (w *crashWriter) value() *crashValue {
	sizes := []int{0, 10, 300, 2000, 20_000, 60_000}
	return &crashValue{size: sizes[w.rng.IntN(len(sizes))], seed: w.rng.Uint64()}
}

func (w *crashWriter) put(key string) {
	w.propose(nil, crashChange{id{w.ns, key}, w.value()})
	w.own[key] = true
}

func (w *crashWriter) delete(key string) {
	if w.own[key] {
		w.propose(nil, crashChange{id{w.ns, key}, nil})
		w.own[key] = false
	}
}

func (w *crashWriter) putTwo() {
	v := w.value()
	w.propose(nil, crashChange{id{w.ns, fmt.Sprintf("w%d/a", w.n)}, v}, crashChange{id{w.ns, fmt.Sprintf("w%d/b", w.n)}, v})
}

// increment adds one to what all writers count, unless another was faster.
func (w *crashWriter) increment() {
	c := godwit.Condition{Kind: godwit.MustBeAbsent, Namespace: w.ns, Key: counterKey}
	n := 0
	e, _, err := w.store.Get(context.Background(), w.ns, []byte(counterKey), godwit.ReadOptions{})
	if err == nil {
		c.Kind, c.Revisions = godwit.MustMatch, []godwit.Revision{e.Revision}
		n, err = strconv.Atoi(string(e.Value.Inline))
	}
	if err != nil && !errors.Is(err, godwit.ErrKeyNotFound) {
		w.t.Errorf("read counter: %v", err)
	}
	w.propose([]godwit.Condition{c}, crashChange{id{w.ns, counterKey}, &crashValue{seed: uint64(n + 1)}})
}

// namespace makes a namespace, fills it and deletes it.
func (w *crashWriter) namespace() {
	ns := godwit.NamespaceID{1, byte(w.n)}
	for i := 8; i < 16; i++ {
		ns[i] = byte(w.rng.IntN(256))
	}
	name := id{godwit.SystemNamespace, catalog.NamespaceKey(ns)}
	w.propose(nil, crashChange{name, &crashValue{size: 2}})
	for i := range 1 + w.rng.IntN(6) {
		w.propose(nil, crashChange{id{ns, strconv.Itoa(i)}, w.value()})
	}
	w.propose(nil, crashChange{name, nil})
}

// propose carries out changes as one transaction and notes what became of it.
func (l *life) propose(conditions []godwit.Condition, changes ...crashChange) {
	tx := godwit.Transaction{Conditions: conditions}
	for _, c := range changes {
		m := godwit.Mutation{Op: godwit.OpDelete, Namespace: c.id.ns, Key: c.id.key}
		if c.value != nil {
			m.Op, m.Value = godwit.OpPut, l.upload(c.id, c.value)
		}
		tx.Mutations = append(tx.Mutations, m)
	}
	results, err := l.log.Propose(context.Background(), []godwit.Transaction{tx})
	if err != nil {
		l.t.Errorf("propose: %v", err)
		return
	}
	if results[0].Outcome != godwit.Applied {
		if conditions == nil {
			l.t.Errorf("propose %+v: %+v", changes, results[0])
		}
		return
	}
	last := results[0].Revision
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = max(l.acked, last)
	l.writes = append(l.writes, crashWrite{last - godwit.Revision(len(changes)-1), last, changes})
}

func (l *life) upload(k id, v *crashValue) godwit.Value {
	if k.key == counterKey {
		return godwit.Value{Inline: []byte(v.text(k))}
	}
	value, err := l.store.Upload(context.Background(), strings.NewReader(v.text(k)), godwit.MaxValueBytes)
	if err != nil {
		l.t.Errorf("upload: %v", err)
	}
	return value
}

// text is the value's bytes.
func (v *crashValue) text(k id) string {
	if k.key == counterKey {
		return strconv.FormatUint(v.seed, 10)
	}
	rng := rand.New(rand.NewPCG(v.seed, 5))
	b := make([]byte, v.size)
	for i := range b {
		b[i] = byte('a' + rng.IntN(16))
	}
	return string(b)
}

// checkLog checks that no revision was given twice and no increment was lost.
func (l *life) checkLog() {
	last, counter := l.given, l.state[id{namespaceID(0), counterKey}].seed
	for _, w := range l.writes {
		if w.first <= last {
			l.t.Errorf("revision %d was given twice", w.first)
		}
		last = w.last
		if w.changes[0].id.key == counterKey {
			if counter++; w.changes[0].value.seed != counter {
				l.t.Errorf("the counter went to %d, not to %d", w.changes[0].value.seed, counter)
			}
		}
	}
}

// at is what the store held at a revision.
func (l *life) at(r godwit.Revision) crashState {
	state := crashState{}
	for k, v := range l.state {
		state[k] = v
	}
	for _, w := range l.writes {
		if w.last > r {
			break
		}
		for _, c := range w.changes {
			if c.value != nil {
				state[c.id] = *c.value
				continue
			}
			delete(state, c.id)
			for k := range state {
				if c.id.ns == godwit.SystemNamespace && catalog.NamespaceKey(k.ns) == c.id.key {
					delete(state, k)
				}
			}
		}
	}
	return state
}

func (l *life) check(c *crashPoint) {
	l.t.Helper()
	where := fmt.Sprintf("crash before %s, %d acknowledged", c.where, c.acked)
	err := store.Fsck(context.Background(), l.config(c.fs), func(p string) {
		l.t.Errorf("%s: fsck: %s", where, p)
	})
	if err != nil {
		l.t.Errorf("%s: fsck: %v", where, err)
		return
	}
	s, err := store.Open(context.Background(), l.config(c.fs))
	if err != nil {
		l.t.Errorf("%s: open: %v", where, err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			l.t.Errorf("%s: close: %v", where, err)
		}
	}()
	if c.found = s.Revision(); c.found < c.acked {
		l.t.Errorf("%s: only %d is there", where, c.found)
	}
	for _, w := range l.writes {
		if w.first <= c.found && c.found < w.last {
			l.t.Errorf("%s: at %d, in the middle of %d to %d", where, c.found, w.first, w.last)
		}
	}
	compareState(l.t, where, s, l.at(c.found))
}

// compareState compares all that a store holds, of every namespace.
func compareState(t *testing.T, where string, s *store.Store, want crashState) {
	t.Helper()
	spaces := map[godwit.NamespaceID]bool{godwit.SystemNamespace: true}
	found := 0
	for k := range want {
		spaces[k.ns] = true
	}
	for ns := range spaces {
		err := s.Scan(ns, "", func(e *godwit.Entry) error {
			found++
			k := id{ns, e.Key}
			v, ok := want[k]
			if !ok {
				return fmt.Errorf("%s %q should not be there", ns, e.Key)
			}
			r, err := s.OpenValue(context.Background(), ns, e)
			if err != nil {
				return err
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || string(got) != v.text(k) {
				return fmt.Errorf("%s %q: %d bytes that are not the %d written (%w)", ns, e.Key, len(got), v.size, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	if found != len(want) {
		t.Errorf("%s: %d entries, not %d", where, found, len(want))
	}
}
