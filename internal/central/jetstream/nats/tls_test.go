package nats_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.path("ca"), "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

// sign makes the files of a certificate, for both sides of a connection.
func (a *authority) sign(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.path(name), "CERTIFICATE", der)
	b, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.path(name+"-key"), "PRIVATE KEY", b)
	return a.path(name), a.path(name + "-key")
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) load(t *testing.T, name string) *tls.Config {
	t.Helper()
	cert, key := a.sign(t, name)
	cfg, err := nats.LoadTLS(cert, key, a.path("ca"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestTLS holds that servers form a cluster over mutual TLS, and that the port says
// nothing to who shows no certificate of the cluster's authority.
func TestTLS(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t, "ours"), newAuthority(t, "another")
	w := prepare(t, 3)
	w.tls = func(node string) *tls.Config { return a.load(t, node) }
	for _, p := range w.peers {
		w.start(p.Name)
	}
	for _, p := range w.peers {
		w.wait(w.servers[p.Name])
	}
	mustSend(t, w.servers["n1"].stream, "x")

	ours, theirs := a.load(t, "x"), other.load(t, "x").Certificates[0]
	for name, cfg := range map[string]*tls.Config{
		"no certificate": {RootCAs: ours.RootCAs},
		"another authority's": {
			RootCAs:              ours.RootCAs, // a client shows only what the server may take, unless it is made to
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &theirs, nil },
		},
	} {
		if err := joinAs(w.peers[0].Address, cfg); err == nil {
			t.Errorf("the cluster port took a peer with %s", name)
		}
	}
	if err := joinAs(w.peers[0].Address, ours); err != nil {
		t.Errorf("the cluster port did not take a peer: %v", err)
	}
}

// joinAs begins what a route begins with.
func joinAs(address string, cfg *tls.Config) error {
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	cfg = cfg.Clone()
	cfg.ServerName = "127.0.0.1"
	conn := tls.Client(raw, cfg)
	if err := conn.Handshake(); err != nil {
		return err
	}
	connect := `CONNECT {"name":"x","cluster":"` + cluster + `","tls_required":true}`
	if _, err := conn.Write([]byte(connect + "\r\nPING\r\n")); err != nil {
		return err
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}

// TestOutside holds that nobody gets in through the port for clients, on which the
// server cannot but listen.
func TestOutside(t *testing.T) {
	w := newWorld(t, 1)
	for _, err := range w.servers["n1"].server.ConnectOutside() {
		if !errors.Is(err, natsgo.ErrAuthorization) {
			t.Errorf("connected from outside: %v", err)
		}
	}
}
