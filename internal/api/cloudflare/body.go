package cloudflare

import (
	"errors"
	"io"
	"net/http"

	"github.com/godwitkv/godwit"
)

const (
	// maxDrain is up to where a refused body is read, only so that its sender, busy
	// sending, comes to read the error.
	maxDrain = 228 << 20
	// beyondValue is how much of a body that holds a value is read past the largest value,
	// to tell the length of a longer one.
	beyondValue = 100 << 20
)

// checkLength refuses a request over HTTP/1.0 of a method that brings a body, without a
// Content-Length: net/http takes its body for none, and a put would empty its key. That a
// DELETE has none is believed.
func checkLength(r *http.Request) error {
	if r.ProtoAtLeast(1, 1) || r.Header.Get("Content-Length") != "" {
		return nil
	}
	switch r.Method {
	case http.MethodPut, http.MethodPost, http.MethodPatch:
		return badRequest(codeMalformedBody, "a %s over HTTP/1.0 needs a Content-Length", r.Method)
	}
	return nil
}

// body is a request's body: bounded, and with errors that say whose they are.
type body struct {
	r      io.Reader
	length int64 // as declared; -1: not
	limit  int64
	n      int64
	drain  bool // worth draining: the client is known
	err    error
}

// Read implements io.Reader. Errors: io.EOF, and a *problem if the body is too
// large or the connection or its framing broke.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.length > b.limit {
		return 0, b.tooLarge()
	}
	n, err := b.r.Read(p)
	if b.n += int64(n); b.n > b.limit {
		b.err = b.tooLarge()
		return 0, b.err
	}
	var told *godwit.Error
	switch {
	case errors.Is(err, io.EOF):
		b.err = io.EOF
	case errors.As(err, &told):
		p := problemOf(told, "")
		b.err = &p
	case err != nil:
		b.err = badRequest(codeMalformedBody, "could not read the request body")
	}
	return n, b.err
}

func (b *body) tooLarge() error {
	p := problemOf(godwit.Errorf(godwit.CodeBodyTooLarge, "Request body exceeds the limit of %d bytes.", b.limit), "")
	return &p
}

// finish reads what is left, within bounds. A client that waits to be told to
// go on sends nothing and is not kept waiting.
func (b *body) finish(r *http.Request) {
	if !b.drain || b.length == 0 || b.n == 0 && r.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(b.r, maxDrain-b.n))
}
