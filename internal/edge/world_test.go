package edge_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"encoding/json"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/logtest"
	"github.com/godwitkv/godwit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network connects by name, within this process.
type network struct {
	mu    sync.Mutex
	hosts map[string]*host
}

// host is a listener on a network.
type host struct {
	name   string
	accept chan net.Conn
	closed chan struct{}
	down   bool // refuses connections
	conns  []net.Conn
}

func newNetwork() *network { return &network{hosts: make(map[string]*host)} }

func (n *network) listen(name string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &host{name: name, accept: make(chan net.Conn), closed: make(chan struct{})}
	n.hosts[name+":80"] = h
	return h
}

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	h := n.hosts[address]
	if h == nil || h.down {
		n.mu.Unlock()
		return nil, errors.New("connection refused")
	}
	near, there := net.Pipe()
	here := &conn{Conn: near}
	h.conns = append(h.conns, here, there)
	n.mu.Unlock()
	select {
	case h.accept <- there:
		return here, nil
	case <-h.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut breaks a host's connections; down: and refuses new ones.
func (n *network) cut(name string, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name+":80"]
	h.down = down
	for _, c := range h.conns {
		c.Close()
	}
	h.conns = nil
}

// hang breaks a host's connections for those who made them alone: it is not told.
func (n *network) hang(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.hosts[name+":80"].conns {
		if c, ok := c.(*conn); ok {
			c.hung.Store(true)
			_ = c.SetDeadline(time.Now())
		}
	}
}

// conn is the end of a connection at who made it.
type conn struct {
	net.Conn
	hung atomic.Bool // what is done here the other end does not see
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if c.hung.Load() {
		return c.SetDeadline(time.Now())
	}
	return c.Conn.Close()
}

// up lets a host be reached again.
func (n *network) up(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name+":80"].down = false
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.accept:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}
func (h *host) Close() error   { close(h.closed); return nil }
func (h *host) Addr() net.Addr { return &net.TCPAddr{} }

// upstream is a node that says what the test makes it say.
type upstream struct {
	t       testing.TB
	name    string
	net     *network
	streams chan *stream
	mu      sync.Mutex
	reports []feed.Report
	values  map[string][]byte // by key
	fetched []string          // keys, in the order asked for
	refuse  int               // a status to refuse streams with
	hold    chan struct{}     // values wait for it
	answer  func(w http.ResponseWriter, r *http.Request) bool
}

// stream is one that a follower asked for.
type stream struct {
	t     testing.TB
	query url.Values
	out   chan []byte
	gone  <-chan struct{}
}

func startUpstream(t testing.TB, n *network, name string) *upstream {
	u := &upstream{t: t, name: name, net: n, streams: make(chan *stream, 64), values: make(map[string][]byte)}
	h := n.listen(name)
	srv := &http.Server{Handler: u}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(h) }()
	t.Cleanup(func() {
		_ = srv.Close()
		n.cut(name, true)
		<-done
	})
	return u
}

func (u *upstream) url() string { return "http://" + u.name }

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	answer, refuse, hold := u.answer, u.refuse, u.hold
	u.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	switch strings.TrimPrefix(r.URL.Path, feed.Prefix) {
	case "":
		if refuse != 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(refuse)
			fmt.Fprintf(w, `{"error":{"code":"unauthenticated","message":"Authentication error"}}`)
			u.streams <- nil
			return
		}
		u.stream(w, r)
	case "/report":
		var rep feed.Report
		if err := json.NewDecoder(r.Body).Decode(&rep); err != nil {
			u.t.Errorf("report: %v", err)
		}
		u.mu.Lock()
		u.reports = append(u.reports, rep)
		u.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case "/value":
		u.value(w, r, hold)
	default:
		http.NotFound(w, r)
	}
}

func (u *upstream) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", feed.ContentType)
	_ = http.NewResponseController(w).Flush()
	s := &stream{t: u.t, query: r.URL.Query(), out: make(chan []byte), gone: r.Context().Done()}
	u.streams <- s
	for {
		select {
		case b, ok := <-s.out:
			if !ok {
				return
			}
			if _, err := w.Write(b); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		case <-s.gone:
			return
		}
	}
}

// next waits for the next stream that is asked for.
func (u *upstream) next() *stream {
	u.t.Helper()
	select {
	case s := <-u.streams:
		return s
	case <-time.After(time.Minute):
		u.t.Fatalf("%s: nobody follows", u.name)
		return nil
	}
}

