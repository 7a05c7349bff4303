package dashboard_test

import (
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
)

var versionLink = regexp.MustCompile(`<td class="main"><a href="([^"]+)">`)

// remembering makes a namespace that keeps versions.
func remembering(t *testing.T, n *node.Node, title string) string {
	t.Helper()
	ns := namespace(t, n, title)
	if status := api(t, n, http.MethodPatch, "/godwit/v1/namespaces/"+ns+"/settings", []byte(`{"history":"24h"}`), nil); status != 200 {
		t.Fatalf("turn history on: %d", status)
	}
	return ns
}

// versionLinks are the addresses of the versions that a page lists, the latest first.
func versionLinks(page string) (links []string) {
	for _, m := range versionLink.FindAllStringSubmatch(page, -1) {
		links = append(links, html.UnescapeString(m[1]))
	}
	return links
}

// TestHistory looks at what a key held, restores it, deletes it and puts it back.
func TestHistory(t *testing.T) {
	n := openNode(t, func(cfg *node.Config) { cfg.AuditLog = filepath.Join(t.TempDir(), "audit.log") })
	ns := remembering(t, n, "birds")
	put(t, n, ns, "a/godwit", "Limosa")
	put(t, n, ns, "a/godwit", "Limosa <b>lapponica</b>")
	put(t, n, ns, "a/godwit", "a mistake")
	b := signedIn(t, n, rootToken)
	b.contains(b.get("/dashboard/key"+q(ns, "a/godwit")), 200, ">History</a>")
	list := "/dashboard/versions" + q(ns, "a/godwit")
	page := b.get(list)
	b.contains(page, 200, "current", "replaced", ">root<")
	links := versionLinks(page.body)
	if len(links) != 3 {
		t.Fatalf("got %d versions: %s", len(links), page.body)
	}
	b.contains(b.get(links[0]), 200, "a mistake")
	old := b.get(links[1])
	b.contains(old, 200, "Limosa &lt;b&gt;lapponica&lt;/b&gt;", "Restore this version")
	if got := b.get(strings.Replace(links[1], "/version?", "/version/value?", 1)); got.body != "Limosa <b>lapponica</b>" || got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("download: %q as %s", got.body, got.header.Get("Content-Type"))
	}

	restore := strings.Replace(links[1], "/version?", "/version/restore?", 1)
	now := first(t, regexp.MustCompile(`name="now" value="(\d*)"`), old.body)
	b.contains(b.post(restore, "now", "7"), 409, "Someone else changed the key")
	if got := b.post(restore, "now", now); got.status != 303 || !strings.Contains(got.location(), "done=restored") {
		t.Fatalf("restore: %d %s", got.status, got.body)
	}
	if v, _ := value(t, n, ns, "a/godwit"); v != "Limosa <b>lapponica</b>" {
		t.Errorf("restored %q", v)
	}

	undelete := "/dashboard/undelete" + q(ns, "a/godwit")
	b.contains(b.post(undelete), 409, "The key is there")
	if status := api(t, n, http.MethodDelete, kvPath(n, "/"+ns+"/values/"+url.PathEscape("a/godwit")), nil, nil); status != 200 {
		t.Fatalf("delete: %d", status)
	}
	b.contains(b.get("/dashboard/key"+q(ns, "a/godwit")), 404, "The key is not there now", "Put it back")
	if got := b.post(undelete); got.status != 303 {
		t.Fatalf("undelete: %d %s", got.status, got.body)
	}
	if v, _ := value(t, n, ns, "a/godwit"); v != "Limosa <b>lapponica</b>" {
		t.Errorf("put back %q", v)
	}
}

