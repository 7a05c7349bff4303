package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/godwitkv/godwit/internal/worker"
)

// bindingTimeout is how long the start waits for the binding port to answer.
const bindingTimeout = 10 * time.Second

// otherLoopback refuses a binding port that a node has told of, and which is on the
// loopback of another machine: at the same address here Workers would find whoever listens,
// and show it their token.
func otherLoopback(ctx context.Context, nodeURL, bindingURL string) error {
	binding, err := url.Parse(bindingURL)
	if err != nil || !isLoopback(binding.Hostname()) {
		return nil //nolint:nilerr // whoever connects complains of the form
	}
	node, err := url.Parse(nodeURL)
	if err != nil || isHere(ctx, node.Hostname()) {
		return nil //nolint:nilerr // as above
	}
	return fmt.Errorf("the node's binding port, %s, is reached on its own machine alone: start the node with another --binding-listen, name a way there by --binding-url, or run an edge here by --edge", bindingURL)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// isHere tells whether a host is this machine, by any of its addresses.
func isHere(ctx context.Context, host string) bool {
	if isLoopback(host) {
		return true
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	var own []netip.Addr
	networks, _ := net.InterfaceAddrs() // without them it is another machine
	for _, n := range networks {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			own = append(own, p.Addr())
		}
	}
	return slices.ContainsFunc(ips, func(ip netip.Addr) bool { return ip.IsLoopback() || slices.Contains(own, ip.Unmap()) })
}

// askBinding asks the binding port for anything, as workerd reaches it: directly, and with
// the same trust. The request has no token: a godwit answers that it wants one.
func askBinding(ctx context.Context, n worker.Node) error {
	ctx, cancel := context.WithTimeout(ctx, bindingTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, n.BindingURL, nil)
	if err != nil {
		return nil //nolint:nilerr // whoever connects complains of the form
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	if n.CA != "" {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(n.CA))
	}
	res, err := transport.RoundTrip(q)
	if err != nil {
		return fmt.Errorf("the node's binding port, %s, cannot be reached: %w (--binding-url names another)", n.BindingURL, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
		return fmt.Errorf("what answers at %s is no binding port of a godwit (--binding-url names another)", n.BindingURL)
	}
	return nil
}
