// Package binding is the KV binding protocol: what workerd speaks to the
// service behind a Worker's kvNamespace binding, over HTTP/1.1. It owns the
// request target, the framing of bodies, the texts of errors (which travel in
// the reason phrase, because a Worker sees nothing else of them) and the life
// of connections. What a request means is decided in package api.
//
// It is the hot path of the system: answering a get from memory allocates
// nothing here, sets no deadline and takes no lock.
//
// It knows the domain, the catalog and package api. It must not import a
// store, a log or net/http.
package binding

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/trace"
)

// Config is what a Server needs. Service and Logger are required.
type Config struct {
	Service *api.Service
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil: none
	Tracer  *trace.Tracer         // nil: nothing is traced

	// MaxConns bounds the connections served at once; one too many is told
	// 503, or over TLS just ended. 0: 8192.
	MaxConns int
	// MaxValueBytes is the deployment's limit on a value. A longer body is
	// still read, so that its sender sees why it was refused: see bodyBound.
	// 0: godwit.MaxValueBytes.
	MaxValueBytes int64
	// HeaderTimeout bounds the time from a request's first byte to the end of
	// its head, where a body is announced to its first byte, and from accepting a
	// connection to its first byte. 0: 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is for how long a body may stall, and the span in which it
	// must bring at least 1 KiB a second. There is no bound on the whole. 0: 20 s.
	BodyTimeout time.Duration
	// WriteTimeout is for how long a client may take in none of a reply. 0: 60 s.
	WriteTimeout time.Duration
	// IdleTimeout is for how long a connection may wait between requests:
	// long, because a Worker's request on a connection that the server has
	// just closed is lost. 0: 15 min.
	IdleTimeout time.Duration
}

func (c *Config) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.HeaderTimeout, 10*time.Second)
	def(&c.BodyTimeout, 20*time.Second)
	def(&c.WriteTimeout, time.Minute)
	def(&c.IdleTimeout, 15*time.Minute)
	if c.MaxConns == 0 {
		c.MaxConns = 8192
	}
	if c.MaxValueBytes == 0 {
		c.MaxValueBytes = godwit.MaxValueBytes
	}
}

// bodyBound is how long a body may be to be read to its end though it is refused:
// four times the largest value, and of Cloudflare's where a deployment takes less.
// A Worker whose body is not taken waits for ever.
func (c *Config) bodyBound() int64 { return 4 * max(c.MaxValueBytes, godwit.MaxValueBytes) }

// Sizes of one connection's buffers. The read buffer bounds a request's head:
// it holds a key of godwit.MaxKeyBytes percent-encoded, twice (workerd repeats
// the URL in a header), beside metadata well over its limit, so that too much
// metadata is told as such.
const (
	readBufferBytes  = 16 << 10
	writeBufferBytes = 8 << 10
	maxTargetBytes   = 8 << 10 // of the request target; a longer one is told 414
)

// Server serves the binding protocol.
type Server struct {
	cfg     Config
	http    *fasthttp.Server
	metrics *metrics

	// ctx is the root of what requests do. It ends after the last connection,
	// or when a shutdown runs out of time.
	ctx    context.Context
	cancel context.CancelFunc

	chunks  pool // of chunkBytes each
	replies pool

	began   time.Time
	clock   atomic.Int64 // nanoseconds since began, as of the sweeper's last tick
	closing atomic.Bool
	wg      sync.WaitGroup

	mu        sync.Mutex
	sweeping  bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
}

