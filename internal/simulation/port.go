package simulation

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

// port is a process's way to the network. It ends with the process: what a
// killed one leaves running neither dials nor listens any more.
type port struct {
	network *network
	host    *host
	boot    int
}

// listener is an open port.
type listener struct {
	network *network
	addr    address
	queue   chan *conn
	once    sync.Once
	closed  chan struct{}
}

// listen opens a port of the host.
func (p *port) listen(_, addr string) (net.Listener, error) {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	at := address(addr)
	if at.host() != p.host.name || p.host.boot != p.boot || p.host.listeners[at] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: at, Err: net.ErrClosed}
	}
	l := &listener{network: n, addr: at, queue: make(chan *conn, 256), closed: make(chan struct{})}
	p.host.listeners[at] = l
	return l, nil
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		if h := l.network.hosts[l.addr.host()]; h.listeners[l.addr] == l {
			delete(h.listeners, l.addr)
		}
		l.network.mu.Unlock()
		for {
			select {
			case c := <-l.queue: // nobody will take it
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.addr }

// dial connects the host with an address.
func (p *port) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	for {
		c, trip, wait, err := p.attempt(address(addr))
		if wait == nil {
			return arrive(ctx, c, trip, err)
		}
		select {
		case <-wait.there:
		case <-wait.back:
		case <-wait.host:
		case <-wait.own:
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}
	}
}

// arrive waits for the answer to an attempt.
func arrive(ctx context.Context, c *conn, trip time.Duration, err error) (net.Conn, error) {
	if !pause.For(ctx, trip) {
		err = &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	switch {
	case c == nil:
		return nil, err
	case err != nil:
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// changes are what an attempt waits for that got no answer.
type changes struct{ there, back, host, own chan struct{} }

// attempt connects if that is possible now. It returns how long the answer
// takes, or what to wait for if there is none.
func (p *port) attempt(to address) (*conn, time.Duration, *changes, error) {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.host.boot != p.boot {
		return nil, 0, nil, errUnreachable
	}
	h := n.hosts[to.host()]
	if h == nil {
		return nil, 0, nil, errUnreachable
	}
	there, back := n.link(p.host.name, h.name), n.link(h.name, p.host.name)
	if there.stalled() || back.stalled() || h.down {
		return nil, 0, &changes{there.changed, back.changed, h.changed, p.host.changed}, nil
	}
	trip := there.latency() + back.latency()
	if there.cuts > 0 || back.cuts > 0 {
		return nil, trip, nil, errUnreachable
	}
	l := h.listeners[to]
	if l == nil || len(l.queue) == cap(l.queue) {
		return nil, trip, nil, errRefused
	}
	out, in := newFlows(there, back)
	local := address(p.host.name + ":0")
	mine, theirs := newConn(n, local, to, in, out), newConn(n, to, local, out, in)
	p.host.conns[mine], h.conns[theirs] = struct{}{}, struct{}{}
	l.queue <- theirs
	return mine, trip, nil, nil
}
