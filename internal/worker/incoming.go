package worker

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// incoming is the body of a request. A transport may read it for longer than the answer
// takes.
type incoming struct {
	io.ReadCloser
	whole atomic.Bool // it was read to its end
}

// Read implements io.Reader.
func (u *incoming) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		u.whole.Store(true)
	default:
		err = &brokenBody{err}
	}
	return n, err
}

// brokenBody is why the body of a request could not be read: what failed is not workerd.
type brokenBody struct{ err error }

func (e *brokenBody) Error() string { return "read the request's body: " + e.err.Error() }

func (e *brokenBody) Unwrap() error { return e.err }

// stream passes on a request that may have a body. A Worker may answer before it has read
// that: by default its client would have to send all first.
func (f *front) stream(w http.ResponseWriter, r *http.Request, held *holder) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	r = r.WithContext(context.WithValue(r.Context(), holderKey{}, held))
	if r.Body != nil && r.Body != http.NoBody {
		held.body = &incoming{ReadCloser: r.Body}
		r.Body = held.body
	}
	f.proxy.ServeHTTP(w, r)
	if held.body != nil && !held.body.whole.Load() {
		hangUp(w)
	}
}

// announceEnd tells the client of an answer that comes before all of its body was read
// that the connection ends behind it.
func announceEnd(res *http.Response) error {
	u := res.Request.Context().Value(holderKey{}).(*holder).body
	if u != nil && !u.whole.Load() {
		res.Header.Set("Connection", "close")
	}
	return nil
}

// hangUp has the server end the client's connection behind the answer, and wait a little
// before, so that the client reads it. To read on from a body is not safe: the server cuts
// short a read that is under way, and would then take the rest of a body in chunks for the
// next request.
func hangUp(w http.ResponseWriter) {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = inner.Unwrap()
	}
	// This is how net/http is told: that there was more of a body than is read.
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("more")), 0).Read(make([]byte, 1))
}
