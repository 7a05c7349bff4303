package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// smallBytes is how much of a stream is read ahead, so that a small value can
// be sent again.
const smallBytes = 64 << 10

// body is what a request carries, and how to send it again. A nil *body is
// none.
type body struct {
	head, tail []byte        // around the value, of a multipart request
	value      io.Reader     // what is left to send; nil: none
	seek       io.Seeker     // value, if it can be rewound to start
	start      int64         // where value began
	size       int64         // of value; -1: not known
	sending    *attachedBody // what the last attempt reads from
}

func bytesBody(raw []byte) *body { return newBody(bytes.NewReader(raw)) }

// newBody takes a value from r. A stream that cannot be rewound, and is longer
// than smallBytes, is sent once, in chunks.
func newBody(r io.Reader) *body {
	if s, ok := r.(io.Seeker); ok {
		if start, size, err := extent(s); err == nil {
			return &body{value: r, seek: s, start: start, size: size}
		}
	}
	small, err := io.ReadAll(io.LimitReader(r, smallBytes+1))
	if err == nil && len(small) <= smallBytes {
		return bytesBody(small)
	}
	rest := r
	if err != nil {
		rest = failingReader{err}
	}
	return &body{value: io.MultiReader(bytes.NewReader(small), rest), size: -1}
}

// extent is where s stands and how much it holds from there.
func extent(s io.Seeker) (start, size int64, err error) {
	if start, err = s.Seek(0, io.SeekCurrent); err != nil {
		return 0, 0, fmt.Errorf("find start: %w", err)
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, 0, fmt.Errorf("find end: %w", err)
	}
	if _, err = s.Seek(start, io.SeekStart); err != nil {
		return 0, 0, fmt.Errorf("return to start: %w", err)
	}
	if end < start {
		return 0, 0, errors.New("the position is beyond the end")
	}
	return start, end - start, nil
}

func (b *body) replayable() bool { return b == nil || b.seek != nil }

// rewind makes ready for another attempt.
func (b *body) rewind() error {
	if b == nil {
		return nil
	}
	if _, err := b.seek.Seek(b.start, io.SeekStart); err != nil {
		return fmt.Errorf("return to start: %w", err)
	}
	return nil
}

// release takes the value back from the last attempt, whose transport may still be
// reading when its answer is there. A read that is under way is waited for: in memory
// or a file it ends, in a stream perhaps only after ctx.
func (b *body) release(ctx context.Context) {
	if b == nil || b.sending == nil {
		return
	}
	done := ctx.Done()
	if b.seek != nil {
		done = nil
	}
	b.sending.over.Store(true)
	select {
	case b.sending.turn <- struct{}{}:
		<-b.sending.turn
	case <-done:
	}
}

// attach makes b the body of req, which is sent in the exchange x.
func (b *body) attach(req *http.Request, x *exchange) {
	if b == nil {
		return
	}
	req.ContentLength = -1
	value := b.value
	if b.size >= 0 {
		req.ContentLength = int64(len(b.head)) + b.size + int64(len(b.tail))
		value = io.LimitReader(b.value, b.size) // a file may grow meanwhile
	}
	if req.ContentLength == 0 {
		req.Body = http.NoBody
		return
	}
	b.sending = &attachedBody{
		value: io.MultiReader(bytes.NewReader(b.head), value, bytes.NewReader(b.tail)),
		x:     x,
		turn:  make(chan struct{}, 1),
	}
	req.Body = b.sending
}

// errOver is what a transport gets that reads on after its attempt.
var errOver = errors.New("the attempt is over")

// attachedBody is what one attempt reads the value by.
type attachedBody struct {
	value io.Reader
	x     *exchange
	over  atomic.Bool
	turn  chan struct{} // full: somebody reads
}

// Read implements io.Reader.
func (a *attachedBody) Read(p []byte) (int, error) {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	if a.over.Load() {
		return 0, errOver
	}
	a.x.sending(false)
	defer a.x.sending(true)
	return a.value.Read(p)
}

// Close implements io.Closer.
func (a *attachedBody) Close() error {
	a.over.Store(true)
	return nil
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
