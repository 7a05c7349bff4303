package binding_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/binding"
)

// quick is a timeout that a test can wait for.
const quick = 600 * time.Millisecond

// patient is where nothing is waited for: a test makes the one timeout shorter that it
// is of, so that on a busy machine no other comes first.
func patient() binding.Config {
	return binding.Config{HeaderTimeout: time.Minute, BodyTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute}
}

// trickle writes raw a byte at a time until that fails.
func trickle(p *peer, raw string) {
	for _, b := range []byte(raw) {
		if _, err := p.Write([]byte{b}); err != nil {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestSlowClients(t *testing.T) {
	ofHeads, ofBodies := patient(), patient()
	ofHeads.HeaderTimeout, ofBodies.BodyTimeout = quick, quick
	heads, w := newWorld(t, ofHeads), newWorld(t, ofBodies)
	slow := strings.Repeat("slow", 1000)
	for _, c := range []struct {
		at   *world
		name string
		send func(p *peer)
		want string // "": closed without a word
	}{
		{heads, "nothing is sent", func(*peer) {}, ""},
		{heads, "the head stalls", func(p *peer) { p.send("GET /k HT") }, "408 Request Timeout"},
		{heads, "the head trickles", func(p *peer) { trickle(p, "GET /k HTTP/1.1\r\nX: "+slow) }, "408 Request Timeout"},
		{heads, "no body comes", func(p *peer) { p.send("%s", heads.head("PUT", "/k", "Content-Length: 5")) }, "408 Request Timeout"},
		{w, "the body stalls", func(p *peer) { p.send("%sv", w.head("PUT", "/k", "Content-Length: 5")) }, "408 Request Timeout"},
		{w, "the body trickles", func(p *peer) { trickle(p, w.head("PUT", "/k", "Content-Length: 5000")[300:]+slow) }, ""},
		{w, "the chunks stall", func(p *peer) { p.send("%s1\r\nv\r\n", w.head("PUT", "/k", "Transfer-Encoding: chunked")) }, "408 Request Timeout"},
		{w, "a refused body stalls", func(p *peer) { p.send("%sv", w.head("PUT", "/.", "Content-Length: 5")) }, "408 Request Timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := c.at.dial()
			p.t = t
			if c.name == "the body trickles" {
				p.send("%s", w.head("PUT", "/k", "Content-Length: 5000"))
				c.want = "408 Request Timeout"
				c.send = func(p *peer) { trickle(p, slow) }
			}
			var wg sync.WaitGroup
			wg.Go(func() { c.send(p) })
			if c.want == "" {
				if !p.closed() {
					t.Error("the server had something to say")
				}
			} else if res := p.reply("GET"); res.Status != c.want || !res.Close {
				t.Errorf("got %s, close %v", res.Status, res.Close)
			}
			p.Close()
			wg.Wait()
		})
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	cfg := patient()
	cfg.IdleTimeout = quick
	w := newWorld(t, cfg)
	p := w.dial()
	p.ask(w, "PUT", "/k", "v").must(t, 200)
	if !p.closed() {
		t.Error("the server had something to say")
	}
}

// reading asks for a value of so many bytes, of a server with such a bound for writes.
func reading(t *testing.T, size int, timeout time.Duration) *http.Response {
	t.Helper()
	cfg := patient()
	cfg.WriteTimeout = timeout
	w := newWorld(t, cfg)
	if _, err := w.Service.Put(t.Context(), w.ns, api.Put{Key: []byte("large"), Body: strings.NewReader(strings.Repeat("v", size))}); err != nil {
		t.Fatal(err)
	}
	p := w.dial()
	p.send("%s", w.head("GET", "/large"))
	res, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// A client that takes nothing in loses its connection, and one that takes it
// in slowly does not.
func TestSlowReaders(t *testing.T) {
	const size = 20 << 20
	res := reading(t, size, quick)
	<-time.After(3 * quick)
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("the stalled client got all %d bytes", n)
	}

	res = reading(t, size, 3*quick)
	var n int64
	var err error
	for err == nil {
		var m int64
		m, err = io.CopyN(io.Discard, res.Body, 1<<20)
		n += m
		<-time.After(quick / 5) // 20 times
	}
	if n != size || !errors.Is(err, io.EOF) {
		t.Errorf("the slow client got %d bytes: %v", n, err)
	}
}

// A body has no deadline as a whole.
func TestSlowBody(t *testing.T) {
	cfg := patient()
	cfg.BodyTimeout = 3 * quick
	w := newWorld(t, cfg)
	p := w.dial()
	const parts = 120 // in which it passes
	p.send("%s", w.head("PUT", "/k", fmt.Sprintf("Content-Length: %d", parts*1000)))
	for range parts {
		p.send("%s", strings.Repeat("v", 1000))
		<-time.After(20 * time.Millisecond)
	}
	p.reply("PUT").must(t, 200)
}

func TestTooManyConnections(t *testing.T) {
	w := newWorld(t, binding.Config{MaxConns: 2})
	one, two := w.dial(), w.dial()
	one.ask(w, "PUT", "/k", "v").must(t, 200)
	two.ask(w, "GET", "/k", "").must(t, 200)
	res := w.dial().reply("GET")
	if res.Status != "503 Too many connections" || res.Header.Get("Retry-After") != "1" {
		t.Errorf("got %s %v", res.Status, res.Header)
	}
	one.ask(w, "GET", "/k", "").must(t, 200)
	one.Close()
	for { // until the server has noticed
		p := w.dial()
		if _, err := fmt.Fprint(p, w.head("GET", "/k")); err == nil {
			if res, err := http.ReadResponse(p.r, nil); err == nil && res.StatusCode == 200 {
				return
			}
		}
		p.Close()
	}
}

// gate is a reader whose gets wait until it is opened.
type gate struct {
	godwit.Reader
	entered chan struct{}
	open    chan struct{}
}

func (g *gate) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	if string(key) == "gated" {
		g.entered <- struct{}{}
		select {
		case <-g.open:
		case <-ctx.Done():
			return nil, godwit.Served{}, ctx.Err()
		}
	}
	return g.Reader.Get(ctx, ns, key, opts)
}

func newGated(t *testing.T) (*world, *gate) {
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	return newWorld(t, binding.Config{}, apitest.WithService(func(c *api.Config) {
		g.Reader = c.Reader
		c.Reader = g
	})), g
}

func TestGracefulShutdown(t *testing.T) {
	w, g := newGated(t)
	w.ask("PUT", "/gated", "v").must(t, 200)
	idle, busy, upload := w.dial(), w.dial(), w.dial()
	idle.ask(w, "GET", "/k", "").must(t, 404)
	busy.send("%s", w.head("GET", "/gated"))
	<-g.entered
	upload.begin(w.head("PUT", "/up", "Content-Length: 8", "Expect: 100-continue"))
	upload.send("half")

	done := make(chan error, 1)
	go func() { done <- w.server.Shutdown(t.Context()) }()
	if !idle.closed() {
		t.Error("the idle connection had something to say")
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned with requests in flight: %v", err)
	default:
	}
	if c, err := net.Dial("tcp", w.addr); err == nil {
		c.Close()
		t.Error("it still accepts connections")
	}
	close(g.open)
	if res := busy.reply("GET").must(t, 200); res.body != "v" || !res.Close {
		t.Errorf("the request in flight got %q, close %v", res.body, res.Close)
	}
	upload.send("half")
	if res := upload.reply("PUT").must(t, 200); !res.Close {
		t.Error("the upload's connection stays open")
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}
}

func TestShutdownRunsOutOfTime(t *testing.T) {
	w, g := newGated(t)
	busy, stuck := w.dial(), w.dial()
	busy.send("%s", w.head("GET", "/gated"))
	<-g.entered
	stuck.begin(w.head("PUT", "/up", "Content-Length: 8", "Expect: 100-continue"))
	stuck.send("half")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	for _, p := range []*peer{busy, stuck} {
		if res, err := http.ReadResponse(p.r, nil); err == nil && res.StatusCode < 400 {
			t.Errorf("a request that was cut off got %s", res.Status)
		}
	}
}

func TestServeAfterShutdown(t *testing.T) {
	env := apitest.Open(t)
	s := binding.New(binding.Config{Service: env.Service, Logger: slog.New(slog.DiscardHandler)})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is still open: %v", err)
	}
}

// panics is a log that does.
type panics struct{ godwit.Log }

func (panics) Propose(context.Context, []godwit.Transaction) ([]godwit.Result, error) {
	panic("at the wrong moment")
}

// One request's fault is that request's, and its text is not for clients.
func TestFaults(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, binding.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		apitest.WithService(func(c *api.Config) { c.Log = panics{c.Log} }))
	p := w.dial()
	if res := p.ask(w, "PUT", "/k", "v"); res.Status != "500 Internal Server Error" || !res.Close || res.body != res.reason() {
		t.Errorf("got %s %q, close %v", res.Status, res.body, res.Close)
	}
	w.ask("GET", "/k", "").must(t, 404)
	bad := w.dial()
	bad.send("GET /k HTTP/1.1\r\nAuthorization: Bearer %s\x00\r\n\r\n", w.RootToken)
	bad.reply("GET").must(t, 400)
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "at the wrong moment") {
		t.Errorf("the panic is not in the log: %s", log.String())
	}
	if strings.Contains(log.String(), w.RootToken) {
		t.Errorf("the token is in the log: %s", log.String())
	}
}

