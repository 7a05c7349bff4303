package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	c, err := x509.ParseCertificate(der)
	must(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(c)
	return certFile, keyFile, pool
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
