package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	rootToken   = "the-root-token-of-tests"
	testAccount = "0123456789abcdef0123456789abcdef"
)

// served is a centre whose feed is served, and which remembers its log.
type served struct {
	t       testing.TB
	store   *store.Store
	log     *embedded.Log
	catalog *catalog.Catalog
	server  *feed.Server
	cfg     feed.ServerConfig
	metrics *prometheus.Registry
	net     *pipes
	base    godwit.Position // where nothing had been written yet

	mu      sync.Mutex
	also    []*feed.Server // told of commits too
	commits []commit
}

// commit is what one commit of the store changed.
type commit struct {
	prev, revision godwit.Revision
	records        []godwit.Record
}

// newServed opens a centre. change may be nil.
func newServed(t testing.TB, cfg store.Config, change func(*feed.ServerConfig)) *served {
	t.Helper()
	s := &served{t: t, metrics: prometheus.NewRegistry(), net: newPipes()}
	cfg.Dir, cfg.FS, cfg.DiskReserve = "/data", store.NewMemFS(), -1
	cfg.CacheBytes, cfg.HotBytes = 1<<20, 64<<10
	var err error
	if s.store, err = store.Open(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	fc := feed.ServerConfig{
		Store: s.store, Reader: s.store, Uploader: s.store, Catalog: func() *catalog.Catalog { return s.catalog },
		Limits: godwit.DefaultLimits(), Owner: true, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: s.metrics,
		Self: func() feed.NodeInfo { return feed.NodeInfo{Location: "test"} },
	}
	if change != nil {
		change(&fc)
	}
	s.cfg, s.server = fc, feed.NewServer(fc)
	s.store.SetOnCommit(s.committed)
	s.store.SetOnSystem(func(records []godwit.Record) {
		if s.catalog != nil {
			s.catalog.Apply(records)
		}
	})
	if s.log, err = embedded.Open(context.Background(), embedded.Config{Store: s.store}); err != nil {
		t.Fatal(err)
	}
	s.base = godwit.Position{Epoch: s.store.Lineage()[0].ID, Revision: s.store.Revision()}
	if s.catalog, err = catalog.Open(context.Background(), catalog.Config{
		Source: s.store, Log: s.log, Account: testAccount, RootToken: rootToken, Now: time.Now,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.log.Close(), s.store.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s.net = s.listen(s.server)
	return s
}

// listen lets requests in to a server, until the test ends.
func (s *served) listen(server *feed.Server) *pipes {
	srv, p, done := &http.Server{Handler: s.front(server)}, newPipes(), make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(p)
	}()
	s.t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			s.t.Errorf("close feed: %v", err)
		}
		_ = srv.Close()
		<-done
	})
	return p
}

// front does what an API does before it hands a request on.
func (s *served) front(server *feed.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		p, err := s.catalog.Authenticate(r.Context(), []byte(secret))
		if err != nil {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		server.ServeHTTP(w, r.WithContext(godwit.WithCredential(r.Context(), secret)), p)
	})
}

// relay serves the store as one that does not own the log.
func (s *served) relay() *feed.Client {
	cfg := s.cfg
	cfg.Owner, cfg.Metrics = false, prometheus.NewRegistry()
	server := feed.NewServer(cfg)
	s.mu.Lock()
	s.also = append(s.also, server)
	s.mu.Unlock()
	return s.clientAt(s.listen(server), rootToken)
}

// status is how a request is answered.
func (s *served) status(method, path, body string) int {
	s.t.Helper()
	r := httptest.NewRequest(method, feed.Prefix+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+rootToken)
	w := httptest.NewRecorder()
	s.front(s.server).ServeHTTP(w, r)
	return w.Code
}

func (s *served) committed(c *store.Committed) {
	own := commit{prev: c.Prev, revision: c.Revision, records: slices.Clone(c.Records)}
	for i := range own.records {
		r := &own.records[i]
		r.Key, r.Value.Inline, r.Metadata = strings.Clone(r.Key), bytes.Clone(r.Value.Inline), bytes.Clone(r.Metadata)
	}
	s.mu.Lock()
	s.commits = append(s.commits, own)
	also := s.also
	s.mu.Unlock()
	for _, server := range append(also, s.server) {
		server.Committed(c)
	}
}

func (s *served) client(token string) *feed.Client { return s.clientAt(s.net, token) }