// A version is restored with its metadata and what is left of its expiration.
func TestRestoreKeepsAll(t *testing.T) {
	n := openNode(t)
	ns := remembering(t, n, "birds")
	b := signedIn(t, n, rootToken)
	image := picture(t)
	if got := b.upload("/dashboard/key/upload"+q(ns), image, "x.png", "csrf", b.csrf, "key", "k", "expire", "in", "in", "2", "unit", "hours", "metadata", `{"km":1}`); got.status != 303 {
		t.Fatalf("upload: %d %s", got.status, got.body)
	}
	put(t, n, ns, "k", "a mistake")
	links := versionLinks(b.get("/dashboard/versions" + q(ns, "k")).body)
	old := b.get(links[1])
	b.contains(old, 200, `class="preview"`, "&#34;km&#34;: 1", "in 2 hours")
	if got := b.get(strings.Replace(links[1], "/version?", "/version/preview?", 1)); got.header.Get("Content-Type") != "image/png" || got.body != string(image) {
		t.Errorf("preview: %d as %s", got.status, got.header.Get("Content-Type"))
	}
	b.contains(b.get(strings.Replace(links[0], "/version?", "/version/preview?", 1)), 415, "not an image")
	now := first(t, regexp.MustCompile(`name="now" value="(\d*)"`), old.body)
	if got := b.post(strings.Replace(links[1], "/version?", "/version/restore?", 1), "now", now); got.status != 303 {
		t.Fatalf("restore: %d %s", got.status, got.body)
	}
	b.contains(b.get("/dashboard/key"+q(ns, "k")), 200, `class="preview"`, "&#34;km&#34;: 1", "in 2 hours")
}

// Without a history, and of what there never was, pages say so.
func TestNoHistory(t *testing.T) {
	n := openNode(t)
	plain, kept := namespace(t, n, "plain"), remembering(t, n, "kept")
	put(t, n, plain, "k", "v")
	b := signedIn(t, n, rootToken)
	if page := b.get("/dashboard/key" + q(plain, "k")); strings.Contains(page.body, ">History<") {
		t.Error("a key without history has a link to it")
	}
	b.contains(b.get("/dashboard/versions"+q(plain, "none")), 200, "No history is kept", "namespace set "+plain+" --history")
	b.contains(b.get("/dashboard/versions"+q(kept, "none")), 200, "never here")
	b.contains(b.get("/dashboard/key"+q(kept, "none")), 404, "No such key")
	b.contains(b.get("/dashboard/version"+q(kept, "none")+"&revision=9"), 410, "Not kept")
	b.contains(b.get("/dashboard/version"+q(kept, "none")+"&revision=x"), 400)
	reader, _ := token(t, n, godwit.PermissionRead, kept)
	put(t, n, kept, "k", "1")
	put(t, n, kept, "k", "2")
	r := signedIn(t, n, reader)
	page := r.get(versionLinks(r.get("/dashboard/versions" + q(kept, "k")).body)[1])
	r.contains(page, 200, "replaced")
	if strings.Contains(page.body, "Restore this version") {
		t.Error("a token that may not write is offered to restore")
	}
}

// TestHistoryAtEdge asks an edge, which keeps none, and its centre while that is away.
func TestHistoryAtEdge(t *testing.T) {
	centre := openNode(t)
	ns := remembering(t, centre, "birds")
	put(t, centre, ns, "k", "one")
	put(t, centre, ns, "k", "two")
	edge := openNode(t, edgeOf(centre))
	b := signedIn(t, edge, rootToken)
	links := versionLinks(b.get("/dashboard/versions" + q(ns, "k")).body)
	if len(links) != 2 {
		t.Fatalf("got %d versions", len(links))
	}
	old := b.get(links[1])
	b.contains(old, 200, "one", "Restore this version")
	now := first(t, regexp.MustCompile(`name="now" value="(\d*)"`), old.body)
	if got := b.post(strings.Replace(links[1], "/version?", "/version/restore?", 1), "now", now); got.status != 303 {
		t.Fatalf("restore: %d %s", got.status, got.body)
	}
	if v, _ := value(t, centre, ns, "k"); v != "one" {
		t.Errorf("the centre has %q", v)
	}
}
