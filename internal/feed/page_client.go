package feed

import (
	"context"
	"fmt"
	"net/http"

	"github.com/godwitkv/godwit/internal/wire"
)

// pageAnswer is a page that answers a request of its own.
type pageAnswer struct {
	*Page
	header http.Header
	bytes  int64
}

// page sends a request that is answered with one page. It changes nothing, and so
// may be sent again on another connection.
func (c *Client) page(req *http.Request) (*pageAnswer, error) {
	req.Header["Idempotency-Key"] = []string{} // tells net/http, and is not sent
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	resp, err := c.send(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := checkFrames(resp); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	p := newPulse(cancel)
	p.in = resp.Body
	f, err := new(frameReader).read(p)
	if err == nil {
		err = drain(p)
	}
	if err != nil {
		return nil, p.explain(broken(err))
	}
	switch f := f.(type) {
	case *Page:
		return &pageAnswer{f, resp.Header, p.received.Load()}, nil
	case *End:
		return nil, f
	}
	return nil, broken(fmt.Errorf("%w: a %T for a page", wire.ErrMalformed, f))
}
