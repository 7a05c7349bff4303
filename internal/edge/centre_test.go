package edge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

const rootToken = "the-root-token-of-the-tests"

// centre is a node that owns a log, and serves followers.
type centre struct {
	*serving
	log *embedded.Log
}

// serving is what of a node others follow.
type serving struct {
	t       testing.TB
	net     *network
	name    string
	store   *store.Store
	catalog *catalog.Catalog
	feed    *feed.Server
	http    *http.Server
	done    chan struct{}

	wrap atomic.Pointer[wrapper]
}

// wrapper answers requests in a feed's place, which it may have answer.
type wrapper func(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter))

func (s *serving) wrapped(by wrapper) { s.wrap.Store(&by) }

func (s *serving) url() string { return "http://" + s.name }

// ServeHTTP is what the API in front of a feed does.
func (s *serving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p, err := s.catalog.Authenticate(r.Context(), []byte(secret))
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"code":"unauthenticated","message":"Authentication error"}}`)
		return
	}
	r = r.WithContext(godwit.WithCredential(r.Context(), secret))
	serve := func(w http.ResponseWriter) { s.feed.ServeHTTP(w, r, p) }
	if wrap := s.wrap.Load(); wrap != nil {
		(*wrap)(w, r, serve)
		return
	}
	serve(w)
}

func (s *serving) listen() {
	h := s.net.listen(s.name)
	s.http = &http.Server{Handler: s}
	s.done = make(chan struct{})
	go func() { defer close(s.done); _ = s.http.Serve(h) }()
}

// die ends the process without a word.
func (s *serving) die() {
	s.net.cut(s.name, true)
	_ = s.http.Close()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.feed.Close(ctx); err != nil {
		s.t.Errorf("%s: close feed: %v", s.name, err)
	}
}

func openCentre(t testing.TB, n *network, fs store.FS) *centre {
	t.Helper()
	return openCentreAs(t, n, fs, func(*feed.ServerConfig) {})
}

// openCentreAs opens a centre that serves its followers in its own way.
func openCentreAs(t testing.TB, n *network, fs store.FS, change func(*feed.ServerConfig)) *centre {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{
		Dir: "/data", FS: fs, InlineBytes: 4096, CacheBytes: 8 << 20, HotBytes: 1 << 20, Retention: time.Hour,
	})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	c := &centre{serving: &serving{t: t, net: n, name: "centre", store: st}}
	cfg := feed.ServerConfig{
		Store: st, Reader: st, Log: c, Uploader: st, Catalog: func() *catalog.Catalog { return c.catalog }, Limits: godwit.DefaultLimits(),
		Owner: true, RingBytes: 64 << 10, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	change(&cfg)
	c.feed = feed.NewServer(cfg)
	st.SetOnCommit(c.feed.Committed)
	st.SetOnSystem(func(r []godwit.Record) {
		if c.catalog != nil {
			c.catalog.Apply(r)
		}
	})
	if c.log, err = embedded.Open(t.Context(), embedded.Config{Store: st}); err != nil {
		t.Fatalf("open log: %v", err)
	}
	if c.catalog, err = catalog.Open(t.Context(), catalog.Config{Source: st, Log: c.log, RootToken: rootToken, Now: time.Now}); err != nil {
		t.Fatalf("open catalog: %v", err)
	}
	c.listen()
	return c
}

// Propose and Barrier are the log's, which is opened after the feed.

func (c *centre) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	return c.log.Propose(ctx, txs)
}
func (c *centre) Barrier(ctx context.Context) (godwit.Revision, error) { return c.log.Barrier(ctx) }

func (c *centre) stop() {
	c.t.Helper()
	c.die()
	if err := errors.Join(c.log.Close(), c.store.Close()); err != nil {
		c.t.Errorf("close centre: %v", err)
	}
}

func (c *centre) namespace(title string) godwit.NamespaceID {
	c.t.Helper()
	ns, err := c.catalog.CreateNamespace(context.Background(), title, "", godwit.RequestKey{})
	if err != nil {
		c.t.Fatalf("create namespace: %v", err)
	}
	return ns.ID
}

func (c *centre) write(mutations ...godwit.Mutation) godwit.Revision {
	c.t.Helper()
	txs := make([]godwit.Transaction, len(mutations))
	for i := range mutations {
		txs[i].Mutations = mutations[i : i+1]
	}
	results, err := c.log.Propose(context.Background(), txs)
	if err != nil {
		c.t.Fatalf("write: %v", err)
	}
	for _, r := range results {
		if r.Outcome != godwit.Applied {
			c.t.Fatalf("write: outcome %d", r.Outcome)
		}
	}
	return c.store.Revision()
}

func (c *centre) put(ns godwit.NamespaceID, key string, value []byte) {
	c.t.Helper()
	v, err := c.store.Upload(context.Background(), bytes.NewReader(value), 1<<20)
	if err != nil {
		c.t.Fatalf("upload: %v", err)
	}
	c.write(godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: v})
}

func (c *centre) fill(ns godwit.NamespaceID, from, n int) {
	c.t.Helper()
	var all []godwit.Mutation
	for i := range n {
		value := fmt.Appendf(nil, "value %d of %s", from+i, ns)
		all = append(all, godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: fmt.Sprintf("key%05d", from+i), Value: godwit.Value{Inline: value}})
	}
	c.write(all...)
}

func (c *centre) drop(ns godwit.NamespaceID, key string) {
	c.t.Helper()
	c.write(godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: key})
}

// relay makes others follow a node.
func (n *node) relay(net *network, name string) *serving {
	n.t.Helper()
	s := &serving{t: n.t, net: net, name: name, store: n.store, feed: n.server}
	var err error
	if s.catalog, err = catalog.Open(context.Background(), catalog.Config{
		Source: n.store, RootToken: rootToken, Now: n.clock.Now, Follower: true, Identify: n.Identify,
	}); err != nil {
		n.t.Fatalf("open catalog: %v", err)
	}
	n.catalog.Store(s.catalog)
	s.listen()
	return s
}

// equals checks that an edge holds what its centre holds.
func (n *node) equals(c *centre) {
	n.t.Helper()
	synctest.Wait()
	now := time.Now().Unix()
	want, at, err := c.store.Digest(context.Background(), now)
	if err != nil {
		n.t.Fatalf("digest: %v", err)
	}
	got, is, err := n.store.Digest(context.Background(), now)
	if err != nil {
		n.t.Fatalf("digest: %v", err)
	}
	if got != want || is != at {
		n.t.Errorf("the edge at revision %d differs from the centre at %d", is, at)
	}
	if !n.Exact() || n.store.Mixed() {
		n.t.Errorf("exact %t, mixed %t", n.Exact(), n.store.Mixed())
	}
}

// startEdge starts an edge of a centre or a relay.
func startEdge(t testing.TB, net *network, fs store.FS, cfg edge.Config, upstreams ...*serving) *node {
	t.Helper()
	for _, u := range upstreams {
		cfg.Upstreams = append(cfg.Upstreams, u.url())
	}
	return start(t, options{net: net, fs: fs, cfg: cfg})
}

func (n *node) wantValue(ns godwit.NamespaceID, key string, want []byte) {
	n.t.Helper()
	e, _, err := n.store.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{})
	if err != nil {
		n.t.Errorf("get %s: %v", key, err)
		return
	}
	r, err := n.FetchValue(context.Background(), ns, e)
	if err != nil {
		n.t.Errorf("open %s: %v", key, err)
		return
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		n.t.Errorf("%s: %d bytes %v", key, len(got), err)
	}
}

// TestFirstCopy: an empty store becomes a copy, is told of as such, and follows.
func TestFirstCopy(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		c := openCentre(t, net, store.NewMemFS())
		defer c.stop()
		a, b := c.namespace("a"), c.namespace("b")
		c.fill(a, 0, 500)
		c.fill(b, 0, 300)
		large, _ := content("large", 100_000)
		c.put(b, "large", large)
		n := startEdge(t, net, nil, edge.Config{Token: rootToken}, c.serving)
		defer n.stop()
		synctest.Wait()
		n.equals(c)
		if !n.Ready() || !n.HoldsNamespace(a) {
			t.Errorf("ready %t", n.Ready())
		}
		got := n.happened()
		if !strings.HasPrefix(got, "Mixed ") || !strings.HasSuffix(got, " Exact(true)") || strings.Contains(got, "commit") {
			t.Errorf("happened %s", got)
		}
		c.fill(a, 400, 200)
		c.drop(b, "key00017")
		n.equals(c)
		n.wantValue(b, "large", large)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if d, ok := n.Staleness(); !ok || d > 200*time.Millisecond {
			t.Errorf("staleness %v %t", d, ok)
		}
		if fs := c.feed.Followers(); len(fs) != 1 || !fs[0].Ready || fs[0].Revision != c.store.Revision().String() {
			t.Errorf("the centre sees %+v", fs)
		}
	})
}

// TestReturn: an edge that was away catches up: from the ring, in rounds, or, when
// deletions have been forgotten meanwhile, by a reconcile. In each case nothing
// that was deleted stays.
func TestReturn(t *testing.T) {
	for _, tc := range []struct {
		name  string
		more  int
		away  time.Duration
		reset bool
		calls string
	}{
		{"at once", 1, time.Second, false, ""},
		{"later", 3000, time.Second, false, "Exact(false)"},
		{"too late", 10, 3 * time.Hour, true, "Exact(true)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				c := openCentre(t, net, store.NewMemFS())
				defer c.stop()
				a := c.namespace("a")
				c.fill(a, 0, 1000)
				fs := store.NewMemFS()
				n := startEdge(t, net, fs, edge.Config{Token: rootToken}, c.serving)
				n.equals(c)
				n.happened()
				net.cut("centre", true)
				c.drop(a, "key00500")
				c.fill(a, 900, tc.more)
				time.Sleep(tc.away)
				if n.Fresh(tc.away - time.Second) {
					t.Error("fresh though it was away")
				}
				n.holdsKey(a, "key00500", true)
				net.up("centre")
				time.Sleep(3 * time.Second)
				n.equals(c)
				n.holdsKey(a, "key00500", false)
				if got := n.happened(); tc.calls != "" && !strings.Contains(got, tc.calls) || tc.reset != strings.Contains(got, "Exact(true)") {
					t.Errorf("happened %s", got)
				}
				n.stop()
				if got := n.logs.Count("reconcile: walking"); got != 1 && !tc.reset || tc.reset && got != 2 {
					t.Errorf("%d reconciles", got)
				}
			})
		})
	}
}

func (n *node) holdsKey(ns godwit.NamespaceID, key string, want bool) {
	n.t.Helper()
	_, _, err := n.store.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{})
	if got := err == nil; got != want {
		n.t.Errorf("%s: %v, want it to be there: %t", key, err, want)
	}
}

// TestCentreRolledBack: a centre that was put back to an old image takes its
// edges back with it, and what they had and it has not goes.
func TestCentreRolledBack(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		fs := store.NewCrashFS()
		c := openCentre(t, net, fs)
		a := c.namespace("a")
		c.fill(a, 0, 200)
		image := fs.CrashClone(store.CrashClone{})
		n := startEdge(t, net, nil, edge.Config{Token: rootToken}, c.serving)
		defer n.stop()
		c.fill(a, 300, 50)
		c.drop(a, "key00001")
		n.equals(c)
		c.stop()
		time.Sleep(time.Minute)
		n.happened()
		c = openCentre(t, net, image)
		defer c.stop()
		c.fill(a, 400, 20)
		time.Sleep(3 * time.Second)
		n.equals(c)
		n.holdsKey(a, "key00001", true)
		n.holdsKey(a, "key00300", false)
		n.holdsKey(a, "key00400", true)
		if got := n.happened(); !strings.Contains(got, "Exact(true)") {
			t.Errorf("happened %s", got)
		}
		if n.logs.Count("the log went back") == 0 && n.logs.Count("away for too long") == 0 {
			t.Error("the log does not say why")
		}
	})
}

// TestCentreRestarts: a new epoch is only that, and costs no reconcile.
func TestCentreRestarts(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		fs := store.NewMemFS()
		c := openCentre(t, net, fs)
		a := c.namespace("a")
		c.fill(a, 0, 200)
		n := startEdge(t, net, nil, edge.Config{Token: rootToken}, c.serving)
		defer n.stop()
		n.equals(c)
		n.happened()
		for range 3 {
			c.stop()
			time.Sleep(time.Second)
			c = openCentre(t, net, fs)
			c.fill(a, 100, 150)
			time.Sleep(2 * time.Second)
			n.equals(c)
		}
		c.stop()
		if got := n.happened(); strings.Contains(got, "Exact(true)") {
			t.Errorf("happened %s", got)
		}
	})
}

// TestRelays: edges follow edges. One whose relay is cut off from the centre never
// looks fresher than it is, and is whole again by itself.
func TestRelays(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		c := openCentre(t, net, store.NewMemFS())
		defer c.stop()
		a := c.namespace("a")
		c.fill(a, 0, 200)
		relay := startEdge(t, net, nil, edge.Config{Token: rootToken}, c.serving)
		defer relay.stop()
		rs := relay.relay(net, "relay")
		defer rs.die()
		leaf := startEdge(t, net, nil, edge.Config{Token: rootToken}, rs)
		defer leaf.stop()
		time.Sleep(5 * time.Second)
		leaf.equals(c)
		c.fill(a, 100, 200)
		leaf.equals(c)
		time.Sleep(5 * time.Second)
		if !leaf.Fresh(2 * time.Second) {
			d, ok := leaf.Staleness()
			t.Errorf("staleness %v %t", d, ok)
		}
		if tree := c.feed.Followers(); len(tree) != 1 || len(tree[0].Followers) != 1 {
			t.Errorf("the centre sees %+v", tree)
		}
		cut := time.Now()
		net.cut("centre", true)
		c.fill(a, 0, 10)
		for range 30 {
			time.Sleep(time.Second)
			for _, n := range []*node{relay, leaf} {
				if d, ok := n.Staleness(); !ok || d < time.Since(cut) {
					t.Fatalf("staleness %v %t, %v after the cut", d, ok, time.Since(cut))
				}
			}
		}
		net.up("centre")
		time.Sleep(5 * time.Second)
		leaf.equals(c)
		if !leaf.Fresh(3 * time.Second) {
			t.Error("not fresh again")
		}
	})
}

// TestPartialEdge: an edge carries the namespaces that it was told, the whole
// catalog, and longer values as references; when it is told more, it fetches that.
func TestPartialEdge(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		c := openCentre(t, net, store.NewMemFS())
		defer c.stop()
		a, b := c.namespace("a"), c.namespace("b")
		c.fill(a, 0, 100)
		c.fill(b, 0, 100)
		long, _ := content("long", 3000)
		blob, _ := content("blob", 50_000)
		c.put(a, "long", long)
		c.put(a, "blob", blob)
		fs := store.NewMemFS()
		cfg := edge.Config{Token: rootToken, Namespaces: []string{"a"}, MaxValue: 1000}
		n := startEdge(t, net, fs, cfg, c.serving)
		time.Sleep(time.Second)
		if !n.Exact() || !n.HoldsNamespace(a) || n.HoldsNamespace(b) {
			t.Errorf("exact %t, a %t, b %t", n.Exact(), n.HoldsNamespace(a), n.HoldsNamespace(b))
		}
		n.holdsKey(b, "key00001", false)
		n.holdsKey(a, "key00001", true)
		for _, key := range []string{"long", "blob"} {
			if e, _, err := n.store.Get(t.Context(), a, []byte(key), godwit.ReadOptions{}); err != nil || e.Value.Blob.IsZero() || n.store.HasBlob(e.Value.Blob.ID) {
				t.Errorf("%s is not withheld: %v", key, err)
			}
		}
		n.wantValue(a, "long", long)
		n.wantValue(a, "blob", blob)
		n.stop()

		cfg.Namespaces, cfg.MaxValue = []string{"a", "b"}, 0
		n = startEdge(t, net, fs, cfg, c.serving)
		time.Sleep(time.Second)
		synctest.Wait()
		if !n.Exact() || !n.HoldsNamespace(a) || !n.HoldsNamespace(b) || n.Status().Missing != 0 {
			t.Errorf("exact %t, a %t, b %t, %d missing", n.Exact(), n.HoldsNamespace(a), n.HoldsNamespace(b), n.Status().Missing)
		}
		n.equals(c)
		n.stop()

		cfg.Namespaces = []string{"b"}
		n = startEdge(t, net, fs, cfg, c.serving)
		defer n.stop()
		time.Sleep(time.Second)
		if !n.Exact() || n.HoldsNamespace(a) || !n.HoldsNamespace(b) {
			t.Errorf("exact %t, a %t, b %t", n.Exact(), n.HoldsNamespace(a), n.HoldsNamespace(b))
		}
	})
}

// TestTokenIsRevoked: the feed of a token that is revoked ends, and the edge says
// why.
func TestTokenIsRevoked(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		c := openCentre(t, net, store.NewMemFS())
		defer c.stop()
		a := c.namespace("a")
		c.fill(a, 0, 100)
		secret, token, err := c.catalog.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionReplicate})
		if err != nil {
			t.Fatal(err)
		}
		n := startEdge(t, net, nil, edge.Config{Token: secret}, c.serving)
		defer n.stop()
		n.equals(c)
		if err := c.catalog.RevokeToken(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		c.fill(a, 0, 1)
		if n.store.Revision() == c.store.Revision() {
			t.Error("the feed goes on")
		}
		if st := n.Status(); st.Connected || st.Problem == "" || n.Asks() != nil {
			t.Errorf("status %+v", st)
		}
		if n.logs.Count(secret) > 0 {
			t.Error("the log holds the token")
		}
	})
}
