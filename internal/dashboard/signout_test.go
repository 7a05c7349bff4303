package dashboard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/porttest"
)

// TestSignOutWhileTheCentreIsAway holds that one can sign out where nobody can say whether
// the token is good.
func TestSignOutWhileTheCentreIsAway(t *testing.T) {
	centre := openNode(t)
	here, other := namespace(t, centre, "here"), namespace(t, centre, "other")
	upstream, _ := token(t, centre, godwit.PermissionReplicate, here)
	writer, _ := token(t, centre, godwit.PermissionWrite, other)
	at := func(address string) func(*node.Config) {
		dir := t.TempDir()
		return func(cfg *node.Config) {
			edgeOf(centre)(cfg)
			cfg.Dir, cfg.FS, cfg.UpstreamToken, cfg.Listen = dir, nil, upstream, address
		}
	}
	conf := at(porttest.Free(t))
	cfg := node.Config{Dir: "data", BindingListen: "127.0.0.1:0", Version: "v0.0.0-test"}
	conf(&cfg)
	edge, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-edge.Ready()
	b := signedIn(t, edge, writer)
	if err := edge.Close(); err != nil {
		t.Fatal(err)
	}
	if err := centre.Close(); err != nil {
		t.Fatal(err)
	}
	openNode(t, func(c *node.Config) { *c = cfg })

	b.contains(b.get("/dashboard/namespaces"), http.StatusServiceUnavailable, "Try again", "Sign out")
	form := b.csrf
	b.csrf = "none"
	b.contains(b.post("/dashboard/sign-out"), http.StatusForbidden, "Not from this page", "Sign out")
	b.csrf = form
	got := b.post("/dashboard/sign-out")
	if got.location() != "/" || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("sign out: %d to %q, cookie %q", got.status, got.location(), got.header.Get("Set-Cookie"))
	}
	b.contains(b.get("/"), 200, "Sign in to this node")
}