// New returns a Server that serves nothing yet.
func New(cfg Config) *Server {
	cfg.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		cfg:       cfg,
		metrics:   newMetrics(cfg.Metrics),
		ctx:       ctx,
		cancel:    cancel,
		listeners: map[net.Listener]struct{}{},
		conns:     map[*conn]struct{}{},
		began:     time.Now(),
	}
	s.http = &fasthttp.Server{
		Handler:               s.handle,
		ErrorHandler:          s.malformed,
		ConnState:             connState,
		Logger:                serverLog{cfg.Logger},
		SecureErrorLogMessage: true, // errors quote the head otherwise, with the token in it
		Concurrency:           1 << 30,
		ReadBufferSize:        readBufferBytes,
		WriteBufferSize:       writeBufferBytes,
		// Bodies are streamed whatever their length: the handler is called
		// upon the first byte.
		StreamRequestBody:            true,
		MaxRequestBodySize:           1,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		NoDefaultDate:                true, // nobody here reads it, and it would start a goroutine for ever
	}
	return s
}

// Serve accepts connections from ln until Shutdown, and then returns nil. It
// closes ln.
func (s *Server) Serve(ln net.Listener) error {
	defer func() { _ = ln.Close() }()
	if !s.admitListener(ln) {
		return nil
	}
	defer s.wg.Done()
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(nc)
		case s.closing.Load():
			return nil
		case !temporary(err):
			return fmt.Errorf("accept a connection: %w", err)
		default: // out of descriptors, say: wait for some to be free again
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.cfg.Logger.Warn("cannot accept connections for now", "err", err, "pause", pause)
			select {
			case <-s.ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return !errors.Is(err, net.ErrClosed) && errors.As(err, &t) && t.Temporary()
}

// admitListener makes ln one that Shutdown closes, and starts the sweeper with
// the first. It is false when the server is shut down already.
func (s *Server) admitListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.listeners[ln] = struct{}{}
	s.wg.Add(1)
	if !s.sweeping {
		s.sweeping = true
		s.clock.Store(s.age())
		s.wg.Go(s.sweep)
	}
	return true
}

// admit serves nc in a goroutine of its own, or refuses it when there are
// enough.
func (s *Server) admit(nc net.Conn) {
	s.mu.Lock()
	if full := len(s.conns) >= s.cfg.MaxConns; full || s.closing.Load() {
		s.mu.Unlock()
		if full {
			s.metrics.rejected.Inc()
			refuse(nc)
		}
		nc.Close()
		return
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	s.metrics.conns.Inc()
	go s.serve(c)
}

func (s *Server) serve(c *conn) {
	defer s.wg.Done()
	if err := s.http.ServeConn(c); err != nil {
		s.cfg.Logger.Debug("binding connection ended", "remote", c.remote, "err", errorKind(err))
	}
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.metrics.conns.Dec()
}

// refuse tells a connection that there are too many. One over TLS is not told:
// writing to it waits for the client's part of the handshake, and the listener
// must wait for nobody.
func refuse(nc net.Conn) {
	if _, secure := nc.(*tls.Conn); secure {
		return
	}
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = nc.Write([]byte("HTTP/1.1 503 Too many connections\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

// Shutdown stops accepting, lets the requests in flight finish, and closes
// their connections. When ctx ends first it cuts them off and returns ctx's
// error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing.Store(true)
	for ln := range s.listeners {
		_ = ln.Close()
	}
	s.mu.Unlock()
	if err := s.drain(ctx); err != nil {
		s.cancel()
		s.killAll()
		// Handlers end with the context; one that does not is left behind.
		late, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.drain(late) == nil {
			_ = s.wait(late)
		}
		return err
	}
	s.cancel()
	return s.wait(ctx)
}

// wait waits for what the server has started. Error: ctx's.
func (s *Server) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain closes quiet connections until none is left. Error: ctx's.
func (s *Server) drain(ctx context.Context) error {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for s.closeQuiet() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}

// closeQuiet closes the connections without a request, and returns how many
// connections there still are. One that has yet to send its first byte is
// given a second.
func (s *Server) closeQuiet() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.age()
	for c := range s.conns {
		st := c.state.Load()
		p, since := st.split()
		if p == phaseIdle || p == phaseNew && now-since > int64(time.Second) {
			c.claim(st)
		}
	}
	return len(s.conns)
}

func (s *Server) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Conn.Close()
	}
}
