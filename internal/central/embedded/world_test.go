package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a settable time, safe for the store's sweeper to read.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// world is a store with its log on a file system that can crash.
type world struct {
	t     testing.TB
	fs    *store.MemFS
	clock *clock
	cfg   store.Config
	store *store.Store
	log   *embedded.Log

	deciding atomic.Pointer[func()]
}

// atNextBatch has fn called once, as the log begins to decide the next batch.
func (w *world) atNextBatch(fn func()) { w.deciding.Store(&fn) }

// now is the log's clock, which it asks for each batch.
func (w *world) now() time.Time {
	if fn := w.deciding.Swap(nil); fn != nil {
		(*fn)()
	}
	return w.clock.Now()
}

func newWorld(t testing.TB, cfg store.Config) *world {
	t.Helper()
	w := &world{t: t, fs: store.NewCrashFS(), clock: newClock(), cfg: cfg}
	w.open()
	t.Cleanup(w.close)
	return w
}

// newFaultyWorld is one whose disk can be made to fail and to wait.
func newFaultyWorld(t testing.TB, cfg store.Config) (*world, *storetest.Faults) {
	t.Helper()
	w := &world{t: t, fs: store.NewCrashFS(), clock: newClock(), cfg: cfg}
	faults := storetest.NewFaults(w.fs)
	w.cfg.FS = faults
	w.open()
	t.Cleanup(w.close)
	return w, faults
}

func (w *world) open() {
	w.t.Helper()
	cfg := w.cfg
	cfg.Dir, cfg.Now = "/data", w.clock.Now
	if cfg.FS == nil {
		cfg.FS = w.fs
	}
	if cfg.DiskReserve == 0 {
		cfg.DiskReserve = -1
	}
	cfg.CacheBytes, cfg.HotBytes = 1<<20, 64<<10
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		w.t.Fatalf("open store: %v", err)
	}
	l, err := embedded.Open(context.Background(), embedded.Config{Store: s, Now: w.now})
	if err != nil {
		w.t.Fatalf("open log: %v", err)
	}
	w.store, w.log = s, l
}

func (w *world) close() {
	if w.store == nil {
		return
	}
	if err := errors.Join(w.log.Close(), w.store.Close()); err != nil {
		w.t.Errorf("close: %v", err)
	}
	w.store = nil
}

// fsck reports whether the closed store is whole.
func (w *world) fsck(fs store.FS) {
	w.t.Helper()
	err := store.Fsck(context.Background(), store.Config{Dir: "/data", FS: fs, Now: w.clock.Now}, func(p string) {
		w.t.Errorf("fsck: %s", p)
	})
	if err != nil {
		w.t.Errorf("fsck: %v", err)
	}
}

func (w *world) propose(txs ...godwit.Transaction) []godwit.Result {
	w.t.Helper()
	results, err := w.log.Propose(context.Background(), txs)
	if err != nil {
		w.t.Fatalf("propose: %v", err)
	}
	return results
}

func namespaceID(i int) godwit.NamespaceID {
	id, err := godwit.ParseNamespaceID(fmt.Sprintf("%032x", i+1))
	if err != nil {
		panic(err)
	}
	return id
}

func createNamespace(ns godwit.NamespaceID) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(ns),
		Value: godwit.Value{Inline: []byte(`{}`)},
	}}}
}

func dropNamespace(ns godwit.NamespaceID) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpDelete, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(ns),
	}}}
}

func put(ns godwit.NamespaceID, key string, value []byte) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: value},
	}}}
}
