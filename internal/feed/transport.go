package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/trace"
)

const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 10 * time.Second // until the head of an answer, once the request is out
	idleTimeout   = 90 * time.Second // of a connection that is kept for the next request
	maxIdle       = 64               // connections kept
	readBuffer    = 64 << 10
)

// ClientConfig is what a Client needs; URL and Token are required.
type ClientConfig struct {
	URL   string // of the upstream's API port
	Token string // the follower's own, permission replicate
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	TLS   *tls.Config
	Agent string // User-Agent
}

// Client asks one upstream. Its methods may be called from many goroutines.
// Their errors are *godwit.Error where the upstream answered with one, else
// wrap the cause, with CodeUnavailable.
type Client struct {
	cfg      ClientConfig
	base     *url.URL
	requests *http.Client
	streams  *http.Client // no bound on the wait for an answer's head but the stream's own
}

// NewClient returns a client. Error: the URL is none.
func NewClient(cfg ClientConfig) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("upstream URL is malformed") // err would repeat it, with what secrets it holds
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("upstream URL %q does not start with http:// or https:// and a host", base.Redacted())
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("upstream URL %q must hold nothing but scheme, host, port and path", base.Redacted())
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if cfg.Agent == "" {
		cfg.Agent = "godwit"
	}
	c := &Client{cfg: cfg, base: base}
	c.requests = c.httpClient(answerTimeout)
	c.requests.Transport = trace.Transport(c.requests.Transport, spanName)
	c.streams = c.httpClient(0)
	return c, nil
}

// spanName is what a trace calls a request of another node: what is below Prefix, which
// has no key in it.
func spanName(r *http.Request) string {
	_, path, _ := strings.Cut(r.URL.Path, Prefix)
	return "upstream." + strings.TrimPrefix(path, "/")
}

// httpClient never goes by a proxy of the environment and follows no redirect:
// the token is for the upstream alone.
func (c *Client) httpClient(answer time.Duration) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           c.dial,
			TLSClientConfig:       c.cfg.TLS,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: answer,
			IdleConnTimeout:       idleTimeout,
			MaxIdleConnsPerHost:   maxIdle,
			DisableCompression:    true,
			ReadBufferSize:        readBuffer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial connects. Its errors are *net.OpError, by which a request that was never
// sent can be told from one that may have arrived.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := c.cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: answerTimeout}).DialContext
	}
	conn, err := dial(ctx, network, address)
	var op *net.OpError
	if err != nil && (!errors.As(err, &op) || op.Op != "dial") {
		err = &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return conn, err
}

// Close closes idle connections.
func (c *Client) Close() {
	c.requests.CloseIdleConnections()
	c.streams.CloseIdleConnections()
}

// URL is the upstream's.
func (c *Client) URL() string { return c.base.String() }

// request makes a request with the follower's own token. path is below Prefix.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	u := *c.base
	u.Path += Prefix + path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	req.Header.Set("User-Agent", c.cfg.Agent)
	return req, nil
}

// send sends a request and returns an answer with status 200 or 204; the caller
// closes its body. Errors: *godwit.Error, the upstream's own or CodeUnavailable.
func (c *Client) send(req *http.Request) (*http.Response, error) { return send(c.requests, req) }

func send(h *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := h.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	switch {
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent:
		return resp, nil
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		err = godwit.Errorf(godwit.CodeUnavailable, "The upstream redirects (status %d), which is not followed: give its own URL.", resp.StatusCode)
	default:
		err = errorOf(resp)
	}
	resp.Body.Close()
	return nil, err
}

// unreachable is the error of a request that got no answer.
func unreachable(err error) error {
	return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The upstream cannot be reached.", Err: err}
}

// broken is the error of an answer that cannot be used, or broke off.
func broken(err error) error {
	return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The upstream's answer broke off or is damaged.", Err: err}
}

// drain reads what is left of an answer, so that its connection can be used again.
func drain(body io.Reader) error {
	if _, err := io.CopyN(io.Discard, body, readBuffer); err != nil && !errors.Is(err, io.EOF) {
		return broken(err)
	}
	return nil
}
