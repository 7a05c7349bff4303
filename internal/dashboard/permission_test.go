package dashboard_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

// act is a page or an action, and who may have it: each permission by its first
// letter, in capitals that of a token for the one namespace alone.
type act struct {
	method, path string
	fields       []string
	who          string
}

// acts are all pages and actions about a namespace, and about the account. Those that
// change something come last, and would do so if they were let.
func acts(ns string) []act {
	const all, one, writers, admins = "rwfaRWFA", "rwfaRWFA", "waWA", "aA"
	return []act{
		{"GET", "/dashboard/namespaces", nil, all},
		{"GET", "/dashboard/overview", nil, all},
		{"GET", "/dashboard/overview/nodes", nil, all},
		{"GET", "/dashboard/overview/samples", nil, all},
		{"GET", "/dashboard/pulse", nil, all},
		{"GET", "/dashboard/map", nil, all},
		{"GET", "/dashboard/map/nodes", nil, all},
		{"GET", "/dashboard/node", nil, all},
		{"GET", "/dashboard/node/about", nil, all},
		{"GET", "/dashboard/live", nil, all},
		{"GET", "/dashboard/tokens", nil, "a"},
		{"GET", "/dashboard/live" + q(ns), nil, one},
		{"GET", "/dashboard/keys" + q(ns), nil, one},
		{"GET", "/dashboard/key" + q(ns, "k"), nil, one},
		{"GET", "/dashboard/value" + q(ns, "k"), nil, one},
		{"GET", "/dashboard/key/new" + q(ns), nil, writers},
		{"GET", "/dashboard/namespace" + q(ns), nil, admins},
		{"GET", "/dashboard/data" + q(ns), nil, one},
		{"GET", "/dashboard/export" + q(ns), nil, one},
		{"GET", "/dashboard/progress", nil, all},
		{"GET", "/dashboard/audit", nil, "a"},
		{"GET", "/dashboard/requests", nil, "a"},
		{"GET", "/dashboard/versions" + q(ns, "k"), nil, one},
		{"GET", "/dashboard/version" + q(ns, "k") + "&revision=1", nil, one},
		{"GET", "/dashboard/version/value" + q(ns, "k") + "&revision=1", nil, one},
		{"GET", "/dashboard/version/preview" + q(ns, "k") + "&revision=1", nil, one},
		{"POST", "/dashboard/version/restore" + q(ns, "k") + "&revision=1", nil, writers},
		{"GET", "/dashboard/console", nil, all},
		{"GET", "/dashboard/access", nil, all},
		{"GET", "/dashboard/access?id=none", nil, "a"},
		{"GET", "/dashboard/console" + q(ns), nil, one},
		{"POST", "/dashboard/console" + q(ns), []string{"command", "get k"}, one},
		{"POST", "/dashboard/console" + q(ns), []string{"command", "put c v"}, writers},
		{"POST", "/dashboard/console" + q(ns), []string{"command", "delete c"}, writers},
		{"POST", "/dashboard/console" + q(ns), []string{"command", "undelete c"}, writers},
		{"POST", "/dashboard/undelete" + q(ns, "k"), nil, writers},
		{"POST", "/dashboard/key/save" + q(ns, "s"), []string{"text", "x"}, writers},
		{"POST", "/dashboard/key/delete" + q(ns, "d"), []string{"revision", ""}, writers},
		{"POST", "/dashboard/keys/delete" + q(ns), []string{"pick", "none"}, writers},
		{"POST", "/dashboard/namespace/settings" + q(ns), nil, admins},
		{"POST", "/dashboard/namespace/rename" + q(ns), []string{"title", ns}, admins},
		{"POST", "/dashboard/namespace/delete" + q(ns), []string{"confirm", "not the title"}, admins},
		{"POST", "/dashboard/namespaces", []string{"title", ""}, "a"},
		{"POST", "/dashboard/tokens", []string{"permission", "none"}, "a"},
		{"POST", "/dashboard/tokens/revoke", []string{"id", "none"}, "a"},
	}
}

