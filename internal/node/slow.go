package node

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/dashboard"
)

// patience is how slow a client may be before its connection is cut: a body or
// a reply may stall for so long, and must come to a rate over all.
type patience struct {
	stall time.Duration
	rate  int64 // bytes a second
}

// usualPatience lets the slowest real networks through.
func usualPatience() patience { return patience{stall: 30 * time.Second, rate: 4 << 10} }

// with serves requests by h and moves the connection's deadlines along as bytes
// come and go: one bound on the whole would cut large values off, and none
// would let a client hold a connection for ever.
func (p patience) with(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Time{}) // the last request's
		if r.Body != nil && r.Body != http.NoBody {
			body := &pacedBody{ReadCloser: r.Body, patience: p, rc: rc, started: time.Now()}
			// The server looks at its request's body once the handler is done: it
			// must not wait for one that it never told the client to send.
			r = r.WithContext(r.Context())
			r.Body = body
			defer body.finish()
		}
		h.ServeHTTP(&pacedWriter{ResponseWriter: w, patience: p, rc: rc}, r)
	})
}

// unlessStreamed is p.with(h), but for answers that go on for as long as their
// client likes: they may be silent for long, and see to slow clients themselves.
func unlessStreamed(p patience, h http.Handler) http.Handler {
	paced := p.with(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := rawPath(r); !native.Streams(r, path) && !dashboard.Streams(r, path) {
			paced.ServeHTTP(w, r)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the last request's
		h.ServeHTTP(w, r)
	})
}

// deadline is when a transfer, begun at started and n bytes long so far, is cut
// off if nothing more comes.
func (p patience) deadline(started, now time.Time, n int64) time.Time {
	stalled := now.Add(p.stall)
	slow := started.Add(p.stall + time.Duration(n)*time.Second/time.Duration(p.rate))
	if slow.Before(stalled) {
		return slow
	}
	return stalled
}

// pacedBody gives each read of a request's body a deadline. It is read by one
// goroutine at a time.
type pacedBody struct {
	io.ReadCloser
	patience patience
	rc       *http.ResponseController
	started  time.Time
	read     int64
	ended    bool
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if b.ended {
		return b.ReadCloser.Read(p)
	}
	_ = b.rc.SetReadDeadline(b.patience.deadline(b.started, time.Now(), b.read))
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
		_ = b.rc.SetReadDeadline(time.Now().Add(b.patience.stall / 6))
	}
}

// pacedWriter gives each write of a reply a deadline.
type pacedWriter struct {
	http.ResponseWriter
	patience patience
	rc       *http.ResponseController
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	now := time.Now()
	_ = w.rc.SetWriteDeadline(now.Add(w.patience.stall + time.Duration(len(p))*time.Second/time.Duration(w.patience.rate)))
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
