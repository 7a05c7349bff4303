package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
)

// Bounds of looking.
const (
	maxNodes    = 1000
	atOnce      = 16
	askTimeout  = 5 * time.Second
	maxAnswer   = 4 << 10
	maxUnready  = 200 // bytes shown
	maxNameSize = 64
)

// Config is what Look needs; all fields are required.
type Config struct {
	URLs  []string                // of API ports
	Token func(url string) string // for one of URLs, no other is shown any; "": none
	Now   func() time.Time
	HTTP  http.RoundTripper
}

// Look asks the nodes of cfg, and without a token all others that they know of.
func Look(ctx context.Context, cfg Config) *Deployment {
	l := &looker{Config: cfg, http: &http.Client{
		Transport: cfg.HTTP, Timeout: askTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var named []Node
	for _, u := range cfg.URLs {
		named = append(named, Node{URL: strings.TrimRight(u, "/")})
	}
	d := &Deployment{Nodes: l.all(ctx, named)}
	var others []Node
	for i := range cfg.URLs {
		others = append(others, l.fromTree(ctx, d, i)...)
	}
	d.Nodes = append(d.Nodes, l.all(ctx, others)...)
	d.unite()
	d.name()
	l.tokens(ctx, d)
	d.Now = cfg.Now()
	return d
}

type looker struct {
	Config
	http *http.Client
}

// all looks at nodes, some at once.
func (l *looker) all(ctx context.Context, nodes []Node) []Node {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range nodes {
		if nodes[i].URL != "" {
			g.Go(func() error {
				l.node(ctx, &nodes[i])
				return nil
			})
		}
	}
	_ = g.Wait() // none fails: what went wrong is in the node
	return nodes
}

func (l *looker) client(u string) (*client.Client, error) {
	return client.New(u, l.Token(u), client.WithAttempts(1), client.WithUserAgent("godwit-doctor"), client.WithHTTPClient(l.http))
}

func (l *looker) node(ctx context.Context, n *Node) {
	if _, _, n.Health = l.ask(ctx, n.URL+"/healthz", n); n.Health != nil {
		return
	}
	if status, text, err := l.ask(ctx, n.URL+"/readyz", n); err != nil || status != http.StatusOK {
		n.Unready = strings.TrimSpace(text)
		if n.Unready == "" {
			n.Unready = fmt.Sprintf("/readyz: HTTP status %d, %v", status, err)
		}
		n.Unready = n.Unready[:min(len(n.Unready), maxUnready)]
	}
	if n.Told {
		return // a follower tells any address as its own: who listens there would have the token
	}
	c, err := l.client(n.URL)
	if err != nil {
		n.Unseen = err
		return
	}
	began := l.Now()
	s, err := c.Status(ctx)
	n.Round = l.Now().Sub(began)
	if err != nil {
		n.Unseen = err
		return
	}
	n.Status = s
	n.Offset = time.UnixMilli(s.TimeMS).Sub(began.Add(n.Round / 2))
	l.binding(ctx, n)
}

// binding asks the binding port for anything: any answer will do.
func (l *looker) binding(ctx context.Context, n *Node) {
	if n.Closed = isLoopback(n.Status.BindingURL) && !isLoopback(n.URL); !n.Closed {
		_, _, n.Binding = l.ask(ctx, n.Status.BindingURL+"/", n)
	}
}

func isLoopback(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// ask makes a request without a token, and notes the certificate that was shown.
func (l *looker) ask(ctx context.Context, target string, n *Node) (status int, text string, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, "", fmt.Errorf("make request: %w", err)
	}
	res, err := l.http.Do(q)
	if err != nil {
		var wrong *tls.CertificateVerificationError
		if errors.As(err, &wrong) {
			n.present(wrong.UnverifiedCertificates)
		}
		var ue *url.Error
		if errors.As(err, &ue) { // it repeats the address
			err = ue.Err
		}
		return 0, "", err
	}
	defer res.Body.Close()
	if res.TLS != nil {
		n.present(res.TLS.PeerCertificates)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, string(b), err
}

// present notes who was there, once.
func (n *Node) present(chain []*x509.Certificate) {
	if len(chain) == 0 || len(n.Presented) > 0 {
		return
	}
	c := chain[0]
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	n.Presented = append(n.Presented, client.Certificate{Use: "ports", Names: names, NotBefore: c.NotBefore.Unix(), NotAfter: c.NotAfter.Unix()})
}

// tokens asks the first node that shows them.
func (l *looker) tokens(ctx context.Context, d *Deployment) {
	d.NoTokens = client.ErrUnavailable
	for _, n := range d.shown() {
		c, err := l.client(n.URL)
		if err == nil {
			d.Tokens, err = c.Tokens(ctx)
		}
		if d.NoTokens = err; err == nil || errors.Is(err, client.ErrForbidden) {
			return
		}
	}
}
