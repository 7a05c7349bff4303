package feed

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/godwitkv/godwit"
)

const (
	headerHops = "Godwit-Hops"
	// MaxHops is how often a request is passed on, from one node to the next. A tree
	// of nodes is not that deep: who gets there goes round in a circle of them.
	MaxHops = 16
)

// CountHop notes in the header of a request that came with it that the request is
// passed on once more. Errors: CodeUnavailable if that was so MaxHops times,
// CodeInvalidRequest.
func CountHop(h http.Header) error {
	n, err := hopsIn(h)
	if err != nil {
		return err
	}
	return setHops(h, n+1)
}

func setHops(h http.Header, n int) error {
	if n > MaxHops {
		return godwit.Errorf(godwit.CodeUnavailable, "The request was passed on %d times: nodes follow each other in a circle.", MaxHops)
	}
	h.Set(headerHops, strconv.Itoa(n))
	return nil
}

// hopsIn is how often a request has been passed on. Error: CodeInvalidRequest.
func hopsIn(h http.Header) (int, error) {
	text := h.Get(headerHops)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, godwit.Errorf(godwit.CodeInvalidRequest, "Invalid %s.", headerHops)
	}
	return int(n), nil
}

type hopsKey struct{}

// withHops returns a request whose context carries how often it has been passed on,
// for a log or a reader that passes it on. Error: CodeInvalidRequest.
func withHops(r *http.Request) (*http.Request, error) {
	n, err := hopsIn(r.Header)
	if n == 0 || err != nil {
		return r, err
	}
	return r.WithContext(WithHops(r.Context(), n)), nil
}

// WithHops is ctx for what is done for a request that has been passed on n times.
func WithHops(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, hopsKey{}, n)
}

// Hops is how often the request of ctx has been passed on.
func Hops(ctx context.Context) int {
	n, _ := ctx.Value(hopsKey{}).(int)
	return n
}

// passedOn makes a request, as request does, for what this node was asked itself.
// Error: CodeUnavailable if that has been passed on too often.
func (c *Client) passedOn(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	req, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	return req, setHops(req.Header, Hops(ctx)+1)
}
