package node

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// How slow a client may be before its connection is cut: a body or a reply may
// stall for stallTimeout, and must come to minRate over all.
const (
	stallTimeout = 30 * time.Second
	minRate      = 4 << 10 // bytes a second
)

// impatient serves requests with h and moves the connection's deadlines along
// as bytes come and go: one bound on the whole would cut large values off, and
// none would let a client hold a connection for ever.
func impatient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Time{}) // the last request's
		body := &pacedBody{ReadCloser: r.Body, rc: rc, started: time.Now()}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = body
			defer body.finish()
		}
		h.ServeHTTP(&pacedWriter{ResponseWriter: w, rc: rc}, r)
	})
}

// pacedBody gives each read of a request's body a deadline. It is read by one
// goroutine at a time.
type pacedBody struct {
	io.ReadCloser
	rc      *http.ResponseController
	started time.Time
	read    int64
	ended   bool
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if b.ended {
		return b.ReadCloser.Read(p)
	}
	_ = b.rc.SetReadDeadline(deadline(b.started, b.read))
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if errors.Is(err, io.EOF) {
		// The server now watches the connection for its end: without a deadline.
		b.ended = true
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// finish bounds how long the server goes on to read what the handler left.
func (b *pacedBody) finish() {
	if !b.ended {
		_ = b.rc.SetReadDeadline(time.Now().Add(stallTimeout / 6))
	}
}

func deadline(started time.Time, done int64) time.Time {
	stalled := time.Now().Add(stallTimeout)
	slow := started.Add(stallTimeout + time.Duration(done)*time.Second/minRate)
	if slow.Before(stalled) {
		return slow
	}
	return stalled
}

// pacedWriter gives each write of a reply a deadline.
type pacedWriter struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	_ = w.rc.SetWriteDeadline(time.Now().Add(stallTimeout + time.Duration(len(p))*time.Second/minRate))
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