// idle tells that no stream was asked for since.
func (u *upstream) idle() bool {
	synctest.Wait()
	return len(u.streams) == 0
}

func (u *upstream) lastReport() (r feed.Report) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.reports) > 0 {
		r = u.reports[len(u.reports)-1]
	}
	return r
}

func encode(t testing.TB, frames ...feed.Frame) (b []byte) {
	t.Helper()
	for _, f := range frames {
		var err error
		if b, err = feed.AppendFrame(b, f); err != nil {
			t.Fatalf("encode: %v", err)
		}
	}
	return b
}

// send writes frames in one piece, and waits until all that follows from them
// has happened.
func (s *stream) send(frames ...feed.Frame) {
	s.t.Helper()
	s.write(encode(s.t, frames...))
}

func (s *stream) write(b []byte) {
	s.t.Helper()
	select {
	case s.out <- b:
	case <-s.gone:
		s.t.Error("the stream is gone")
	}
	synctest.Wait()
}

// over tells that the follower has left.
func (s *stream) over() bool {
	synctest.Wait()
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// The log that tests follow.
var (
	epoch1  = godwit.Epoch{ID: godwit.EpochID{1}, First: 10}
	lineage = godwit.Lineage{epoch1}
	ns1     = godwit.NamespaceID{15: 1}
)

const (
	clusterA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	clusterB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func hello(revision godwit.Revision) *feed.Hello {
	return &feed.Hello{Cluster: clusterA, Account: "a", Lineage: lineage, Revision: revision, Owner: true, Session: 7}
}

func put(ns godwit.NamespaceID, key, value string, r godwit.Revision) godwit.Record {
	return godwit.Record{
		Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: []byte(value)}},
		Revision: r, Created: 1000, Modified: 1000,
	}
}

func del(ns godwit.NamespaceID, key string, r godwit.Revision) godwit.Record {
	return godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: key}, Revision: r}
}

// batch is a frame of the log that goes on from prev.
func batch(prev godwit.Revision, records ...godwit.Record) *feed.Records {
	return &feed.Records{Prev: prev, Revision: records[len(records)-1].Revision, Time: 1000, Records: records}
}

// round is a part of a round.
func round(prev godwit.Revision, records ...godwit.Record) *feed.Records {
	f := batch(prev, records...)
	f.Round = true
	return f
}

func ready(r godwit.Revision) *feed.Ready { return &feed.Ready{Revision: r, Time: 1000} }

// node is an edge and what it does.
type node struct {
	*edge.Edge
	t     testing.TB
	store *store.Store
	clock *edge.Clock
	jump  atomic.Int64 // of the machine's clock
	logs  *logtest.Buffer

	metrics *prometheus.Registry
	server  *feed.Server // for those behind it
	catalog atomic.Pointer[catalog.Catalog]

	mu     sync.Mutex
	events []string // calls of the hooks, and commits
}

func (n *node) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf(format, args...))
}

// happened returns what happened since it was last asked.
func (n *node) happened() string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	defer func() { n.events = nil }()
	return strings.Join(n.events, " ")
}

// options of a node in a test.
type options struct {
	fs       store.FS
	net      *network
	at       godwit.Revision // that the store holds, of the tests' log; 0: empty
	carries  feed.Filter     // that it holds of it
	cfg      edge.Config
	skew     time.Duration // of the machine's clock
	shared   bool          // to its followers it is one of several that own the log
	reserve  int64
	cache    int64
	upstream []*upstream
}

func openStore(t testing.TB, o options, clock *edge.Clock) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{
		Dir: "/data", FS: o.fs, Now: clock.Now, Sure: clock.Sure, Follower: true, InlineBytes: 1024, DiskReserve: o.reserve,
		CacheBytes: max(o.cache, 8<<20), HotBytes: 1 << 20,
	})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	return s
}

// seed makes of an empty store a whole copy at a revision.
func seed(t testing.TB, s *store.Store, at godwit.Revision, carries feed.Filter) {
	t.Helper()
	tx := s.Begin()
	err := errors.Join(tx.Follow(clusterA, lineage, 0), tx.Reach(at))
	edge.SetCopied(tx, carries)
	c, cerr := tx.Commit(store.NoSync)
	if err = errors.Join(err, cerr); err == nil {
		err = errors.Join(c.Wait(), s.Sync())
	}
	if err != nil {
		t.Fatalf("seed: %v", err)
	}
}

