package watch_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ns1 = godwit.NamespaceID{15: 1}
	ns2 = godwit.NamespaceID{15: 2}
)

// world is a hub on a store in memory and its log.
type world struct {
	t     testing.TB
	fs    *store.MemFS
	cfg   store.Config
	watch watch.Config
	store *store.Store
	log   *embedded.Log
	hub   *watch.Hub
	reg   *prometheus.Registry
}

func newWorld(t testing.TB, cfg store.Config, wcfg watch.Config) *world {
	t.Helper()
	w := &world{t: t, fs: store.NewCrashFS(), cfg: cfg, watch: wcfg}
	w.open()
	t.Cleanup(w.close)
	w.propose(put(godwit.SystemNamespace, catalog.NamespaceKey(ns1), "{}"))
	w.propose(put(godwit.SystemNamespace, catalog.NamespaceKey(ns2), "{}"))
	return w
}

// open starts the store, the hub and the log, in the order in which a node does.
func (w *world) open() {
	w.t.Helper()
	cfg := w.cfg
	cfg.Dir, cfg.FS, cfg.CacheBytes, cfg.HotBytes = "data", w.fs, 4<<20, 1<<20
	var err error
	w.store, err = store.Open(context.Background(), cfg)
	w.check(err)
	wcfg := w.watch
	w.reg = prometheus.NewRegistry()
	wcfg.Store, wcfg.Metrics = w.store, w.reg
	w.hub = watch.New(wcfg)
	w.store.SetOnCommit(w.hub.Committed)
	w.store.SetOnExpired(w.hub.Expired)
	w.log, err = embedded.Open(context.Background(), embedded.Config{Store: w.store})
	w.check(err)
}

func (w *world) close() {
	w.t.Helper()
	w.hub.Close()
	w.check(w.log.Close())
	w.check(w.store.Close())
}

// reopen is a restart of the node.
func (w *world) reopen() {
	w.t.Helper()
	w.close()
	w.open()
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// propose makes one transaction of mutations and returns its revision.
func (w *world) propose(mutations ...godwit.Mutation) godwit.Revision {
	w.t.Helper()
	res, err := w.log.Propose(context.Background(), []godwit.Transaction{{Mutations: mutations}})
	w.check(err)
	if res[0].Outcome != godwit.Applied {
		w.t.Fatalf("outcome %d", res[0].Outcome)
	}
	return res[0].Revision
}

func put(ns godwit.NamespaceID, key, value string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: []byte(value)}}
}

func putFor(ns godwit.NamespaceID, key, value string, ttl time.Duration) godwit.Mutation {
	m := put(ns, key, value)
	m.Expiration = time.Now().Add(ttl).Unix()
	return m
}

func del(ns godwit.NamespaceID, key string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: key}
}

// rounds is how often watches have read the store.
func (w *world) rounds() (n float64) {
	w.t.Helper()
	families, err := w.reg.Gather()
	w.check(err)
	for _, f := range families {
		if f.GetName() == "godwit_watch_rounds_total" {
			n = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// reader pulls the events of one watch.
type reader struct {
	t    testing.TB
	next func() (watch.Event, error, bool)
	stop func()
}

func (w *world) watching(q watch.Request) *reader {
	w.t.Helper()
	if q.Namespace == (godwit.NamespaceID{}) {
		q.Namespace = ns1
	}
	ctx, cancel := context.WithCancel(context.Background())
	next, stop := iter.Pull2(w.hub.Watch(ctx, q))
	r := &reader{t: w.t, next: next, stop: func() { cancel(); stop() }}
	w.t.Cleanup(r.stop)
	return r
}

// event is the next that is no heartbeat.
func (r *reader) event() watch.Event {
	r.t.Helper()
	for {
		e, err, ok := r.next()
		if err != nil || !ok {
			r.t.Fatalf("the watch ended: %v", err)
		}
		if e.Kind != watch.Heartbeat {
			return e
		}
	}
}

// want reads events and holds them against lines as line makes them. It returns
// the last.
func (r *reader) want(lines ...string) (last watch.Event) {
	r.t.Helper()
	for _, want := range lines {
		last = r.event()
		if got := line(last); got != want {
			r.t.Fatalf("got event %q (%+v), want %q", got, last, want)
		}
	}
	return last
}

func (r *reader) wantError(code godwit.Code) {
	r.t.Helper()
	e, err, _ := r.next()
	if err == nil || godwit.CodeOf(err) != code {
		r.t.Fatalf("got %+v, %v, want an error of code %d", e, err, code)
	}
	if e, err, ok := r.next(); ok {
		r.t.Fatalf("after the error: %+v, %v", e, err)
	}
}

// line is an event in short.
func line(e watch.Event) string {
	switch {
	case e.Key == "":
		return string(e.Kind)
	case e.Value != nil:
		return fmt.Sprintf("%s %s=%s", e.Kind, e.Key, e.Value)
	}
	return fmt.Sprintf("%s %s", e.Kind, e.Key)
}
