package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
)

// client is one of the node's own APIs with the token of who is signed in: for what is
// too long to be held whole.
func (d *Dashboard) client(c *call) (*client.Client, error) {
	made, err := client.New("http://node", c.session.Token,
		client.WithAccount(d.cfg.Service.Catalog().Account()),
		client.WithHTTPClient(&http.Client{
			Transport:     &inner{d.cfg.API, c},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}))
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return made, nil
}

// kv is a namespace as client has it.
func (d *Dashboard) kv(c *call, ns *godwit.Namespace) (*client.KV, error) {
	made, err := d.client(c)
	if err != nil {
		return nil, err
	}
	return made.KV(ns.ID.String()), nil
}

// inner has the node's own APIs answer requests as if they came over the network.
type inner struct {
	api  http.Handler
	call *call
}

// RoundTrip implements [http.RoundTripper]. The goroutine that answers ends with the
// answer, which closing the answer's body waits for.
func (t *inner) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(godwit.WithCredential(r.Context(), t.call.session.Token))
	q := r.Clone(ctx)
	if q.Body == nil {
		q.Body = http.NoBody
	}
	q.RequestURI, q.RemoteAddr, q.Host = r.URL.RequestURI(), t.call.RemoteAddr, t.call.Host
	from, to := io.Pipe()
	a := &piped{header: make(http.Header), to: to, told: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		err := errors.Join(a.serve(t.api, q), q.Body.Close())
		a.end(err)
		_ = to.CloseWithError(err) // it never fails; nil is the end
	}()
	<-a.told
	body := &innerBody{ReadCloser: from, cancel: cancel, ended: a.ended}
	if a.failed != nil {
		return nil, errors.Join(a.failed, body.Close())
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.sent, Body: body, ContentLength: lengthOf(a.sent), Request: r,
	}, nil
}

// piped is an http.ResponseWriter whose body is read as it is written.
type piped struct {
	header http.Header
	sent   http.Header // as it was when the body began
	status int
	to     *io.PipeWriter
	once   sync.Once
	failed error         // of a handler that panicked before it answered
	told   chan struct{} // closed when the status is known
	ended  chan struct{} // closed when the handler has returned
}

// serve runs a handler. One that cuts its answer off, or panics, has answered with an
// error.
func (p *piped) serve(h http.Handler, r *http.Request) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("the answer was cut off: %v", why)
		}
	}()
	h.ServeHTTP(p, r)
	return nil
}

// end tells that a handler has returned, which may not have answered.
func (p *piped) end(err error) {
	if err == nil {
		p.WriteHeader(http.StatusOK)
		return
	}
	p.once.Do(func() {
		p.failed = err
		close(p.told)
	})
}

// Header implements http.ResponseWriter.
func (p *piped) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *piped) WriteHeader(status int) {
	p.once.Do(func() {
		p.status, p.sent = status, p.header.Clone()
		close(p.told)
	})
}

// Write implements http.ResponseWriter.
func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.to.Write(b)
}

// Flush implements http.Flusher: nothing is held back.
func (p *piped) Flush() { p.WriteHeader(http.StatusOK) }

// innerBody ends who writes it when it is closed.
type innerBody struct {
	io.ReadCloser
	cancel context.CancelFunc
	ended  <-chan struct{}
}

// Close implements io.Closer.
func (b *innerBody) Close() error {
	b.cancel()
	err := b.ReadCloser.Close()
	<-b.ended
	return err
}

// lengthOf is how long a body is; -1 where that is not said.
func lengthOf(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
