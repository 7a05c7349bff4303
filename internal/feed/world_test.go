package feed_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// clock is a settable time.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// node is a store on a disk in memory that can crash.
type node struct {
	t     testing.TB
	fs    *store.MemFS
	clock *clock
	cfg   store.Config
	*store.Store
}

func (n *node) open() {
	n.t.Helper()
	cfg := n.cfg
	cfg.Dir, cfg.FS, cfg.Now = "/data", n.fs, n.clock.Now
	if cfg.DiskReserve == 0 {
		cfg.DiskReserve = -1
	}
	cfg.CacheBytes, cfg.HotBytes = 1<<20, 64<<10
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		n.t.Fatalf("open store: %v", err)
	}
	n.Store = s
}

func (n *node) close() {
	n.t.Helper()
	if n.Store == nil {
		return
	}
	if err := n.Store.Close(); err != nil {
		n.t.Errorf("close store: %v", err)
	}
	n.Store = nil
}

// crash ends the process; of what was not synced a random part survives.
func (n *node) crash(rng *rand.Rand) {
	n.t.Helper()
	left := n.fs.CrashClone(store.CrashClone{UnsyncedDataPercent: 50, RNG: rng})
	n.close()
	n.fs = left
	n.open()
}

// healthy holds that the closed store is whole, and opens it again.
func (n *node) healthy() {
	n.t.Helper()
	n.close()
	err := store.Fsck(context.Background(), store.Config{Dir: "/data", FS: n.fs, Now: n.clock.Now}, func(p string) {
		if !n.cfg.Follower || !strings.Contains(p, "blob not found") { // those are not fetched here
			n.t.Errorf("fsck: %s", p)
		}
	})
	if err != nil {
		n.t.Errorf("fsck: %v", err)
	}
	n.open()
}

// content describes each entry of a store, expired ones too: what filter f lets
// through of it.
func (n *node) content(f feed.Filter) map[string]string {
	n.t.Helper()
	out := make(map[string]string)
	n.walk(func(r *godwit.Record) {
		system := r.Namespace == godwit.SystemNamespace
		if !system && f.Namespaces != nil && !slices.Contains(f.Namespaces, r.Namespace) {
			return
		}
		v := r.Value
		if v.Blob.IsZero() && f.MaxValue > 0 && int64(len(v.Inline)) > f.MaxValue && !system {
			v = feed.Withhold(r)
		}
		out[fmt.Sprintf("%s/%q", r.Namespace, r.Key)] = fmt.Sprintf("%d %d %d %d %s %x %x",
			r.Revision, r.Created, r.Modified, r.Expiration, r.Metadata, v.Inline[:min(len(v.Inline), 16)], v.Blob)
	})
	return out
}

func (n *node) walk(fn func(*godwit.Record)) {
	n.t.Helper()
	v, err := n.View(context.Background())
	if err != nil {
		n.t.Fatal(err)
	}
	defer v.Close()
	if err := v.Walk(context.Background(), nil, true, func(r *godwit.Record) error { fn(r); return nil }); err != nil {
		n.t.Fatal(err)
	}
}

// centre owns a log.
type centre struct {
	node
	log *embedded.Log
}

func newCentre(t testing.TB) *centre {
	t.Helper()
	c := &centre{node: node{t: t, fs: store.NewCrashFS(), clock: newClock()}}
	c.start()
	t.Cleanup(c.stop)
	for i := range 3 {
		c.propose(createNamespace(namespaceID(i)))
	}
	return c
}

func (c *centre) start() {
	c.t.Helper()
	c.open()
	l, err := embedded.Open(context.Background(), embedded.Config{Store: c.Store, Now: c.clock.Now})
	if err != nil {
		c.t.Fatalf("open log: %v", err)
	}
	c.log = l
}

func (c *centre) stop() {
	if c.Store != nil {
		if err := c.log.Close(); err != nil {
			c.t.Errorf("close log: %v", err)
		}
	}
	c.close()
}

// image is a copy of the centre's disk as it is now.
func (c *centre) image() *store.MemFS { return c.fs.CrashClone(store.CrashClone{}) }

// restore puts a copy of the disk back.
func (c *centre) restore(image *store.MemFS) {
	c.t.Helper()
	c.stop()
	c.fs = image
	c.start()
}

