package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// maxResponseHead bounds the head of an answer.
	maxResponseHead = 1 << 20
	// maxIdle is how many connections are kept for later.
	maxIdle = 1024
	// idleFor is for how long: workerd closes one after five seconds.
	idleFor = 4 * time.Second
	// maxInterim is how many answers may come before the answer.
	maxInterim = 5
	// together is how long the head of an answer waits for the first of the body.
	together = time.Millisecond
)

// aLongTimeAgo is a deadline that ends what a connection waits for.
var aLongTimeAgo = time.Unix(1, 0)

// courier carries requests that have no body to one workerd. The goroutine that asks
// writes and reads by itself: http.Transport has two others do it for each connection,
// and on a busy core waking them cost a third of all that a request took here.
type courier struct {
	dial func(ctx context.Context) (net.Conn, error)

	mu   sync.Mutex
	idle []*line // the one used last at the end
}

// carries tells whether a request is one for a courier. It may be asked twice, where a
// connection turns out to be closed.
func (c *courier) carries(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return (r.Body == nil || r.Body == http.NoBody) && r.Header.Get("Upgrade") == ""
	}
	return false
}

// RoundTrip implements http.RoundTripper for requests that it carries.
func (c *courier) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		l, used, err := c.line(r.Context())
		if err != nil {
			return nil, err
		}
		res, err := l.ask(r)
		if err == nil {
			return res, nil
		}
		l.close()
		if ctx := r.Context(); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !used || l.heard() {
			return nil, fmt.Errorf("ask workerd: %w", err)
		}
		// It was closed while nobody used it: there was no answer to this request.
	}
}

// line takes a connection, and tells whether it was used before.
func (c *courier) line(ctx context.Context) (l *line, used bool, err error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 && time.Since(c.idle[n-1].since) < idleFor {
		l, c.idle = c.idle[n-1], c.idle[:n-1]
		c.mu.Unlock()
		return l, true, nil
	}
	c.mu.Unlock()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, false, err
	}
	l = &line{courier: c, conn: conn, w: bufio.NewWriter(conn)}
	l.head.R = conn
	l.r = bufio.NewReader(&l.head)
	return l, false, nil
}

// keep puts a connection back, and closes those that nobody has used for long.
func (c *courier) keep(l *line) {
	l.since = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	old := 0
	for old < len(c.idle) && l.since.Sub(c.idle[old].since) >= idleFor {
		c.idle[old].close()
		old++
	}
	if old > 0 {
		c.idle = append(c.idle[:0], c.idle[old:]...)
	}
	if len(c.idle) == maxIdle {
		l.close()
		return
	}
	c.idle = append(c.idle, l)
}

// closeIdle closes the connections that nobody uses.
func (c *courier) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.idle {
		l.close()
	}
	c.idle = nil
}

// line is a connection, for one request at a time.
type line struct {
	courier *courier
	conn    net.Conn
	head    io.LimitedReader // of conn
	r       *bufio.Reader    // of head
	w       *bufio.Writer
	since   time.Time // nobody has used it
	stop    func() bool
}

func (l *line) close() { _ = l.conn.Close() }

// heard tells whether anything came in answer to the last request.
func (l *line) heard() bool { return l.head.N < maxResponseHead }

// ask sends a request, and reads the head of its answer. The body of the answer has the
// connection until it is closed.
func (l *line) ask(r *http.Request) (*http.Response, error) {
	l.head.N = maxResponseHead
	l.stop = context.AfterFunc(r.Context(), func() { _ = l.conn.SetDeadline(aLongTimeAgo) })
	res, err := l.exchange(r)
	if err != nil {
		l.stop()
		return nil, err
	}
	l.head.N = 1 << 62 // a body is as long as it is
	res.Body = &answer{body: res.Body, line: l, last: res.Close, ended: res.Body == http.NoBody}
	return res, nil
}

func (l *line) exchange(r *http.Request) (*http.Response, error) {
	writeHead(l.w, r)
	if err := l.w.Flush(); err != nil {
		return nil, err
	}
	for range maxInterim {
		res, err := http.ReadResponse(l.r, r)
		if err != nil || res.StatusCode >= http.StatusOK {
			return res, err
		}
	}
	return nil, errors.New("read the answer: too many interim ones before it")
}

// answer is the body of an answer. Closing it gives the connection back.
type answer struct {
	body  io.ReadCloser
	line  *line
	last  bool // the connection is of no use afterwards
	ended bool
}

// begins waits a moment for the body, and tells whether some of it, its end or an error is
// there to be read.
func (a *answer) begins(ctx context.Context) bool {
	l := a.line
	if a.ended || l.r.Buffered() > 0 {
		return true
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(together))
	_, err := l.r.Peek(1)
	_ = l.conn.SetReadDeadline(time.Time{})
	if ctx.Err() != nil { // its deadline may be the one that is gone now
		_ = l.conn.SetDeadline(aLongTimeAgo)
	}
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if err != nil {
		a.ended = a.ended || err == io.EOF
	}
	return n, err
}

func (a *answer) Close() error {
	if a.line == nil {
		return nil
	}
	l := a.line
	a.line = nil
	if live := l.stop(); !live || !a.ended || a.last || l.r.Buffered() > 0 {
		l.close() // first: what is left of the body is not waited for
		return a.body.Close()
	}
	l.courier.keep(l)
	return nil
}