// TestTooManyConnectionsOverTLS holds that a connection too many that says nothing, and
// could be told nothing before it does, keeps nobody else from being accepted.
func TestTooManyConnectionsOverTLS(t *testing.T) {
	w := newWorld(t, binding.Config{MaxConns: 1})
	certs := httptest.NewUnstartedServer(http.NotFoundHandler())
	certs.StartTLS()
	defer certs.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(tls.NewListener(ln, certs.TLS)) }()
	t.Cleanup(func() {
		if err := w.server.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	w.addr = ln.Addr().String()
	one, two := w.dial(), w.dial()
	_ = two.SetDeadline(time.Now().Add(20 * time.Second))
	if !two.closed() {
		t.Fatal("the connection too many is kept")
	}
	one.Close()
	for { // until the server has noticed
		c := tls.Client(w.dial(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // whoever answers
		if c.Handshake() == nil {
			return
		}
	}
}

// stuck is a listener that does not care that it is closed.
type stuck struct {
	net.Listener
	accepting, end chan struct{}
}

func (s *stuck) Accept() (net.Conn, error) {
	close(s.accepting)
	<-s.end
	return nil, net.ErrClosed
}

func TestShutdownDoesNotWaitForAListener(t *testing.T) {
	w := newWorld(t, binding.Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stuck{Listener: ln, accepting: make(chan struct{}), end: make(chan struct{})}
	go func() { _ = w.server.Serve(s) }()
	t.Cleanup(func() { close(s.end) })
	<-s.accepting
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}

// TestStrangersAreNotKept holds that who is not known does not fill the port with
// connections that wait for their next request.
func TestStrangersAreNotKept(t *testing.T) {
	w := newWorld(t, binding.Config{})
	for _, c := range []struct {
		method, token string
		want          int
	}{
		{"GET", "", 401}, {"GET", "Bearer no-such-token", 401}, {"PUT", "", 401}, {"BREW", "", 405},
	} {
		p := w.dial()
		res := p.ask(w, c.method, "/k", "body", "Authorization: "+c.token)
		if res.StatusCode != c.want || !res.Close || !p.closed() {
			t.Errorf("%s %q: %s, close %v", c.method, c.token, res.Status, res.Close)
		}
	}
	p := w.dial()
	for range 2 {
		if res := p.ask(w, "GET", "/k", ""); res.StatusCode != 404 || res.Close {
			t.Errorf("a client that is known: %s, close %v", res.Status, res.Close)
		}
	}
}
