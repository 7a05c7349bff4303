package simulation

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// address is a host and a port, as text.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// conn is one end of a connection.
type conn struct {
	network       *network
	local, remote address
	in, out       *flow
	reads, writes deadline

	once   sync.Once
	closed chan struct{}
}

var _ net.Conn = (*conn)(nil)

func newConn(n *network, local, remote address, in, out *flow) *conn {
	return &conn{network: n, local: local, remote: remote, in: in, out: out, closed: make(chan struct{})}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	for {
		expired := c.reads.channel()
		if isClosed(c.closed) {
			return 0, net.ErrClosed
		}
		if isClosed(expired) {
			return 0, os.ErrDeadlineExceeded
		}
		c.network.mu.Lock()
		n, until, err := c.in.take(b)
		changed := c.in.changed
		c.network.mu.Unlock()
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		c.wait(changed, expired, until)
	}
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (written int, err error) {
	for {
		expired := c.writes.channel()
		if isClosed(c.closed) {
			return written, net.ErrClosed
		}
		if isClosed(expired) {
			return written, os.ErrDeadlineExceeded
		}
		c.network.mu.Lock()
		n, err := c.out.put(b)
		changed := c.out.changed
		c.network.mu.Unlock()
		written, b = written+n, b[n:]
		if err != nil || len(b) == 0 {
			return written, err
		}
		c.wait(changed, expired, time.Time{})
	}
}

// wait waits for a change, the deadline, the end of the connection, or a time.
func (c *conn) wait(changed, expired chan struct{}, until time.Time) {
	var arrived <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		arrived = t.C
	}
	select {
	case <-changed:
	case <-arrived:
	case <-expired:
	case <-c.closed:
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.network.mu.Lock() // before once, as who kills a host does
	defer c.network.mu.Unlock()
	c.once.Do(func() {
		close(c.closed)
		delete(c.network.hosts[c.local.host()].conns, c)
		c.out.finish()
		c.in.fail(io.ErrClosedPipe)
	})
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.reads.set(t)
	c.writes.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writes.set(t)
	return nil
}

// deadline closes a channel when its time has come. The zero value never does.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{}
}

// channel is closed at the deadline. A deadline set later closes another one.
func (d *deadline) channel() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	return d.ch
}

// set moves the deadline. Who waits for the old one waits for the new one, or
// for none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() && d.ch != nil {
		<-d.ch // it is being closed
	}
	d.timer = nil
	if d.ch == nil || isClosed(d.ch) {
		d.ch = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	ch := d.ch
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(ch) })
		return
	}
	close(ch)
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
