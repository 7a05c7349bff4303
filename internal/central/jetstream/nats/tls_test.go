package nats_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
	"github.com/godwitkv/godwit/internal/certs"
	"github.com/godwitkv/godwit/internal/certtest"
)

func load(t *testing.T, a *certtest.Authority, name string) *tls.Config {
	t.Helper()
	return mutual(t, a, sign(t, a, name))
}

func sign(t *testing.T, a *certtest.Authority, name string) *certs.Pair {
	t.Helper()
	pair, err := certs.Open(a.Sign(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func mutual(t *testing.T, a *certtest.Authority, pair *certs.Pair) *tls.Config {
	t.Helper()
	cfg, err := nats.MutualTLS(pair, a.File)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestTLS holds that servers form a cluster over mutual TLS, and that the port says
// nothing to who shows no certificate of the cluster's authority.
func TestTLS(t *testing.T) {
	t.Parallel()
	a, other := certtest.New(t, "ours"), certtest.New(t, "another")
	w := prepare(t, 3)
	w.tls = func(node string) *tls.Config { return load(t, a, node) }
	for _, p := range w.peers {
		w.start(p.Name)
	}
	for _, p := range w.peers {
		w.wait(w.servers[p.Name])
	}
	mustSend(t, w.servers["n1"].stream, "x")

	ours, theirs := load(t, a, "x"), load(t, other, "x")
	for name, cfg := range map[string]*tls.Config{
		"no certificate": {RootCAs: ours.RootCAs},
		"another authority's": {
			RootCAs:              ours.RootCAs, // a client shows only what the server may take, unless it is made to
			GetClientCertificate: theirs.GetClientCertificate,
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

// TestTLSRenewed exchanges the certificate of one server under the others, of which one
// has to connect to it anew.
func TestTLSRenewed(t *testing.T) {
	t.Parallel()
	a := certtest.New(t, "ours")
	w, pairs := prepare(t, 3), map[string]*certs.Pair{}
	w.tls = func(node string) *tls.Config {
		pairs[node] = sign(t, a, node)
		return mutual(t, a, pairs[node])
	}
	for _, p := range w.peers {
		w.start(p.Name)
	}
	for _, p := range w.peers {
		w.wait(w.servers[p.Name])
	}
	a.Sign(t, "n1") // into the same files
	if renewed, err := pairs["n1"].Renew(); !renewed || err != nil {
		t.Fatalf("renewed: %v, %v", renewed, err)
	}
	conn, err := tls.Dial("tcp", w.peers[0].Address, load(t, a, "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().PeerCertificates[0]; !got.Equal(pairs["n1"].Leaf()) {
		t.Error("the certificate of before is shown")
	}
	w.stop("n2")
	w.start("n2")
	w.wait(w.servers["n2"])
	mustSend(t, w.servers["n2"].stream, "x")
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
