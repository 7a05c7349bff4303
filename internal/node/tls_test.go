package node_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/certtest"
)

// certificate writes a certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	a := certtest.New(t, "test")
	certFile, keyFile = a.Sign(t, "node")
	return certFile, keyFile, a.Pool()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTLSOnBothPorts(t *testing.T) {
	cfg := config()
	var pool *x509.CertPool
	cfg.TLSCert, cfg.TLSKey, pool = certificate(t)
	n := open(t, cfg)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for _, tt := range []struct {
		url, protocol string
		status        int
	}{
		{n.APIURL() + "/healthz", "HTTP/2.0", http.StatusOK},
		{n.BindingURL() + "/k", "HTTP/1.1", http.StatusUnauthorized},
	} {
		if !strings.HasPrefix(tt.url, "https://127.0.0.1:") {
			t.Errorf("got url %s", tt.url)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, nil)
		must(t, err)
		res, err := transport.RoundTrip(req)
		must(t, err)
		must(t, res.Body.Close())
		if res.StatusCode != tt.status || res.Proto != tt.protocol {
			t.Errorf("%s: got %s %s", tt.url, res.Proto, res.Status)
		}
	}
}

func TestBadCertificateIsRefused(t *testing.T) {
	cfg := config()
	cfg.TLSCert, cfg.TLSKey = "nowhere.pem", "nowhere.pem"
	if _, err := openErr(t, cfg); err == nil || !strings.Contains(err.Error(), "nowhere.pem") {
		t.Errorf("got %v", err)
	}
}

// TestBadClusterCertificateIsRefused opens members whose certificate or key is none.
func TestBadClusterCertificateIsRefused(t *testing.T) {
	cert, key, _ := certificate(t)
	junk := filepath.Join(t.TempDir(), "junk.pem")
	must(t, os.WriteFile(junk, []byte("junk"), 0o600))
	for name, files := range map[string][2]string{"certificate": {junk, key}, "key": {cert, junk}, "neither is there": {"nowhere.pem", "nowhere.pem"}} {
		cfg := config()
		cfg.Cluster, cfg.Node = "test", "a"
		cfg.ClusterListen, cfg.ClusterPeers = "127.0.0.1:1", []string{"a=127.0.0.1:1"}
		cfg.ClusterCert, cfg.ClusterKey, cfg.ClusterCA = files[0], files[1], cert
		if _, err := openErr(t, cfg); err == nil || !strings.Contains(err.Error(), "--cluster-cert: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// shownTo returns the common name of the certificate that is shown to c.
func shownTo(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	res, err := c.Get(url)
	must(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	must(t, errors.Join(err, res.Body.Close()))
	return res.TLS.PeerCertificates[0].Subject.CommonName
}

// freshly makes a connection for each request.
func freshly(a *certtest.Authority) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool()}, DisableKeepAlives: true}}
}

// TestCertificateIsRenewedUnasked puts new files there and tells the node nothing.
func TestCertificateIsRenewedUnasked(t *testing.T) {
	a := certtest.New(t, "test")
	cfg := config()
	cfg.CertificateEvery = 5 * time.Millisecond
	cfg.TLSCert, cfg.TLSKey = a.Sign(t, "old")
	n := open(t, cfg)
	cert, key := a.Sign(t, "new")
	must(t, errors.Join(os.Rename(cert, cfg.TLSCert), os.Rename(key, cfg.TLSKey)))
	for _, url := range []string{n.APIURL() + "/healthz", n.BindingURL() + "/k"} {
		eventually(t, "the new certificate is shown at "+url, func() bool { return shownTo(t, freshly(a), url) == "new" })
	}
}

// TestRenewedCertificateIsShown renews a certificate under a client that goes on.
func TestRenewedCertificateIsShown(t *testing.T) {
	a := certtest.New(t, "test")
	cfg := config()
	cfg.TLSCert, cfg.TLSKey = a.Sign(t, "old")
	n := open(t, cfg)
	kept := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool()}}}
	defer kept.CloseIdleConnections()
	url := n.APIURL() + "/healthz"
	if got := shownTo(t, kept, url); got != "old" {
		t.Fatalf("%s is shown at first", got)
	}
	cert, key := a.Sign(t, "new", net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2))
	must(t, os.Rename(cert, cfg.TLSCert))
	n.Reload() // of which the key is not there yet
	fresh := freshly(a)
	if got := shownTo(t, fresh, url); got != "old" {
		t.Errorf("%s is shown without its key", got)
	}
	must(t, os.Rename(key, cfg.TLSKey))
	n.Reload()
	for _, url := range []string{url, n.BindingURL() + "/k"} {
		if got := shownTo(t, fresh, url); got != "new" {
			t.Errorf("%s: %s is shown, want the new one", url, got)
		}
	}
	if got := shownTo(t, kept, url); got != "old" {
		t.Errorf("a connection of before has changed to %s", got)
	}
	c, err := client.New(n.APIURL(), rootToken, client.WithHTTPClient(fresh))
	must(t, err)
	defer c.Close()
	status, err := c.Status(t.Context())
	must(t, err)
	if got := status.Certificates; len(got) != 1 || len(got[0].Names) != 2 {
		t.Errorf("the status tells of %v, want the new one", got)
	}
}
