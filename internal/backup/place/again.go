package place

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/godwitkv/godwit/internal/pause"
)

// The library tries again what fails before an answer has begun, for a few seconds. What
// comes behind that is ours: an answer that is cut off, or stands still, and a service
// that is busy for longer.
const (
	patience   = time.Minute // for how long nothing may move
	attempts   = 6
	firstPause = time.Second     // twice as long each time
	goesOnFor  = 5 * time.Minute // after that nothing is begun again
)

// network is what takes requests to a service.
type network struct {
	http.RoundTripper
	patience time.Duration
	answered atomic.Bool // once: so the address is right, and what fails may pass
}

func newNetwork(secure bool) (*network, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	n := &network{RoundTripper: t, patience: patience}
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, kind, address string) (net.Conn, error) {
		c, err := dial(ctx, kind, address)
		if err != nil {
			return nil, err
		}
		return &moving{c, n}, nil
	}
	return n, nil
}

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode < http.StatusInternalServerError {
		n.answered.Store(true)
	}
	return resp, err
}

// moving is a connection that fails once nothing has moved on it for too long, in either
// direction.
type moving struct {
	net.Conn
	network *network
}

// Read implements net.Conn.
func (c *moving) Read(b []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.network.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn. It writes a little at a time: each moves.
func (c *moving) Write(b []byte) (n int, err error) {
	const atOnce = 64 << 10
	for {
		if err := c.SetDeadline(time.Now().Add(c.network.patience)); err != nil {
			return n, err
		}
		some, err := c.Conn.Write(b[n:min(len(b), n+atOnce)])
		if n += some; err != nil || n == len(b) {
			return n, err
		}
	}
}

// again tries something until it succeeds, or fails for good.
func (n *network) again(ctx context.Context, try func() error) error {
	began, wait := time.Now(), firstPause
	for range attempts - 1 {
		err := try()
		if err == nil || ctx.Err() != nil || !n.mayPass(err) || time.Since(began) > goesOnFor {
			return err
		}
		if !pause.For(ctx, wait) {
			return ctx.Err()
		}
		wait *= 2
	}
	return try()
}

// mayPass tells whether an error is of the moment: one of the network, or of a service
// that cannot just now.
func (n *network) mayPass(err error) bool {
	if !n.answered.Load() || errors.Is(err, ErrTooLarge) {
		return false
	}
	var told minio.ErrorResponse
	if errors.As(err, &told) {
		return told.StatusCode >= http.StatusInternalServerError || told.StatusCode == http.StatusTooManyRequests
	}
	return true
}