func (c *centre) propose(txs ...godwit.Transaction) {
	c.t.Helper()
	results, err := c.log.Propose(context.Background(), txs)
	if err != nil {
		c.t.Fatalf("propose: %v", err)
	}
	for i := range results {
		if results[i].Outcome != godwit.Applied {
			c.t.Fatalf("transaction %d: outcome %d", i, results[i].Outcome)
		}
	}
}

// fill puts n keys into each of the namespaces, of every shape an entry has.
func (c *centre) fill(n int) {
	c.t.Helper()
	for ns := range 3 {
		var txs []godwit.Transaction
		for i := range n {
			m := godwit.Mutation{Op: godwit.OpPut, Namespace: namespaceID(ns), Key: fmt.Sprintf("key-%05d", i)}
			switch i % 10 {
			case 0:
				m.Value = c.upload(100<<10 + i)
			case 1:
				m.Value.Inline = make([]byte, 4<<10+i)
			case 2:
				m.Metadata, m.Value.Inline = []byte(`{"a":1}`), []byte{}
			case 3:
				m.Expiration = c.clock.Now().Unix() + int64(i%50)*10
			}
			if m.Value.Inline == nil {
				m.Value.Inline = fmt.Appendf(nil, "value %d of %d", i, ns)
			}
			if !m.Value.Blob.IsZero() {
				m.Value.Inline = nil
			}
			txs = append(txs, godwit.Transaction{Mutations: []godwit.Mutation{m}})
		}
		c.propose(txs...)
	}
}

func (c *centre) upload(n int) godwit.Value {
	c.t.Helper()
	v, err := c.Upload(context.Background(), strings.NewReader(strings.Repeat("x", n)), 1<<30)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// churn overwrites, deletes and adds keys at random.
func (c *centre) churn(rng *rand.Rand, n int) {
	c.t.Helper()
	for range n {
		ns, key := namespaceID(rng.IntN(2)), fmt.Sprintf("key-%05d", rng.IntN(400))
		if rng.IntN(3) == 0 {
			c.propose(deletes(ns, key))
		} else {
			c.propose(writes(ns, key, fmt.Appendf(nil, "churned %d", rng.Int())))
		}
	}
}

func namespaceID(i int) (id godwit.NamespaceID) {
	id[15] = byte(i + 1)
	return id
}

func createNamespace(ns godwit.NamespaceID) godwit.Transaction {
	return writes(godwit.SystemNamespace, catalog.NamespaceKey(ns), []byte(`{}`))
}

func writes(ns godwit.NamespaceID, key string, value []byte) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: value},
	}}}
}

func deletes(ns godwit.NamespaceID, key string) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: key}}}
}

// walker serves walks of a store, a few entries a page, and misbehaves where a
// test says so.
type walker struct {
	t         testing.TB
	store     func() *store.Store
	perPage   int
	perAnswer int              // entries fetched by one request
	pages     int              // after which a walk is cut off; 0: never
	edit      func(feed.Frame) // of what is sent
	between   func()           // pages

	serving sync.RWMutex // read-locked by each request: see change

	mu    sync.Mutex
	walks int
	asked int // places fetched
}

func newWalker(c *centre) *walker {
	return &walker{t: c.t, store: func() *store.Store { return c.Store }, perPage: 50, perAnswer: 30}
}

// change changes what the walker does, once no request is served: one whose client has given
// up may still be, or come late.
func (w *walker) change(how func()) {
	w.serving.Lock()
	defer w.serving.Unlock()
	how()
}

