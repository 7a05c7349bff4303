package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/worker"
)

// TestOtherLoopback holds which binding ports a node may tell of: one on its loopback is no
// use to another machine, where somebody else may listen at the same address.
func TestOtherLoopback(t *testing.T) {
	const binding = "http://127.0.0.1:8788"
	for _, test := range []struct {
		node, binding string
		refused       bool
	}{
		{"http://192.0.2.1:8787", binding, true},
		{"http://192.0.2.1:8787", "http://[::1]:8788", true},
		{"https://192.0.2.1", "https://localhost:8788", true},
		{"http://name.invalid:8787", binding, true},
		{"http://192.0.2.1:8787", "http://192.0.2.1:8788", false},
		{"http://127.0.0.1:8787", binding, false},
		{"http://127.8.7.87:8787", binding, false},
		{"http://localhost:8787", binding, false},
		{"http://[::1]:8787", binding, false},
		{"http://" + net.JoinHostPort(ownAddress(t), "8787"), binding, false},
	} {
		err := otherLoopback(t.Context(), test.node, test.binding)
		if (err != nil) != test.refused {
			t.Errorf("%s of the node %s: %v", test.binding, test.node, err)
		}
		if err != nil && !strings.Contains(err.Error(), test.binding+", is reached on its own machine alone: start the node with another --binding-listen") {
			t.Errorf("%s of the node %s: %v", test.binding, test.node, err)
		}
	}
}

// ownAddress is one of this machine's, not on its loopback where it has such.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// TestAskBinding holds what a binding port is: it wants a token, and is shown none.
func TestAskBinding(t *testing.T) {
	wants := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("it was shown %q", r.Header)
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
	}
	godwit, other, secure := httptest.NewServer(http.HandlerFunc(wants)), httptest.NewServer(http.NotFoundHandler()), httptest.NewTLSServer(http.HandlerFunc(wants))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, s := range []*httptest.Server{godwit, other, secure} {
		defer s.Close()
	}
	t.Setenv("HTTP_PROXY", gone.URL) // workerd knows no such thing
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	for _, test := range []struct{ url, ca, want string }{
		{godwit.URL, "", ""},
		{secure.URL, ca, ""},
		{other.URL, "", "is no binding port of a godwit"},
		{gone.URL, "", "cannot be reached"},
		{secure.URL, "", "certificate"},
		{strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), ca, "not localhost (--binding-url names another)"},
	} {
		err := askBinding(t.Context(), worker.Node{BindingURL: test.url, CA: test.ca, Token: "a-token-of-nobody"})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.url, err, test.want)
		}
		if errors.As(err, new(x509.HostnameError)) && !strings.HasPrefix(hint(err, nil), "reach it by a name") {
			t.Errorf("%s: hint %q", test.url, hint(err, nil))
		}
	}
}
