package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// responseTimeout bounds the wait for an answer once a request is sent.
const responseTimeout = time.Minute

// Client talks to one server. Its methods may be called from many goroutines.
type Client struct {
	base     string // without a trailing slash
	token    string
	agent    string
	http     *http.Client
	attempts int
	backoff  time.Duration // before the second attempt; doubles with each

	pages sync.Pool // of *bytes.Buffer: pages of scans are read into them

	mu      sync.Mutex
	account string            // "" until it is known
	ids     map[string]titled // by title
}

// Option changes how a Client works.
type Option func(*Client)

// WithHTTPClient sends requests through h, for TLS settings or a proxy of one's
// own. It should not follow redirects: they lose the token.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithAccount names the account, 32 hexadecimal characters, instead of asking
// the server for it.
func WithAccount(id string) Option { return func(c *Client) { c.account = id } }

// WithAttempts bounds how often a request is sent; 1 is never again. The
// default is 4.
func WithAttempts(n int) Option { return func(c *Client) { c.attempts = max(n, 1) } }

// WithBackoff sets the wait before the second attempt; it doubles with each up
// to a second. The default is 50 ms; less than 0 is 0.
func WithBackoff(d time.Duration) Option { return func(c *Client) { c.backoff = max(d, 0) } }

// WithUserAgent sets the User-Agent header.
func WithUserAgent(agent string) Option { return func(c *Client) { c.agent = agent } }

// New returns a client of the server at base, such as "http://127.0.0.1:8787".
// It sends nothing. An error says what is wrong with base, the token or an option.
func New(base, token string, opts ...Option) (*Client, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("server url %q is not of the form http://host:port", base)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("server url %q has parts beyond http://host:port", u.Redacted())
	case !sendable(token):
		return nil, errors.New("the token holds a line break or another control character")
	}
	c := &Client{
		base:     strings.TrimRight(base, "/"),
		token:    token,
		agent:    "godwit-go",
		attempts: 4,
		backoff:  50 * time.Millisecond,
		ids:      map[string]titled{},
	}
	c.pages.New = func() any { return new(bytes.Buffer) }
	for _, opt := range opts {
		opt(c)
	}
	if !sendable(c.agent) {
		return nil, errors.New("the user agent holds a line break or another control character")
	}
	if c.http == nil {
		c.http = newHTTPClient()
	}
	return c, nil
}

func newHTTPClient() *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: responseTimeout,
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close drops the connections that are idle. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Account returns the id of the account, which the server is asked for once.
func (c *Client) Account(ctx context.Context) (string, error) {
	c.mu.Lock()
	account := c.account
	c.mu.Unlock()
	if account != "" {
		return account, nil
	}
	var accounts []struct {
		ID string `json:"id"`
	}
	if err := c.rest(ctx, call{method: http.MethodGet, path: "/client/v4/accounts", idempotent: true}, &accounts); err != nil {
		return "", fmt.Errorf("find account: %w", err)
	}
	if len(accounts) == 0 || accounts[0].ID == "" {
		return "", errors.New("find account: the server names none")
	}
	c.mu.Lock()
	c.account = accounts[0].ID
	c.mu.Unlock()
	return accounts[0].ID, nil
}

// accountPath is a path of the REST API below the account.
func (c *Client) accountPath(ctx context.Context, rest string) (string, error) {
	account, err := c.Account(ctx)
	if err != nil {
		return "", err
	}
	return "/client/v4/accounts/" + url.PathEscape(account) + "/storage/kv" + rest, nil
}
