package node_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

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