func (s *served) clientAt(net *pipes, token string) *feed.Client {
	s.t.Helper()
	c, err := feed.NewClient(feed.ClientConfig{URL: "http://centre", Token: token, Dial: net.Dial})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// follow opens a stream as the root token.
func (s *served) follow(q feed.FollowRequest) *feed.Stream {
	s.t.Helper()
	return openStream(s.t, s.client(rootToken), q)
}

func openStream(t testing.TB, c *feed.Client, q feed.FollowRequest) *feed.Stream {
	t.Helper()
	st, err := c.Follow(t.Context(), q)
	if err != nil {
		t.Fatalf("follow: %v", err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func (s *served) propose(txs ...godwit.Transaction) godwit.Revision {
	s.t.Helper()
	results, err := s.log.Propose(context.Background(), txs)
	if err != nil {
		s.t.Fatalf("propose: %v", err)
	}
	for i := range results {
		if results[i].Outcome != godwit.Applied {
			s.t.Fatalf("transaction %d: outcome %d", i, results[i].Outcome)
		}
	}
	return results[len(results)-1].Revision
}

func (s *served) namespace(title string) *godwit.Namespace {
	s.t.Helper()
	ns, err := s.catalog.CreateNamespace(context.Background(), title, "", godwit.RequestKey{})
	if err != nil {
		s.t.Fatal(err)
	}
	return ns
}

func (s *served) token(p godwit.Permission, namespaces ...godwit.NamespaceID) (secret string, t *godwit.Token) {
	s.t.Helper()
	secret, t, err := s.catalog.CreateToken(context.Background(), godwit.Token{Permission: p, Namespaces: namespaces})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret, t
}

// position is where the store is.
func (s *served) position() godwit.Position {
	return godwit.Position{Epoch: s.base.Epoch, Revision: s.store.Revision()}
}

// metric is a metric's value, all labels together.
func (s *served) metric(name string) (sum float64) {
	s.t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// ended is how many streams have ended for a reason.
func (s *served) ended(reason string) (n float64) {
	s.t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "godwit_feed_streams_ended_total" && m.GetLabel()[0].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func put(ns godwit.NamespaceID, key, value string) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: []byte(value)}}}}
}

// next returns the next frame, which must be of a type.
func next[T any](t testing.TB, st *feed.Stream) T {
	t.Helper()
	f, err := st.Next()
	if err != nil {
		t.Fatalf("next frame: %v", err)
	}
	got, ok := f.(T)
	if !ok {
		t.Fatalf("got %T %+v, want %T", f, f, got)
	}
	return got
}

// skip returns the next frame of a type and leaves out those before it.
func skip[T any](t testing.TB, st *feed.Stream) T {
	t.Helper()
	for n := 0; ; n++ {
		f, err := st.Next()
		if err != nil || n > 10_000 {
			t.Fatalf("waiting for %T: frame %d, %v", *new(T), n, err)
		}
		if got, ok := f.(T); ok {
			return got
		}
	}
}

// wantEnd reads a stream to its end and checks the reason.
func wantEnd(t testing.TB, st *feed.Stream, want feed.EndReason) *feed.End {
	t.Helper()
	end := skip[*feed.End](t, st)
	if end.Reason != want {
		t.Errorf("ended with %s (%s), want %s", end.Reason, end.Message, want)
	}
	if _, err := st.Next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	return end
}

// content is what stands under all keys.
type content map[store.Place]godwit.Record

// at is what the log made of the store up to a revision, and false if no commit
// ended there.
func (s *served) at(r godwit.Revision) (content, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, found := content{}, false
	for i := range s.commits {
		if s.commits[i].revision > r {
			break
		}
		for j := range s.commits[i].records {
			c.apply(&s.commits[i].records[j])
		}
		found = s.commits[i].revision == r
	}
	return c, found
}

func (c content) apply(r *godwit.Record) {
	if r.Op == godwit.OpPut {
		c[store.Place{Namespace: r.Namespace, Key: r.Key}] = *r
		return
	}
	delete(c, store.Place{Namespace: r.Namespace, Key: r.Key})
	if ns, ok := namespaceRow(r); ok {
		for p := range c {
			if p.Namespace == ns {
				delete(c, p)
			}
		}
	}
}

// namespaceRow is the namespace that a record of the catalog makes or deletes.
func namespaceRow(r *godwit.Record) (godwit.NamespaceID, bool) {
	text, ok := strings.CutPrefix(r.Key, "namespace/")
	if !ok || r.Namespace != godwit.SystemNamespace {
		return godwit.NamespaceID{}, false
	}
	ns, err := godwit.ParseNamespaceID(text)
	return ns, err == nil
}

// differs says where two contents differ, "" if nowhere.
func (c content) differs(want content) string {
	for p, w := range want {
		g, ok := c[p]
		switch {
		case !ok:
			return fmt.Sprintf("%v is missing, revision %d", p, w.Revision)
		case g.Revision != w.Revision || !bytes.Equal(g.Value.Inline, w.Value.Inline) || g.Value.Blob != w.Value.Blob ||
			!bytes.Equal(g.Metadata, w.Metadata) || g.Expiration != w.Expiration || g.Created != w.Created || g.Modified != w.Modified:
			return fmt.Sprintf("%v is %+v, want %+v", p, g, w)
		}
	}
	for p, g := range c {
		if _, ok := want[p]; !ok {
			return fmt.Sprintf("%v is there, revision %d", p, g.Revision)
		}
	}
	return ""
}

// places is the page, undecoded, that answers a request for places.
func (s *served) places(query, body string) string {
	s.t.Helper()
	r := httptest.NewRequest("POST", feed.Prefix+"/walk?"+query, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+rootToken)
	w := httptest.NewRecorder()
	s.front(s.server).ServeHTTP(w, r)
	if w.Code != 200 {
		s.t.Fatalf("places: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}