func (w *walker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.serving.RLock()
	defer w.serving.RUnlock()
	q := r.URL.Query()
	f := feed.Filter{}
	if q.Has("namespaces") {
		f.Namespaces = []godwit.NamespaceID{}
		for text := range strings.SplitSeq(q.Get("namespaces"), ",") {
			id, err := godwit.ParseNamespaceID(text)
			if err != nil {
				w.t.Error(err)
			}
			f.Namespaces = append(f.Namespaces, id)
		}
	}
	f.MaxValue, _ = strconv.ParseInt(q.Get("max_value"), 10, 64)
	rw.Header().Set("Content-Type", feed.ContentType)
	if r.Method == http.MethodPost {
		w.fetch(rw, r, f)
		return
	}
	w.mu.Lock()
	w.walks++
	w.mu.Unlock()
	w.send(rw, w.hello(f))
	after := place(w.t, q.Get("after"))
	for n := 0; ; n++ {
		if w.pages > 0 && n == w.pages {
			panic(http.ErrAbortHandler)
		}
		p := w.page(after, f, q.Get("heads") == "1")
		if len(p.Records) > 0 {
			last := &p.Records[len(p.Records)-1]
			after = &store.Place{Namespace: last.Namespace, Key: last.Key}
		}
		if !w.send(rw, p) || p.Done {
			break
		}
		if w.between != nil {
			w.between()
		}
	}
	w.send(rw, &feed.End{Reason: feed.EndClosing})
}

func (w *walker) send(rw http.ResponseWriter, f feed.Frame) bool {
	if w.edit != nil {
		w.edit(f)
	}
	_, err := rw.Write(frames(w.t, f))
	return errors.Join(err, http.NewResponseController(rw).Flush()) == nil
}

func (w *walker) hello(f feed.Filter) *feed.Hello {
	s := w.store()
	return &feed.Hello{
		Cluster: s.Stats().ClusterID, Account: testAccount, Lineage: s.Lineage(), Purged: s.Purged(),
		Revision: s.Revision(), Owner: true, Carries: f, Session: 1,
	}
}

// errFull ends a look through the store.
var errFull = errors.New("full")

func (w *walker) page(after *store.Place, f feed.Filter, heads bool) *feed.Page {
	v, err := w.store().View(context.Background())
	if err != nil {
		w.t.Error(err)
		return &feed.Page{Done: true}
	}
	defer v.Close()
	p := &feed.Page{Revision: v.Revision(), Time: v.Time(), Heads: heads}
	err = v.Walk(context.Background(), after, !heads, func(r *godwit.Record) error {
		if len(p.Records) == w.perPage {
			return errFull
		}
		if out, ok := passed(r, f, heads); ok {
			p.Records = append(p.Records, out)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFull) {
		w.t.Error(err)
	}
	p.Done = err == nil
	return p
}

// passed copies what passes a filter.
func passed(r *godwit.Record, f feed.Filter, heads bool) (godwit.Record, bool) {
	out := *r
	system := r.Namespace == godwit.SystemNamespace
	if !system && f.Namespaces != nil && !slices.Contains(f.Namespaces, r.Namespace) {
		return out, false
	}
	out.Value.Inline, out.Metadata = slices.Clone(r.Value.Inline), slices.Clone(r.Metadata)
	if !heads && !system && f.MaxValue > 0 && r.Value.Blob.IsZero() && int64(len(r.Value.Inline)) > f.MaxValue {
		out.Value = feed.Withhold(r)
	}
	return out, true
}

func (w *walker) fetch(rw http.ResponseWriter, r *http.Request, f feed.Filter) {
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(feed.MaxPlacesBytes)))
	places, badly := feed.DecodePlaces(body)
	if err := errors.Join(err, badly); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	w.asked += len(places)
	w.mu.Unlock()
	v, err := w.store().View(context.Background())
	if err != nil {
		w.t.Error(err)
		return
	}
	defer v.Close()
	p := &feed.Page{Revision: v.Revision(), Time: v.Time(), Done: true}
	for _, place := range places {
		if len(p.Records) == w.perAnswer {
			p.Done = false
			break
		}
		r, err := v.Entry(place)
		if err != nil {
			w.t.Error(err)
		}
		if r != nil {
			if out, ok := passed(r, f, false); ok {
				p.Records = append(p.Records, out)
			}
		}
	}
	w.send(rw, p)
}

func place(t testing.TB, text string) *store.Place {
	if text == "" {
		return nil
	}
	ns, key, _ := strings.Cut(text, "/")
	id, err := hex.DecodeString(ns)
	name, badly := base64.RawURLEncoding.DecodeString(key)
	if err := errors.Join(err, badly); err != nil {
		t.Error(err)
	}
	return &store.Place{Namespace: godwit.NamespaceID(id), Key: string(name)}
}

