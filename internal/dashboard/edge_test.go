package dashboard_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
)

// eventually waits for what holds soon.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not soon", what)
		}
	}
}

// TestEdge does at an edge what is decided at its centre, as who is signed in there.
func TestEdge(t *testing.T) {
	centre := openNode(t)
	edge := openNode(t, edgeOf(centre))
	admin, _ := token(t, centre, godwit.PermissionAdmin)
	b := signedIn(t, edge, admin)
	made := b.post("/dashboard/namespaces", "title", "birds")
	u, err := url.Parse(made.location())
	if err != nil || made.status != 303 {
		t.Fatalf("create: %d %s", made.status, made.body)
	}
	ns := u.Query().Get("ns")
	if got := b.post("/dashboard/key/save"+q(ns), "key", "godwit", "text", "Limosa", "expire", "never"); got.status != 303 {
		t.Fatalf("save: %d %s", got.status, got.body)
	}
	if v, _ := value(t, centre, ns, "godwit"); v != "Limosa" {
		t.Errorf("the centre has %q", v)
	}
	b.contains(b.get("/dashboard/key"+q(ns, "godwit")), 200, "Limosa")
	b.contains(b.get("/dashboard/keys"+q(ns)), 200, "godwit", "staleness")
	b.contains(b.get("/dashboard/overview"), 200, "bhx", "lhr", "d1")
	if got := b.post("/dashboard/namespace/settings"+q(ns), "consistency", "strong"); got.status != 303 {
		t.Errorf("settings: %d %s", got.status, got.body)
	}
	page := b.post("/dashboard/tokens", "name", "reader", "permission", "read", "reach", "some", "ns", ns, "days", "2")
	b.contains(page, 200, "gdw_", "It is not shown again", "birds", "in 2 days")

	// A token that only reads here cannot write there.
	reader, _ := token(t, centre, godwit.PermissionRead)
	r := signedIn(t, edge, reader)
	b.contains(r.post("/dashboard/key/save"+q(ns), "key", "k", "text", "x"), 403, "Not allowed")
	if got := b.post("/dashboard/namespace/delete"+q(ns), "confirm", "birds"); got.status != 303 {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
}

// TestEdgeAlone holds that with the centre away one reads on, is told that what one
// sees is stale, and loses nothing of what cannot be written.
func TestEdgeAlone(t *testing.T) {
	centre := openNode(t)
	ns := namespace(t, centre, "birds")
	put(t, centre, ns, "godwit", "Limosa")
	admin, _ := token(t, centre, godwit.PermissionAdmin)
	edge := openNode(t, edgeOf(centre))
	b := signedIn(t, edge, admin)
	if err := centre.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the edge notices", func() bool { return strings.Contains(b.get("/dashboard/pulse").body, "Stale data") })
	b.contains(b.get("/dashboard/namespaces"), 200, "birds", "Stale data", "cannot take writes")
	b.contains(b.get("/dashboard/keys"+q(ns)), 200, "godwit", "Stale data")
	page := b.get("/dashboard/key" + q(ns, "godwit"))
	b.contains(page, 200, "Limosa", "Stale data")
	b.contains(b.post("/dashboard/key/save"+q(ns, "godwit"), "revision", first(t, revision, page.body), "text", "kept text"),
		503, "upstream cannot be reached", "kept text")
	b.contains(b.post("/dashboard/namespaces", "title", "kept title"), 503, "upstream cannot be reached", "kept title")
	b.contains(b.get("/dashboard/tokens"), 503, "Not now", "upstream cannot be reached")
	fresh := newBrowser(t, edge)
	fresh.get("/")
	if got := fresh.post("/dashboard/sign-in", "token", admin); got.status != 303 {
		t.Errorf("signing in with a token that is known here: %d", got.status)
	}
	b.contains(b.get("/dashboard/overview"), 200, "bhx")
	fresh = newBrowser(t, edge)
	fresh.get("/")
	fresh.contains(fresh.post("/dashboard/sign-in", "token", "one-that-the-edge-does-not-know"), 503, "upstream that may know it cannot be asked")
}

// TestUncarriedNamespace holds that an edge does not say 0 keys of what it does not
// have, and shows them all the same.
func TestUncarriedNamespace(t *testing.T) {
	centre := openNode(t)
	here, there := namespace(t, centre, "here"), namespace(t, centre, "there")
	put(t, centre, there, "godwit", "Limosa")
	edge := openNode(t, edgeOf(centre), func(cfg *node.Config) { cfg.Namespaces = []string{here} })
	b := signedIn(t, edge, rootToken)
	b.contains(b.get("/dashboard/namespaces"), 200, "elsewhere")
	b.contains(b.get("/dashboard/keys"+q(there)), 200, "godwit", "does not carry")
	b.contains(b.get("/dashboard/key"+q(there, "godwit")), 200, "Limosa")
	if got := b.get("/dashboard/value" + q(there, "godwit")); got.status != http.StatusOK || got.body != "Limosa" {
		t.Errorf("download: %d %q", got.status, got.body)
	}
}

// TestPagesAskForNoDeletedNamespace holds that a page which names many namespaces does
// not wait for the centre once for each that is gone.
func TestPagesAskForNoDeletedNamespace(t *testing.T) {
	centre := openNode(t)
	to, err := url.Parse(centre.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	var barriers atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/barrier") {
			barriers.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(between.Close)
	gone, stays := namespace(t, centre, "gone"), namespace(t, centre, "stays")
	limited, _ := token(t, centre, godwit.PermissionRead, gone, stays)
	edge := openNode(t, edgeOf(centre), func(cfg *node.Config) {
		cfg.Upstreams, cfg.AuditLog, cfg.AuditStrict = []string{between.URL}, filepath.Join(t.TempDir(), "audit.log"), true
	})
	put(t, edge, gone, "godwit", "Limosa")
	api(t, edge, http.MethodPut, kvPath(edge, "/"+gone+"/values/k?expiration_ttl=1"), []byte("v"), nil) // 400
	b, reader := signedIn(t, edge, rootToken), signedIn(t, edge, limited)
	if got := b.post("/dashboard/namespace/delete"+q(gone), "confirm", "gone"); got.status != 303 {
		t.Fatalf("delete: %d %s", got.status, got.body)
	}
	before := barriers.Load()
	b.contains(b.get("/dashboard/audit"), 200, "value_put")
	b.contains(b.get("/dashboard/requests"), 200, "value_put")
	reader.contains(reader.get("/dashboard/access"), 200, "stays")
	if got := barriers.Load() - before; got != 0 {
		t.Errorf("the centre was asked %d times for what is gone", got)
	}
}
