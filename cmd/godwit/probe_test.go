package main

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// TestProbeKeepsItsToken: a node of the tree, which tells its own address, is shown a token
// and not the one that probe was given.
func TestProbeKeepsItsToken(t *testing.T) {
	shown := make(chan string, 1000)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			shown <- a
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(stranger.Close)
	centre := startChild(t, t.TempDir())
	startChild(t, t.TempDir(), "--upstream", centre.url, "--upstream-token", "root-token-of-the-tests", "--advertise", stranger.URL)
	cmd := exec.Command("godwit", "probe", "--url", centre.url, "--token", "root-token-of-the-tests", "--duration", "1s")
	out, err := cmd.CombinedOutput()
	stranger.Close()
	close(shown)
	if len(shown) == 0 {
		t.Fatalf("the node was shown nothing: %v\n%s", err, out)
	}
	for a := range shown {
		if strings.Contains(a, "root-token-of-the-tests") {
			t.Fatal("the node was shown the root token")
		}
	}
}
