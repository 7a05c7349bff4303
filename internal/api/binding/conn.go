package binding

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// phase is what a connection waits for.
type phase int64

const (
	phaseNew   phase = iota // the first byte of the first request
	phaseIdle               // the first byte of the next request
	phaseHead               // the rest of a request's head
	phaseBusy               // us
	phaseBody               // a part of a request's body
	phaseWrite              // the client to take in a part of a reply
	phaseDead               // nothing: it was closed
	phaseCount
)

// String is the phase as metrics name it.
func (p phase) String() string {
	return [phaseCount]string{"new", "idle", "head", "busy", "body", "write", "dead"}[p]
}

// connStatus is a phase in the low three bits, and since when, in nanoseconds of
// the server's age, in the others.
type connStatus int64

func (s connStatus) split() (p phase, since int64) { return phase(s & 7), int64(s &^ 7) }

// Bounds of one connection.
const (
	writeChunkBytes   = 64 << 10               // a client takes in this much within WriteTimeout
	leastBodyRate     = 1 << 10                // bytes a second, over BodyTimeout
	lingerBytes       = 1 << 20                // read after a reply that ends the connection
	lingerTime        = 500 * time.Millisecond // … and for how long
	pauseTime         = 500 * time.Millisecond // without a byte: a request has come to its end
	keepScratchBytes  = 16 << 10
	firstScratchBytes = 256
)

// errSlowBody ends the reading of a body that comes in a trickle.
var errSlowBody = errors.New("request body is too slow")

// conn is a client's connection. Instead of setting deadlines, which costs
// more than the rest of a get, it notes what it waits for, and the server's
// sweeper ends those that wait too long. Its goroutine owns it, but for state.
type conn struct {
	net.Conn
	srv    *Server
	remote netip.Addr
	state  atomicStatus
	phase  phase

	// linger makes Close take in what the client still sends, for otherwise
	// the kernel resets the connection and the client loses our last reply.
	linger bool

	// While reading a body: how long it has kept us waiting in this window,
	// and how much it brought.
	inBody  bool
	waited  time.Duration
	arrived int

	req request
}

type atomicStatus struct{ v atomic.Int64 }

func (a *atomicStatus) Load() connStatus   { return connStatus(a.v.Load()) }
func (a *atomicStatus) Store(s connStatus) { a.v.Store(int64(s)) }
func (a *atomicStatus) CompareAndSwap(o, n connStatus) bool {
	return a.v.CompareAndSwap(int64(o), int64(n))
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Conn: nc, srv: s}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = a.AddrPort().Addr().Unmap()
	}
	c.req.c = c
	c.enter(phaseNew)
	return c
}

// enter notes what the connection waits for from now on.
func (c *conn) enter(p phase) {
	c.phase = p
	c.state.Store(connStatus(c.srv.clock.Load()&^7) | connStatus(p))
}

// claim closes the connection if it is still in the state seen.
func (c *conn) claim(seen connStatus) bool {
	if !c.state.CompareAndSwap(seen, connStatus(phaseDead)) {
		return false
	}
	c.Conn.Close()
	return true
}

// connState is told by fasthttp of a request's first byte and of its end.
func connState(nc net.Conn, state fasthttp.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case fasthttp.StateActive:
		c.enter(phaseHead)
	case fasthttp.StateIdle:
		c.enter(phaseIdle)
		if c.srv.closing.Load() {
			c.claim(c.state.Load())
		}
	}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if !c.inBody {
		return c.Conn.Read(p)
	}
	since := c.srv.clock.Load()
	c.enter(phaseBody)
	n, err := c.Conn.Read(p)
	c.enter(phaseBusy)
	c.arrived += n
	c.waited += time.Duration(c.srv.clock.Load() - since)
	if span := c.srv.cfg.BodyTimeout; c.waited >= span {
		if c.arrived < int(span.Seconds()*leastBodyRate) && err == nil {
			err = errSlowBody
		}
		c.waited, c.arrived = 0, 0
	}
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (n int, err error) {
	before := c.phase
	for {
		c.enter(phaseWrite)
		m, err := c.Conn.Write(p[n:min(len(p), n+writeChunkBytes)])
		n += m
		if err != nil || n == len(p) {
			c.enter(before)
			return n, err
		}
	}
}

// takeIn drops what the client sends, up to so many bytes, until it makes a pause. It is
// for a request whose length is not known, since its head could not be read: a Worker that
// is answered while it still sends waits for ever.
func (c *conn) takeIn(limit int64) {
	c.enter(phaseBusy)
	buf := c.srv.chunks.get()
	defer c.srv.chunks.put(buf)
	end := time.Now().Add(c.srv.cfg.BodyTimeout)
	for now := time.Now(); limit > 0 && now.Before(end); now = time.Now() {
		if err := c.SetReadDeadline(now.Add(pauseTime)); err != nil {
			return
		}
		n, err := c.Conn.Read(*buf)
		if err != nil {
			return
		}
		limit -= int64(n)
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if c.linger {
		c.enter(phaseBusy)
		if w, ok := c.Conn.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
			_ = c.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// sweep is the server's clock. It ends the connections that wait too long.
func (s *Server) sweep() {
	t := time.NewTicker(s.cfg.resolution())
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			now := s.age()
			s.clock.Store(now)
			s.expire(now)
		}
	}
}

// age is for how many nanoseconds there has been the server. It goes on evenly, however
// the machine's clock is set.
func (s *Server) age() int64 { return int64(time.Since(s.began)) }

// resolution is how often the sweeper looks: it may end a connection that
// much late.
func (c *Config) resolution() time.Duration {
	least := min(c.HeaderTimeout, c.BodyTimeout, c.WriteTimeout, c.IdleTimeout)
	return min(max(least/8, time.Millisecond), time.Second)
}

func (s *Server) expire(now int64) {
	limits := [phaseCount]time.Duration{
		phaseNew: s.cfg.HeaderTimeout, phaseHead: s.cfg.HeaderTimeout,
		phaseIdle: s.cfg.IdleTimeout, phaseBody: s.cfg.BodyTimeout, phaseWrite: s.cfg.WriteTimeout,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		st := c.state.Load()
		p, since := st.split()
		if limits[p] == 0 || now-since < int64(limits[p]) {
			continue
		}
		if p == phaseHead || p == phaseBody {
			// The read fails, and the client is told.
			_ = c.SetReadDeadline(time.Unix(1, 0))
			s.metrics.timeouts[p].Inc()
		} else if c.claim(st) {
			s.metrics.timeouts[p].Inc()
		}
	}
}

// isTimeout tells whether the client was too slow.
func isTimeout(err error) bool {
	return errors.Is(err, errSlowBody) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, fasthttp.ErrTimeout)
}
