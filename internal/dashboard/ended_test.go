package dashboard_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// again are the fields of a form that a page shows again, with its text.
func again(page, text string) []string {
	fields := []string{"text", text}
	for _, found := range hiddenField.FindAllStringSubmatch(page, -1) {
		if found[1] != "csrf" {
			fields = append(fields, found[1], html.UnescapeString(found[2]))
		}
	}
	return fields
}

// TestTextIsKeptWhenTheSessionEnds holds that a text which is saved when its session has
// ended, or another has begun, is not saved and not lost.
func TestTextIsKeptWhenTheSessionEnds(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	put(t, n, ns, "k", "before")
	secret, id := token(t, n, godwit.PermissionWrite)
	b := signedIn(t, n, secret)
	opened := b.get("/dashboard/key" + q(ns, "k"))
	form := b.csrf
	const text = "an hour's <work>"
	kept := strings.NewReplacer("'", "&#39;", "<", "&lt;", ">", "&gt;").Replace(text)
	save := func(fields ...string) answer {
		return b.post("/dashboard/key/save"+q(ns, "k"), append(fields, "metadata", `{"a":1}`, "revision", first(t, revision, opened.body), "expire", "never")...)
	}
	revoke(t, n, id)
	ended := save("text", text)
	b.contains(ended, http.StatusUnauthorized, "The session has ended", kept, `name="metadata" value="{&#34;a&#34;:1}"`, `action="/dashboard/key/save?`)
	b.contains(save("text", text), http.StatusUnauthorized, kept)

	other, _ := token(t, n, godwit.PermissionWrite)
	b.get("/")
	if got := b.post("/dashboard/sign-in", "token", other); got.status != 303 {
		t.Fatalf("sign in: %d", got.status)
	}
	b.csrf = form
	anew := b.post("/dashboard/key/save"+q(ns, "k"), again(ended.body, text)...)
	b.contains(anew, http.StatusForbidden, "you have signed in anew", kept, "{&#34;a&#34;:1}")
	if v, _ := value(t, n, ns, "k"); v != "before" {
		t.Fatalf("a form of another session wrote %q", v)
	}
	if got := save("text", text); got.status != 303 {
		t.Errorf("save: %d %s", got.status, got.body)
	}
	if v, _ := value(t, n, ns, "k"); v != text {
		t.Errorf("saved %q", v)
	}

	// What no page of this node has given is not shown again: of the sign-in neither.
	visitor := newBrowser(t, n)
	visitor.get("/")
	for _, csrf := range []string{"", "none", "none.none", visitor.csrf, form + "x"} {
		b.csrf, visitor.csrf = csrf, csrf
		b.contains(save("text", text), http.StatusForbidden, "Not from this page")
		if got := visitor.post("/dashboard/key/save"+q(ns, "k"), "text", text); got.location() != "/" {
			t.Errorf("%q without a session: %d to %q", csrf, got.status, got.location())
		}
	}
}
