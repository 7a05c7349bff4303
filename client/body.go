package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
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

func bytesBody(raw []byte) *body {
	r := bytes.NewReader(raw)
	return &body{value: r, seek: r, size: r.Size()}
}

// newBody takes a value from r. A stream that cannot be rewound, and is longer
// than smallBytes, is sent once, in chunks; it is read for as long as ctx goes on.
// Errors: what of r is read ahead cannot be; the context's.
func newBody(ctx context.Context, r io.Reader) (*body, error) {
	if r == nil {
		return nil, invalid("there is no value")
	}
	if s, ok := r.(io.Seeker); ok {
		if start, size, err := extent(s); err == nil {
			return &body{value: r, seek: s, start: start, size: size}, nil
		}
	}
	if _, here := r.(*bytes.Buffer); !here { // its owner takes it back as the call returns
		r = &stream{ctx: ctx, r: r}
	}
	small, err := io.ReadAll(io.LimitReader(r, smallBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read value: %w", err)
	case len(small) <= smallBytes:
		return bytesBody(small), nil
	}
	return &body{value: io.MultiReader(bytes.NewReader(small), r), size: -1}, nil
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
// or a file it ends, in a stream perhaps only with the context.
func (b *body) release() {
	if b != nil && b.sending != nil {
		_ = b.sending.Close()
		b.sending.wait()
	}
}

// failure is what err says of an attempt that got no answer.
func (b *body) failure(err error) error {
	b.release()
	if b != nil && b.sending != nil && b.sending.value.failed != nil {
		return valueError{b.sending.value.failed}
	}
	return err
}

// attach makes b the body of req, which is sent in the exchange x.
func (b *body) attach(req *http.Request, x *exchange) {
	if b == nil {
		return
	}
	req.ContentLength = -1
	if b.size >= 0 {
		req.ContentLength = int64(len(b.head)) + b.size + int64(len(b.tail))
	}
	if req.ContentLength == 0 {
		req.Body = http.NoBody
		return
	}
	value := &valueReader{r: b.value, left: b.size}
	b.sending = &attachedBody{
		all:   io.MultiReader(bytes.NewReader(b.head), value, bytes.NewReader(b.tail)),
		value: value,
		x:     x,
	}
	req.Body = b.sending
}

// errOver is what a transport gets that reads on after its attempt.
var errOver = errors.New("the attempt is over")

// attachedBody is what one attempt reads the value by.
type attachedBody struct {
	all   io.Reader // value with what is around it
	value *valueReader
	x     *exchange
	over  atomic.Bool
	turn  sync.Mutex // held by who reads
}

// Read implements io.Reader.
func (a *attachedBody) Read(p []byte) (int, error) {
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.over.Load() {
		return 0, errOver
	}
	a.x.sending(false)
	defer a.x.sending(true)
	return a.all.Read(p)
}

// Close implements io.Closer. It does not wait for a read.
func (a *attachedBody) Close() error {
	a.over.Store(true)
	return nil
}

// wait waits for a read that is under way.
func (a *attachedBody) wait() {
	a.turn.Lock()
	defer a.turn.Unlock()
}

// valueReader reads the value for one attempt, no further than it was long at first: a
// file may grow meanwhile.
type valueReader struct {
	r      io.Reader
	left   int64 // what is to come; -1: not known
	failed error // why it was not read to its end; nil: it was, or may yet be
}

// Read implements io.Reader.
func (v *valueReader) Read(p []byte) (int, error) {
	if v.left == 0 {
		return 0, io.EOF
	}
	if v.left > 0 {
		p = p[:min(int64(len(p)), v.left)]
	}
	n, err := v.r.Read(p)
	if v.left > 0 {
		v.left -= int64(n)
	}
	ended := errors.Is(err, io.EOF)
	switch {
	case v.left == 0, v.left < 0 && ended:
		return n, io.EOF // whatever else there is
	case ended:
		err = fmt.Errorf("it is shorter by %d bytes than it was: %w", v.left, io.ErrUnexpectedEOF)
	}
	if err != nil {
		v.failed = fmt.Errorf("read value: %w", err)
	}
	return n, err
}

// valueError is why a value was not read to its end: the server cannot have carried the
// attempt out, and another would end as this. What may be in it of another server's, where
// the value came from, says nothing of the call.
type valueError struct{ error }

func (e valueError) Unwrap() error { return e.error }
