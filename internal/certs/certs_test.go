package certs_test

import (
	"os"
	"testing"

	"github.com/godwitkv/godwit/internal/certs"
	"github.com/godwitkv/godwit/internal/certtest"
)

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// renews holds what Renew tells, and what is shown then.
func renews(t *testing.T, p *certs.Pair, renewed, fails bool, name string) {
	t.Helper()
	got, err := p.Renew()
	if got != renewed || (err != nil) != fails {
		t.Errorf("renewed: %v, %v; want %v, error: %v", got, err, renewed, fails)
	}
	client, err := p.ToClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	server, err := p.ToServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if client.Leaf.Subject.CommonName != name || server != client || p.Leaf() != client.Leaf {
		t.Errorf("%s is shown, want %s", client.Leaf.Subject.CommonName, name)
	}
}

func TestRenewedInItsFiles(t *testing.T) {
	a := certtest.New(t, "ours")
	cert, key := a.Sign(t, "old")
	p, err := certs.Open(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	renews(t, p, false, false, "old")
	newCert, newKey := a.Sign(t, "new")
	move(t, newCert, cert)
	renews(t, p, false, true, "old") // the key is not there yet
	move(t, newKey, key)
	renews(t, p, true, false, "new")
	renews(t, p, false, false, "new")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	renews(t, p, false, true, "new")
}

func TestOpenTellsWhatIsMissing(t *testing.T) {
	cert, _ := certtest.New(t, "ours").Sign(t, "node")
	if _, err := certs.Open(cert, "nowhere.pem"); !os.IsNotExist(err) {
		t.Errorf("got error %v", err)
	}
}
