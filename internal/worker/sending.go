package worker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
)

// sending is a connection for requests with a body. A Worker may answer without reading
// it all; workerd then hangs up behind the answer. To http.Transport a body that cannot
// be sent is an error, whatever the answer that is there already. Here it goes nowhere,
// and the answer is read; where there is none, that is the error.
type sending struct {
	net.Conn
	begun atomic.Bool // some of the request was sent
}

// Write implements net.Conn.
func (u *sending) Write(p []byte) (int, error) {
	n, err := u.Conn.Write(p)
	if err == nil {
		u.begun.Store(true)
		return n, nil
	}
	if u.begun.Load() && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)) {
		return len(p), nil
	}
	return n, err
}

// CloseWrite ends what is sent on a connection that was upgraded; its other side may go on.
func (u *sending) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// sendings tells the connection that is used for a request where that begins.
var sendings = httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
	if u, ok := info.Conn.(*sending); ok {
		u.begun.Store(false)
	}
}}

// attempt is r for one try: a transport closes the body of a request also where it could
// not send any of it.
func attempt(r *http.Request) *http.Request {
	again := r.WithContext(httptrace.WithClientTrace(r.Context(), &sendings))
	if r.Body != nil && r.Body != http.NoBody {
		again.Body = io.NopCloser(r.Body)
	}
	return again
}

func dialSending(dial func(ctx context.Context) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &sending{Conn: conn}, nil
	}
}
