package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
)

const (
	rootToken = "the-root-token-of-the-tests"
	account   = "0123456789abcdef0123456789abcdef"
)

// network connects members by name, within this process.
type network struct {
	mu    sync.Mutex
	hosts map[string]*host
}

type host struct {
	accept chan net.Conn
	closed chan struct{}
	conns  []net.Conn
}

func newNetwork() *network { return &network{hosts: make(map[string]*host)} }

func (n *network) listen(name string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &host{accept: make(chan net.Conn), closed: make(chan struct{})}
	n.hosts[name+":80"] = h
	return h
}

var errRefused = errors.New("connection refused")

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	h := n.hosts[address]
	if h == nil {
		n.mu.Unlock()
		return nil, errRefused
	}
	here, there := net.Pipe()
	h.conns = append(h.conns, here, there)
	n.mu.Unlock()
	select {
	case h.accept <- there:
		return here, nil
	case <-h.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// gone takes a host off the network, and breaks its connections.
func (n *network) gone(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name+":80"]
	if h == nil {
		return
	}
	delete(n.hosts, name+":80")
	for _, c := range h.conns {
		c.Close()
	}
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

// face is how others reach a member.
type face struct {
	m       *member
	feed    *feed.Server
	catalog *catalog.Catalog
	http    *http.Server
	done    chan struct{}

	mu     sync.Mutex
	before func(path string) // is told of requests before they are answered
}

// follow makes what tells others of commits. The store must not have been written
// to.
func (m *member) follow() {
	m.c.t.Helper()
	f := &face{m: m}
	f.feed = feed.NewServer(feed.ServerConfig{
		Store: m.store, Reader: m.store, Log: f, Uploader: m.store, Catalog: func() *catalog.Catalog { return f.catalog },
		Limits: godwit.DefaultLimits(), Owner: true, Shared: true, Exact: m.exact, Place: m.placeIn,
		Now: time.Now, RingBytes: 64 << 10, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	var err error
	f.catalog, err = catalog.Open(context.Background(), catalog.Config{
		Source: m.store, Account: account, RootToken: rootToken, Now: time.Now, Follower: true,
		Identify: func(context.Context, []byte) (*godwit.Token, bool, error) {
			return nil, false, godwit.ErrUnauthenticated
		},
	})
	if err != nil {
		m.c.t.Fatalf("%s: open catalog: %v", m.name, err)
	}
	m.store.SetOnCommit(f.feed.Committed)
	m.store.SetOnSystem(f.catalog.Apply)
	m.face = f
}

func (f *face) listen() {
	h := f.m.c.net.listen(f.m.name)
	f.http = &http.Server{Handler: f}
	f.done = make(chan struct{})
	go func() { defer close(f.done); _ = f.http.Serve(h) }()
}

// close ends it as a process that is killed does.
func (f *face) close() error {
	f.m.c.net.gone(f.m.name)
	err := f.http.Close()
	<-f.done
	return errors.Join(err, f.feed.Close(context.Background()))
}

// ServeHTTP is what the API in front of a feed does.
func (f *face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		before(strings.TrimPrefix(r.URL.Path, feed.Prefix))
	}
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p, err := f.catalog.Authenticate(r.Context(), []byte(secret))
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"code":"unauthenticated","message":"Authentication error"}}`)
		return
	}
	f.feed.ServeHTTP(w, r.WithContext(godwit.WithCredential(r.Context(), secret)), p)
}

// told lets fn be told of requests before they are answered.
func (f *face) told(fn func(path string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = fn
}

// Propose and Barrier are the member's, which is opened after the feed.

func (f *face) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	return f.m.Member.Propose(ctx, txs)
}
func (f *face) Barrier(ctx context.Context) (godwit.Revision, error) { return f.m.Member.Barrier(ctx) }
