package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/godwitkv/godwit"
)

// Bounds of what an edge is told of its upstreams.
const (
	maxUpstreams  = 16
	maxTokenBytes = 512
	maxRefBytes   = 4 * godwit.MaxTitleRunes // of a namespace's id or title
)

// edge tells whether c is of an edge.
func (c *Config) edge() bool { return len(c.Upstreams) > 0 }

// follows tells whether the log is not in the node itself.
func (c *Config) follows() bool { return c.edge() || c.member() }

// validateUpstream returns what is wrong with what makes an edge.
func (c *Config) validateUpstream() (problems []error) {
	complain := func(flag, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", flag, fmt.Sprintf(format, args...)))
	}
	if c.AdvertiseURL != "" {
		if err := checkURL(c.AdvertiseURL); err != nil {
			complain("--advertise", "%v", err)
		}
	}
	if !c.edge() {
		for _, f := range []struct {
			flag  string
			given bool
		}{
			{"--upstream-token", c.UpstreamToken != ""},
			{"--upstream-ca", c.UpstreamCA != ""},
			{"--namespaces", len(c.Namespaces) > 0},
			{"--max-value", c.MaxValue != 0},
			{"--value-cache-bytes", c.ValueCacheBytes != 0},
		} {
			if f.given {
				complain(f.flag, "is for an edge, which --upstream makes")
			}
		}
		return problems
	}
	if len(c.Upstreams) > maxUpstreams {
		complain("--upstream", "%d URLs are more than %d", len(c.Upstreams), maxUpstreams)
	}
	for _, u := range c.Upstreams {
		if err := checkURL(u); err != nil {
			complain("--upstream", "%v", err)
		}
	}
	if err := checkUpstreamToken(c.UpstreamToken); err != nil {
		complain("--upstream-token", "%v", err)
	}
	return append(problems, c.validateCarried()...)
}

func (c *Config) validateCarried() (problems []error) {
	if len(c.Namespaces) > godwit.MaxNamespaces {
		problems = append(problems, fmt.Errorf("--namespaces: %d are more than there can be", len(c.Namespaces)))
	}
	for _, ref := range c.Namespaces {
		if ref == "" || len(ref) > maxRefBytes {
			problems = append(problems, fmt.Errorf("--namespaces: %.64q is not an id or a title", ref))
		}
	}
	if c.MaxValue < 0 {
		problems = append(problems, fmt.Errorf("--max-value: %d is below 0", c.MaxValue))
	}
	if c.ValueCacheBytes < 0 {
		problems = append(problems, fmt.Errorf("--value-cache-bytes: %d is below 0", c.ValueCacheBytes))
	}
	return problems
}

// checkURL wants what a node's API port is reached by.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("%q is not of the form http://host:port", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the URL of %s holds more than scheme, host and port", u.Host)
	}
	return nil
}

// checkUpstreamToken never repeats the token.
func checkUpstreamToken(token string) error {
	switch {
	case token == "":
		return errors.New(`is needed with --upstream: make one at the centre by "godwit token create --permission replicate"`)
	case len(token) > maxTokenBytes, strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("a token is up to %d printable characters without spaces", maxTokenBytes)
	}
	return nil
}

// upstreamTLS is how upstreams prove who they are; nil is the system's way.
func (c *Config) upstreamTLS() (*tls.Config, error) {
	if c.UpstreamCA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.UpstreamCA)
	if err != nil {
		return nil, fmt.Errorf("--upstream-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--upstream-ca: %s holds no PEM certificate", c.UpstreamCA)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
