package dashboard_test

import (
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

func TestNamespaces(t *testing.T) {
	n := openNode(t)
	b := signedIn(t, n, rootToken)
	made := b.post("/dashboard/namespaces", "title", "birds")
	u, err := url.Parse(made.location())
	if err != nil || made.status != 303 {
		t.Fatalf("create: %d %s", made.status, made.body)
	}
	id := u.Query().Get("ns")
	put(t, n, id, "godwit", "Limosa")
	b.contains(b.get("/dashboard/namespaces"), 200, "birds", id, `data-label="Keys">1<`)
	b.contains(b.post("/dashboard/namespaces", "title", "birds"), 400, "with this title already", `value="birds"`)
	b.contains(b.post("/dashboard/namespaces", "title", ""), 400, "title")

	if got := b.post("/dashboard/namespace/rename"+q(id), "title", "waders"); got.status != 303 {
		t.Errorf("rename: %d %s", got.status, got.body)
	}
	b.contains(b.get("/dashboard/namespaces"), 200, "waders")
	if got := b.post("/dashboard/namespace/settings"+q(id), "min_expiration_ttl", "5", "writes_per_key", "2.5", "consistency", "strong", "history", "10", "erase_within", "24h"); got.status != 303 {
		t.Errorf("settings: %d %s", got.status, got.body)
	}
	page := b.get("/dashboard/namespace" + q(id))
	b.contains(page, 200, `value="5"`, `value="2.5"`, `value="strong" selected`, `name="history" value="10"`, `name="erase_within" value="24h"`)
	refused := func(name, text string) answer {
		return b.post("/dashboard/namespace/settings"+q(id), settingsFields(page.body, "consistency", "strong", name, text)...)
	}
	b.contains(refused("min_expiration_ttl", "soon"), 400, "min_expiration_ttl is a whole number", `value="soon"`)
	b.contains(refused("writes_per_key", "NaN"), 400, "writes_per_key is a number")
	b.contains(refused("writes_per_key", "-1"), 400, "writes_per_key must be")
	b.contains(refused("erase_within", "1m"), 400, "erase_within", `value="1m"`)
	if got := b.post("/dashboard/namespace/settings"+q(id), settingsFields(page.body, "consistency", "", "min_expiration_ttl", "", "writes_per_key", "", "history", "", "erase_within", "")...); got.status != 303 {
		t.Errorf("settings taken away: %d", got.status)
	}
	if page := b.get("/dashboard/namespace" + q(id)); strings.Contains(page.body, "selected") || strings.Contains(page.body, `value="24h"`) {
		t.Error("a setting was not taken away")
	}

	b.contains(b.post("/dashboard/namespace/delete"+q(id), "confirm", "birds"), 400, "This is not the title")
	if _, ok := value(t, n, id, "godwit"); !ok {
		t.Fatal("it was deleted without confirmation")
	}
	if got := b.post("/dashboard/namespace/delete"+q(id), "confirm", "waders"); got.location() != "/dashboard/namespaces?done=ns-deleted" {
		t.Errorf("delete: %d to %q", got.status, got.location())
	}
	b.contains(b.get("/dashboard/namespace"+q(id)), 404, "No such namespace")
	b.contains(b.get("/dashboard/namespace?ns=none"), 404, "No such namespace")
}

func TestHostileTitlesStayText(t *testing.T) {
	n := openNode(t)
	b := signedIn(t, n, rootToken)
	for _, title := range []string{
		`<script>window.hit=1</script>`, `"><img src=x onerror=alert(1)>`, `'"&amp;`, "</title></textarea>", "{{.}}", "a\u202eb", "\x00\x01", "💥 \u200b",
	} {
		id := namespace(t, n, title)
		for _, path := range []string{"/dashboard/namespaces", "/dashboard/namespace" + q(id)} {
			got := b.get(path)
			if strings.Contains(got.body, "<script>window") || strings.Contains(got.body, "<img src=x") {
				t.Errorf("%q is not text on %s", title, path)
			}
			if plain := title; !strings.ContainsAny(plain, "\u202e\x00\u200b") && !strings.Contains(html.UnescapeString(got.body), plain) {
				t.Errorf("%q is not shown on %s", title, path)
			}
		}
	}
}

func TestNoTokenSeesWhatIsNotItsOwn(t *testing.T) {
	n := openNode(t)
	mine := namespace(t, n, "mine")
	namespace(t, n, "secret")
	secret, _ := token(t, n, godwit.PermissionRead, mine)
	b := signedIn(t, n, secret)
	got := b.get("/dashboard/namespaces")
	b.contains(got, 200, "mine", "1 namespace that")
	for _, hidden := range []string{"secret", "Create namespace", "Settings", "Tokens"} {
		if strings.Contains(got.body, hidden) {
			t.Errorf("the page shows %q", hidden)
		}
	}
}
