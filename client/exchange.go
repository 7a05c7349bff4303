package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// patience is for how long a server may neither take a piece of a request nor send one
// of its answer.
const patience = time.Minute

var (
	errSilent  = fmt.Errorf("%w: the server took and sent nothing for %v", ErrUnavailable, patience)
	errForeign = errors.New("the answer is not of a godwit server")
	errTooLong = fmt.Errorf("the answer is over %d bytes", maxReplyBytes)
)

// exchange is one attempt: a request and its answer. It ends when the server does
// nothing for too long. What the caller takes to give the value, and to read the
// answer, does not count.
type exchange struct {
	cancel context.CancelFunc
	timer  *time.Timer
	silent atomic.Bool

	asked, connected atomic.Bool // for a connection; by http's transport alone

	mu       sync.Mutex
	answered bool // what is left of the request moves nothing any more
}

// newExchange begins one. Its context is that of the request.
func newExchange(ctx context.Context) (*exchange, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	x := &exchange{cancel: cancel}
	x.timer = time.AfterFunc(patience, func() {
		x.silent.Store(true)
		cancel()
	})
	return x, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { x.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { x.connected.Store(true) },
	})
}

// end releases it.
func (x *exchange) end() {
	x.timer.Stop()
	x.cancel()
}

// failure is what err, before there was an answer, says.
func (x *exchange) failure(err error) error {
	if x.silent.Load() {
		err = errSilent
	}
	if x.asked.Load() && !x.connected.Load() {
		return unsentError{err}
	}
	return err
}

// unsentError came before there was a connection to send anything over.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// sending says that the server is to do something now, or, if it is not to, the caller.
func (x *exchange) sending(server bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.answered:
	case server:
		x.timer.Reset(patience)
	default:
		x.timer.Stop()
	}
}

// receive says that an answer has begun, whose body it returns.
func (x *exchange) receive(body io.ReadCloser) io.ReadCloser {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered = true
	x.timer.Stop()
	return &answerBody{body, x}
}

// answerBody is an answer's body, and the end of its exchange.
type answerBody struct {
	body io.ReadCloser
	x    *exchange
}

// Read implements io.Reader.
func (a *answerBody) Read(p []byte) (int, error) {
	a.x.timer.Reset(patience)
	n, err := a.body.Read(p)
	a.x.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && a.x.silent.Load() {
		err = errSilent
	}
	return n, err
}

// Close implements io.Closer.
func (a *answerBody) Close() error {
	defer a.x.end()
	return a.body.Close()
}

// capped is a reader of at most left bytes. Error: errTooLong.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLong
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