// TestPermissions holds each page and action to what each kind of token may do, for a
// namespace that it is for and for one that it is not for.
func TestPermissions(t *testing.T) {
	n := openNode(t)
	mine, other := namespace(t, n, "mine"), namespace(t, n, "other")
	for _, ns := range []string{mine, other} {
		put(t, n, ns, "k", "v")
	}
	for _, p := range godwit.Permissions() {
		letter := string(p[:1])
		if p == godwit.PermissionReplicate {
			letter = "f"
		}
		everywhere, _ := token(t, n, p)
		here, _ := token(t, n, p, mine)
		b, limited := signedIn(t, n, everywhere), signedIn(t, n, here)
		for _, a := range acts(mine) {
			b.check(a, strings.Contains(a.who, letter), string(p))
			limited.check(a, strings.Contains(a.who, strings.ToUpper(letter)), string(p)+" for the namespace")
		}
		for _, a := range acts(other) {
			allowed := strings.Contains(a.who, letter)
			b.check(a, allowed, string(p))
			if strings.Contains(a.path, other) {
				limited.check(a, false, string(p)+" for another namespace")
			}
		}
	}
}

// check asks for a page or an action, and wants it refused or not.
func (b *browser) check(a act, allowed bool, who string) {
	b.t.Helper()
	var got answer
	if a.method == http.MethodGet {
		got = b.get(a.path)
	} else {
		got = b.post(a.path, a.fields...)
	}
	refused := got.status == http.StatusForbidden
	if refused == allowed {
		b.t.Errorf("%s %s with %s: got %d", a.method, a.path, who, got.status)
	}
	if !refused && got.status >= 500 {
		b.t.Errorf("%s %s with %s: got %d %s", a.method, a.path, who, got.status, got.body)
	}
}

// TestUploadNeedsWrite is TestPermissions for the form that has a file.
func TestUploadNeedsWrite(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "mine")
	for p, status := range map[godwit.Permission]int{"read": 403, "replicate": 403, "write": 303, "admin": 303} {
		secret, _ := token(t, n, p)
		b := signedIn(t, n, secret)
		if b.csrf == "" {
			t.Fatal("there is no token for forms")
		}
		got := b.upload("/dashboard/key/upload"+q(ns), []byte("x"), string(p), "csrf", b.csrf)
		if got.status != status {
			t.Errorf("%s: got %d", p, got.status)
		}
		imported := b.upload("/dashboard/import"+q(ns), []byte(`{"key":"imported by `+p+`","value":"v"}`), "lines", "csrf", b.csrf)
		if _, ok := value(t, n, ns, "imported by "+string(p)); ok != (status == 303) || (imported.status == 403) == ok {
			t.Errorf("%s: imported: %v, got %d", p, ok, imported.status)
		}
		if _, ok := value(t, n, ns, string(p)); ok != (status == 303) {
			t.Errorf("%s: written: %v", p, ok)
		}
	}
}

// TestPagesHideWhatIsNotAllowed looks at what pages offer to each kind of token.
func TestPagesHideWhatIsNotAllowed(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "mine")
	put(t, n, ns, "k", "v")
	offers := []string{"New key", `name="pick"`, "Delete this key", "Replace with a file", `<textarea id="text"`, ">Settings<", ">Tokens<", "Create namespace"}
	for p, want := range map[godwit.Permission][]string{
		"read":      nil,
		"replicate": nil,
		"write":     offers[:5],
		"admin":     offers,
	} {
		secret, _ := token(t, n, p)
		b := signedIn(t, n, secret)
		pages := b.get("/dashboard/namespaces").body + b.get("/dashboard/keys"+q(ns)).body + b.get("/dashboard/key"+q(ns, "k")).body
		for _, offer := range offers {
			if strings.Contains(pages, offer) != slices.Contains(want, offer) {
				t.Errorf("%s: offers %q: %v", p, offer, !slices.Contains(want, offer))
			}
		}
	}
}

// TestEveryPageNeedsASession asks for all of them without one.
func TestEveryPageNeedsASession(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "mine")
	b := newBrowser(t, n)
	b.get("/")
	for _, a := range append(acts(ns), act{"GET", "/dashboard/preview" + q(ns, "k"), nil, ""}, act{"GET", "/dashboard/live/events" + q(ns), nil, ""}, act{"GET", "/dashboard/none", nil, ""}) {
		var got answer
		if a.method == http.MethodGet {
			got = b.get(a.path)
		} else {
			got = b.post(a.path, a.fields...)
		}
		if got.status != http.StatusSeeOther && got.status != http.StatusUnauthorized || strings.HasPrefix(got.location(), "/dashboard") {
			t.Errorf("%s %s: got %d to %q", a.method, a.path, got.status, got.location())
		}
	}
}