// twin is a store that becomes a copy.
type twin struct {
	node
	upstream   http.Handler
	client     *feed.Client
	namespaces []string
	maxValue   int64
	progress   []feed.Progress
}

func newTwin(t testing.TB, clk *clock, h http.Handler) *twin {
	t.Helper()
	c := &twin{node: node{t: t, fs: store.NewCrashFS(), clock: clk, cfg: store.Config{Follower: true}}, upstream: h, client: client(t, h)}
	c.open()
	t.Cleanup(c.close)
	return c
}

func (c *twin) run() (*feed.Reconciled, error) {
	r := feed.Reconcile{
		Store: c.Store, Client: c.client, Namespaces: c.namespaces, MaxValue: c.maxValue, Logger: slog.New(slog.DiscardHandler),
		Progress: func(p feed.Progress) { c.progress = append(c.progress, p) }, Now: c.clock.Now,
	}
	done, err := r.Run(c.t.Context())
	if w, ok := c.upstream.(*walker); ok {
		w.change(func() {})
	}
	return done, err
}

// reconcile runs to the end and settles.
func (c *twin) reconcile() *feed.Reconciled {
	c.t.Helper()
	done, err := c.run()
	if err != nil {
		c.t.Fatalf("reconcile: %v", err)
	}
	c.settle(done)
	return done
}

func (c *twin) settle(done *feed.Reconciled) {
	c.t.Helper()
	if unfinished, err := feed.Unfinished(c.Store); !unfinished || err != nil {
		c.t.Errorf("unfinished: %t, %v", unfinished, err)
	}
	c.commit(done.Settle)
	if unfinished, err := feed.Unfinished(c.Store); unfinished || err != nil {
		c.t.Errorf("unfinished once it is settled: %t, %v", unfinished, err)
	}
	if c.Revision() != done.From.Revision || !slices.Equal(c.Lineage(), done.Hello.Lineage) || c.Stats().ClusterID != done.Hello.Cluster {
		c.t.Errorf("settled at %d of %v", c.Revision(), c.Lineage())
	}
}

func (c *twin) commit(fn func(*store.Tx) error) {
	c.t.Helper()
	tx := c.Begin()
	if err := fn(tx); err != nil {
		tx.Rollback()
		c.t.Fatal(err)
	}
	commit, err := tx.Commit(store.NoSync)
	if err == nil {
		err = commit.Wait()
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// follow catches up with a centre, as rounds of a feed do.
func (c *twin) follow(up *centre, f feed.Filter) {
	c.t.Helper()
	v, err := up.View(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	defer v.Close()
	c.commit(func(tx *store.Tx) error {
		tx.Advance(v.Time())
		err := v.Changes(context.Background(), c.Revision(), v.Revision(), func(r *godwit.Record) error {
			out, ok := passed(r, f, false)
			if !ok {
				return nil
			}
			return tx.CatchUp(&out)
		})
		return errors.Join(err, tx.Reach(v.Revision()))
	})
}

// wantCopy holds that the store is a copy of the centre's, and whole.
func (c *twin) wantCopy(up *centre) {
	c.t.Helper()
	f := feed.Filter{MaxValue: c.maxValue}
	for _, text := range c.namespaces {
		id, err := godwit.ParseNamespaceID(text)
		if err != nil {
			c.t.Fatal(err)
		}
		f.Namespaces = append(f.Namespaces, id)
	}
	want, got := up.content(f), c.content(feed.Filter{Namespaces: f.Namespaces})
	for at, w := range want {
		if got[at] != w {
			c.t.Errorf("%s: got %q, want %q", at, got[at], w)
		}
	}
	for at, g := range got {
		if _, ok := want[at]; !ok {
			c.t.Errorf("%s: got %q, want nothing", at, g)
		}
	}
	if f.Namespaces == nil {
		now := c.clock.Now().Unix()
		a, ra, err := up.Digest(context.Background(), now)
		b, rb, badly := c.Digest(context.Background(), now)
		if err := errors.Join(err, badly); err != nil || a != b || ra != rb {
			c.t.Errorf("digest %x at %d, want %x at %d: %v", b[:4], rb, a[:4], ra, err)
		}
	}
	c.healthy()
}
