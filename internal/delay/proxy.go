// Package delay is a TCP proxy that makes the network between two nodes as slow
// as the real one between two cities: what goes in on one side comes out on the
// other a fixed time later, in both directions, however much it is.
//
// It knows nothing of what passes through.
package delay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

const (
	chunkBytes = 32 << 10
	inFlight   = 4096 // chunks on their way in one direction; a sender that is ahead waits
)

// Proxy passes connections on to a target. Its methods may be called from many
// goroutines.
type Proxy struct {
	target string
	oneWay time.Duration
	listen net.Listener
	ctx    context.Context //nolint:containedctx // of all connections
	cancel context.CancelFunc
	conns  sync.WaitGroup
}

// Listen starts a proxy at address (host:port, port 0 for any) to target, with
// a delay of oneWay in each direction. Making a connection takes a round trip
// more.
func Listen(address, target string, oneWay time.Duration) (*Proxy, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{target: target, oneWay: oneWay, listen: ln}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.conns.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listen.Addr().String() }

// Close cuts all connections and returns once they are gone.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listen.Close()
	p.conns.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		c, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.conns.Go(func() { p.serve(c) })
	}
}

// serve carries one connection until either side ends it.
func (p *Proxy) serve(near net.Conn) {
	defer near.Close()
	if !pause.For(p.ctx, 2*p.oneWay) { // what a handshake takes
		return
	}
	var d net.Dialer
	far, err := d.DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	ctx, cut := context.WithCancel(p.ctx)
	defer cut()
	stop := context.AfterFunc(ctx, func() {
		_ = near.Close()
		_ = far.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.carry(ctx, cut, far, near) })
	both.Go(func() { p.carry(ctx, cut, near, far) })
	both.Wait()
}

// chunk is bytes that may come out at a time; none: the sender's end.
type chunk struct {
	bytes []byte
	due   time.Time
}

// carry takes what from sends to to, each byte oneWay later. An end is passed on
// as one; a failure cuts the connection.
func (p *Proxy) carry(ctx context.Context, cut context.CancelFunc, to, from net.Conn) {
	way := make(chan chunk, inFlight)
	var sender sync.WaitGroup
	sender.Go(func() {
		if err := deliver(ctx, to, way); err != nil {
			cut()
		}
	})
	defer sender.Wait()
	defer close(way)
	for {
		buf := make([]byte, chunkBytes)
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case way <- chunk{buf[:n], time.Now().Add(p.oneWay)}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				cut()
			}
			return
		}
	}
}

func deliver(ctx context.Context, to net.Conn, way <-chan chunk) error {
	for c := range way {
		if !pause.For(ctx, time.Until(c.due)) {
			return ctx.Err()
		}
		if _, err := to.Write(c.bytes); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}
