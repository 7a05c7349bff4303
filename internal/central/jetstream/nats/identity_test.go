package nats_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// TestIdentity holds what names a server: the same as long as its directory is whole,
// another once that was emptied, and none where state and identity were exchanged.
func TestIdentity(t *testing.T) {
	w := prepare(t, 1)
	dir := w.servers["n1"].dir
	name := func() string {
		t.Helper()
		s, err := nats.OpenServer(t.Context(), w.config("n1"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if nats.NodeOf(s.Name()) != "n1" {
			t.Errorf("%s is not of n1", s.Name())
		}
		return s.Name()
	}
	refused := func(what string) {
		t.Helper()
		if s, err := nats.OpenServer(t.Context(), w.config("n1")); err == nil {
			s.Close()
			t.Errorf("started %s", what)
		} else if !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	first := name()
	if again := name(); again != first {
		t.Errorf("the name was %s and is %s", first, again)
	}
	identity := filepath.Join(dir, "nats-identity")
	kept, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(identity); err != nil {
		t.Fatal(err)
	}
	refused("with state that lost its identity")
	if err := os.WriteFile(identity, []byte(strings.Repeat("0", 16)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("with the identity of another")
	if err := os.WriteFile(identity, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("with a broken identity")
	if err := os.WriteFile(identity, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if again := name(); again != first {
		t.Errorf("put back, the name is %s, was %s", again, first)
	}
	if err := os.RemoveAll(filepath.Join(dir, "nats")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "nats"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nats", ".identity.new"), []byte("ha"), 0o600); err != nil { // killed while it wrote
		t.Fatal(err)
	}
	if again := name(); again == first {
		t.Error("without its state the server has its old name")
	}
}

func TestPeers(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"n1=a:1", ""},
		{"n1=a:1,n2=b:1,n3=[::1]:1", ""},
		{"n2=a:1", "n1 is not among them: name all members, this one too"},
		{"n1=a:1,n2=b:1", "2 are named: a cluster has one, three or five"},
		{"n1=a:1,n1=b:1,n3=c:1", "n1=b:1 is there twice"},
		{"n1=a:1,n2=a:1,n3=c:1", "n2=a:1 is there twice"},
		{"n1=a", `"n1=a" is not of the form name=host:port`},
		{"n1=a:0", `"n1=a:0" is not of the form name=host:port`},
		{"a:1", `"a:1" is not of the form name=host:port`},
		{"n.1=a:1", `"n.1=a:1" is not of the form name=host:port`},
	} {
		_, err := nats.ParsePeers(strings.Split(test.text, ","), "n1")
		if got := text(err); got != test.want {
			t.Errorf("%s: %s, want %s", test.text, got, test.want)
		}
	}
}

func TestListen(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:1": true, ":6222": true, "[::]:6222": true, "": false, "127.0.0.1": false, "127.0.0.1:0": false, "127.0.0.1:x": false, ":70000": false,
	} {
		if err := nats.CheckListen(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestExposure(t *testing.T) {
	inside := []nats.Peer{{Name: "n1", Address: "127.0.0.1:1"}, {Name: "n2", Address: "localhost:2"}, {Name: "n3", Address: "[::1]:3"}}
	outside := []nats.Peer{inside[0], inside[1], {Name: "n3", Address: "10.0.0.1:3"}}
	for _, test := range []struct {
		listen string
		peers  []nats.Peer
		tls    bool
		ok     bool
	}{
		{"127.0.0.1:1", inside, false, true},
		{"[::1]:1", inside, false, true},
		{"0.0.0.0:1", inside, false, false},
		{":1", inside, false, false},
		{"10.0.0.1:1", inside, false, false},
		{"example.com:1", inside, false, false},
		{"127.0.0.1:1", outside, false, false},
		{"0.0.0.0:1", outside, true, true},
	} {
		err := nats.CheckExposure(test.listen, test.peers, test.tls)
		if (err == nil) != test.ok {
			t.Errorf("%s, TLS %v: %v", test.listen, test.tls, err)
		}
		for _, flag := range []string{"--cluster-cert", "--cluster-key", "--cluster-ca"} {
			if err != nil && !strings.Contains(err.Error(), flag) {
				t.Errorf("%v does not name %s", err, flag)
			}
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