func start(t testing.TB, o options) *node {
	t.Helper()
	if o.fs == nil {
		o.fs = store.NewMemFS()
	}
	n := &node{t: t, logs: new(logtest.Buffer)}
	n.clock = edge.NewClock(func() time.Time { return time.Now().Add(o.skew + time.Duration(n.jump.Load())) })
	n.store = openStore(t, o, n.clock)
	if o.at != 0 {
		seed(t, n.store, o.at, o.carries)
	}
	n.server = feed.NewServer(feed.ServerConfig{
		Store: n.store, Reader: n, Log: n, Uploader: n, Catalog: n.catalog.Load, Limits: godwit.DefaultLimits(),
		Exact: func() bool { return n.Edge != nil && n.Exact() }, Age: func() time.Duration { return n.Age() },
		Owner: o.shared, Shared: o.shared,
		Carries: func() feed.Filter { return n.Carries() }, Now: n.clock.Now, Logger: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
	})
	n.store.SetOnSystem(func(r []godwit.Record) {
		if c := n.catalog.Load(); c != nil {
			c.Apply(r)
		}
	})
	n.store.SetOnCommit(func(c *store.Committed) {
		n.server.Committed(c)
		if c.Exact {
			n.note("commit(%d-%d)", c.Prev, c.Revision)
		} else {
			n.note("mixed(%d-%d)", c.Prev, c.Revision)
		}
	})
	cfg := o.cfg
	cfg.Store, cfg.Clock, cfg.Dial, cfg.Followers = n.store, n.clock, o.net.dial, n.server.Followers
	cfg.Token = cmp.Or(cfg.Token, "token")
	cfg.Mixed = func() { n.note("Mixed"); n.server.Suspend() }
	cfg.Exact = func(reset bool) { n.note("Exact(%t)", reset); n.server.Resume() }
	cfg.Logger = slog.New(slog.NewTextHandler(n.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n.metrics = prometheus.NewRegistry()
	cfg.Metrics = n.metrics
	for _, u := range o.upstream {
		cfg.Upstreams = append(cfg.Upstreams, u.url())
	}
	var err error
	if n.Edge, err = edge.Open(context.Background(), cfg); err != nil {
		t.Fatalf("open: %v", err)
	}
	return n
}

// stop closes all in order; the store too.
func (n *node) stop() {
	n.t.Helper()
	if err := errors.Join(n.Close(), n.server.Close(context.Background()), n.store.Close()); err != nil {
		n.t.Errorf("close: %v", err)
	}
}

// at checks the position.
func (n *node) at(want godwit.Revision) {
	n.t.Helper()
	synctest.Wait()
	if got := n.store.Revision(); got != want {
		n.t.Errorf("the store is at revision %d, want %d", got, want)
	}
}

// holds checks all keys of a namespace: "key=value …" in order.
func (n *node) holds(ns godwit.NamespaceID, want string) {
	n.t.Helper()
	if got := contents(n.t, n.store, ns); got != want {
		n.t.Errorf("the store holds %q, want %q", got, want)
	}
}

func contents(t testing.TB, s *store.Store, ns godwit.NamespaceID) string {
	t.Helper()
	v, err := s.View(context.Background())
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	defer v.Close()
	var all []string
	err = v.Walk(context.Background(), nil, true, func(r *godwit.Record) error {
		if r.Namespace == ns {
			all = append(all, fmt.Sprintf("%s=%s", r.Key, r.Value.Inline))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// heartbeat echoes the last report.
func (u *upstream) heartbeat(r godwit.Revision, age time.Duration) *feed.Heartbeat {
	return &feed.Heartbeat{Revision: r, Age: age, Ping: u.lastReport().Ping, Clock: time.Now().UnixMilli()}
}

// beats sends a heartbeat a second for a while.
func (u *upstream) beats(s *stream, r godwit.Revision, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end) && !s.over(); {
		s.send(u.heartbeat(r, 0))
		time.Sleep(time.Second)
	}
}

// world runs a test in a bubble, where time passes only when nobody works.
func world(t *testing.T, fn func(t *testing.T)) { synctest.Test(t, fn) }

// value answers for a key's value, as /feed/value does.
func (u *upstream) value(w http.ResponseWriter, r *http.Request, hold chan struct{}) {
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	text, _ := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("key"))
	u.mu.Lock()
	u.fetched = append(u.fetched, string(text))
	v, ok := u.values[string(text)]
	u.mu.Unlock()
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"error":{"code":"replaced","message":"The value was replaced while it was read."}}`)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(v)))
	_, _ = w.Write(v)
}
