package binding

import (
	"errors"
	"io"

	"github.com/valyala/fasthttp"
)

// errBodyBound ends the reading of a body that is longer than anyone would
// read for the sake of an error's text.
var errBodyBound = errors.New("request body is out of all bounds")

// body is the body of a request in progress. It tells a truncated body from a
// whole one, which fasthttp's stream does not: to that, the end of the
// connection is the end of any body.
type body struct {
	c      *conn
	src    io.Reader
	length int64 // Content-Length; -1: chunked
	limit  int64
	n      int64 // bytes read
	err    error // io.EOF at the whole body's end, else why it has none
}

// reset starts the body of the request that ctx holds.
func (b *body) reset(c *conn, ctx *fasthttp.RequestCtx, limit int64) {
	*b = body{c: c, limit: limit}
	c.waited, c.arrived = 0, 0
	b.length = int64(ctx.Request.Header.ContentLength())
	if s := ctx.RequestBodyStream(); s != nil {
		b.src = s
	} else {
		b.err = io.EOF
	}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.n > b.limit {
		b.err = errBodyBound
		return 0, b.err
	}
	b.c.inBody = true
	n, err := b.src.Read(p)
	b.c.inBody = false
	b.n += int64(n)
	if err == io.EOF && b.length >= 0 && b.n < b.length {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// oversized tells whether the body is known to be longer than the limit.
func (b *body) oversized() bool { return b.length > b.limit || b.n > b.limit }

// size is the body's length, or what is known of it.
func (b *body) size() int64 { return max(b.length, b.n) }

// finish reads the body to its end, so that its sender gets to our reply, and
// returns nil if it got there.
func (b *body) finish() error {
	if b.err == nil && b.oversized() {
		b.err = errBodyBound
	}
	if b.err == nil {
		buf := b.c.srv.chunks.get()
		for b.err == nil {
			_, _ = b.Read(*buf)
		}
		b.c.srv.chunks.put(buf)
	}
	if errors.Is(b.err, io.EOF) {
		return nil
	}
	return b.err
}
