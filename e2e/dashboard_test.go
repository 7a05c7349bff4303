package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// refused are what Chromium says by itself of pages that are answered so.
const refused = "the server responded with a status of 40"

func (s *server) put(namespace, key, value string) {
	s.t.Helper()
	res, got, err := s.do(http.MethodPut, s.kv("/namespaces/"+namespace+"/values/"+url.PathEscape(key)), strings.NewReader(value))
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("put %q: %v %s", key, err, got)
	}
}

func (s *server) value(namespace, key string) (string, bool) {
	s.t.Helper()
	res, got, err := s.do(http.MethodGet, s.kv("/namespaces/"+namespace+"/values/"+url.PathEscape(key)), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(got), res.StatusCode == http.StatusOK
}

func keyQuery(namespace, key string) string {
	return "?" + url.Values{"ns": {namespace}, "key": {key}}.Encode()
}

// TestDashboard does with the pages what people do with them.
func TestDashboard(t *testing.T) {
	s := startServer(t, "--audit-log", filepath.Join(t.TempDir(), "audit.log"))
	chromium := startChromium(t)
	t.Run("work", func(t *testing.T) { dashboardWork(t, newTab(chromium, t, s), s) })
	t.Run("keyboard", func(t *testing.T) { dashboardKeyboard(t, newTab(chromium, t, s)) })
	t.Run("hostile", func(t *testing.T) { dashboardHostile(t, newTab(chromium, t, s), s) })
	t.Run("two editors", func(t *testing.T) {
		dashboardConflict(t, newTab(chromium, t, s), newTab(chromium, t, s), s)
	})
	t.Run("a session that ends", func(t *testing.T) {
		dashboardEnded(t, newTab(chromium, t, s), newTab(chromium, t, s), s)
	})
	t.Run("many keys", func(t *testing.T) { dashboardManyKeys(t, newTab(chromium, t, s), s) })
	t.Run("live", func(t *testing.T) { dashboardLive(t, newTab(chromium, t, s), newTab(chromium, t, s), s) })
	t.Run("export and import", func(t *testing.T) { dashboardData(t, newTab(chromium, t, s), s) })
	t.Run("history", func(t *testing.T) { dashboardHistory(t, newTab(chromium, t, s), s) })
	t.Run("console", func(t *testing.T) { dashboardConsole(t, newTab(chromium, t, s), s) })
	t.Run("more pages", func(t *testing.T) { dashboardMorePages(t, newTab(chromium, t, s), s) })
	t.Run("every page", func(t *testing.T) { dashboardPages(t, newTab(chromium, t, s), s) })
}

// dashboardWork signs in, makes a namespace, makes a key in it, changes and deletes
// it, and signs out.
func dashboardWork(t *testing.T, b *tab, s *server) {
	b.open("/")
	b.fill("#token", "no-such-token-0123456789")
	b.click("button.primary")
	b.sees("not known here")
	b.healthy(refused)
	b.signIn(rootToken)
	b.sees("No namespaces yet")
	b.fill("#title", "work")
	b.click("form.card button.primary")
	b.sees("Namespace created.", "No keys yet")
	u, err := url.Parse(evaluate[string](b, "location.href"))
	if err != nil {
		t.Fatal(err)
	}
	ns := u.Query().Get("ns")

	b.open("/dashboard/key/new?ns=" + ns)
	b.fill("#key", "birds/godwit")
	b.fill("#text", `{"name":"Limosa","km":13560}`)
	b.click("button[value=format]")
	if !b.truth(`document.querySelector("#text").value === '{\n  "name": "Limosa",\n  "km": 13560\n}'`) {
		t.Error("the text was not formatted")
	}
	b.fill("#key", "birds/godwit")
	b.press("input[value=in]")
	b.fill("input[name=in]", "3")
	b.fill("select[name=unit]", "days")
	b.click("button[value=save]")
	b.sees("Saved.", "birds/godwit", "in 3 days")
	if v, _ := s.value(ns, "birds/godwit"); v != "{\n  \"name\": \"Limosa\",\n  \"km\": 13560\n}" {
		t.Errorf("saved %q", v)
	}
	b.fill("#text", "one\ntwo\n")
	b.press("input[name=json]")
	b.click("button[value=save]")
	b.sees("Saved.")
	if v, _ := s.value(ns, "birds/godwit"); v != "one\ntwo\n" {
		t.Errorf("saved %q", v)
	}
	b.press("aside details summary")
	b.click("aside details button")
	b.sees("Key deleted.")
	if _, ok := s.value(ns, "birds/godwit"); ok {
		t.Error("the key is still there")
	}
	b.click(".who button")
	b.sees("Sign in to this node")
	b.open("/dashboard/namespaces")
	b.sees("Sign in to this node")
	b.healthy()
}

// dashboardKeyboard signs in and opens a page without a mouse.
func dashboardKeyboard(t *testing.T, b *tab) {
	b.open("/")
	b.await(`document.activeElement.id === "token"`)
	b.insert(rootToken)
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitReady(chromedp.CSS("nav")))
	b.do(chromedp.KeyEvent(kb.Tab))
	b.await(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.await(`document.activeElement.id === "main"`)
	b.do(chromedp.KeyEvent(kb.Tab))
	b.await(`document.activeElement.closest("main") && document.activeElement.tagName !== "MAIN"`)
	if !b.truth(`getComputedStyle(document.activeElement).outlineStyle === "solid" && parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2`) {
		t.Error("one cannot see what has the focus")
	}
	b.healthy()
}

// hostileTexts would run a script, or break out of where they stand.
func hostileTexts() []string {
	return []string{
		`<script>window.hit=1</script>`, `"><img src=x onerror="window.hit=1">`, `</textarea><script>window.hit=1</script>`,
		`'-(window.hit=1)-'`, `javascript:window.hit=1`, "{{constructor.constructor('window.hit=1')()}}", "a\x00b", "../..//x", "..%2f", "💥 \u202e", "\"\\\n\u2028",
		`<svg onload=window.hit=1>`, `</title><iframe srcdoc="<script>parent.hit=1</script>">`, `' hx-on:load='window.hit=1`, `<a hx-get="/x" hx-trigger="load">`,
	}
}

// dashboardHostile opens pages with keys, values and titles that are no harmless
// text, and holds that nothing of it runs.
func dashboardHostile(t *testing.T, b *tab, s *server) {
	b.signIn(rootToken)
	ns := s.createNamespace(`<script>window.hit=1</script>"'><img src=x onerror=window.hit=1>`)
	watching := "/dashboard/live?ns=" + ns
	for _, text := range hostileTexts() {
		s.put(ns, text, text)
	}
	for _, path := range []string{"/dashboard/namespaces", "/dashboard/namespace?ns=" + ns, "/dashboard/keys?ns=" + ns, "/dashboard/tokens"} {
		b.open(path)
		if b.truth("window.hit") {
			t.Errorf("a script ran at %s", path)
		}
	}
	for _, text := range hostileTexts() {
		b.open("/dashboard/keys?ns=" + ns + "&prefix=" + url.QueryEscape(text))
		if !b.truth(`document.querySelectorAll("td.main a").length === 1`) {
			t.Errorf("%q is not in the list", text)
			continue
		}
		b.click("td.main a")
		if b.truth("window.hit") {
			t.Errorf("a script ran on the page of %q", text)
		}
		if !b.truth(`document.querySelector("#text")`) {
			continue // it is shown as bytes
		}
		b.click("button[value=save]")
		if v, _ := s.value(ns, text); v != text {
			t.Errorf("opened and saved, %q became %q", text, v)
		}
	}
	b.open(watching)
	b.await(`document.querySelector("#live-state").textContent === "Live"`)
	for _, text := range hostileTexts() {
		s.put(ns, text, "again")
	}
	b.await(fmt.Sprintf(`document.querySelectorAll("#events li").length >= %d`, len(hostileTexts())))
	if b.truth("window.hit") {
		t.Error("a script ran on the page that watches")
	}
	b.healthy()
}

// dashboardConflict has two people edit one key.
func dashboardConflict(t *testing.T, one, two *tab, s *server) {
	ns := s.createNamespace("shared")
	s.put(ns, "k", "a\nb\nc")
	for _, b := range []*tab{one, two} {
		b.signIn(rootToken)
		b.open("/dashboard/key" + keyQuery(ns, "k"))
	}
	one.fill("#text", "a\nONE\nc")
	one.click("button[value=save]")
	one.sees("Saved.")
	two.fill("#text", "a\nTWO\nc")
	two.click("button[value=save]")
	two.sees("Someone else changed this key", "ONE", "TWO", "Save mine over theirs")
	if v, _ := s.value(ns, "k"); v != "a\nONE\nc" {
		t.Fatalf("the second overwrote the first: %q", v)
	}
	two.size(1280, 900)
	two.shoot("conflict-1280")
	two.accessible("conflict")
	two.click("button[value=save]")
	if v, _ := s.value(ns, "k"); v != "a\nTWO\nc" {
		t.Errorf("got %q", v)
	}
	one.healthy()
	two.healthy(refused)
}

// dashboardManyKeys searches 100,000 keys as one types.
func dashboardManyKeys(t *testing.T, b *tab, s *server) {
	const keys = 100_000
	ns := s.createNamespace("many")
	all := keysFile(keys)
	items := strings.Split(strings.Trim(all, "[]"), "},")
	for from := 0; from < keys; from += 10_000 {
		body := "[" + strings.TrimSuffix(strings.Join(items[from:from+10_000], "},"), "}") + "}]"
		if res, got, err := s.do(http.MethodPut, s.kv("/namespaces/"+ns+"/bulk"), strings.NewReader(body)); err != nil || res.StatusCode != 200 {
			t.Fatalf("bulk put: %v %s", err, got)
		}
	}
	b.signIn(rootToken)
	b.open("/dashboard/keys?ns=" + ns)
	b.sees("key/000000", "key/000049")
	b.do(chromedp.Focus(chromedp.CSS("#prefix")))
	b.insert("key/09876")
	b.await(`document.querySelectorAll("td.main").length === 10`)
	b.sees("key/098760", "key/098769")
	if !b.truth(`location.search.includes("key%2F09876") || location.search.includes("key/09876")`) {
		t.Error("the address does not name the search")
	}
	b.do(chromedp.NavigateBack())
	b.await(`document.querySelectorAll("td.main").length === 50 && document.querySelector("#prefix").value === ""`)
	b.open("/dashboard/keys?ns=" + ns + "&prefix=key/0")
	b.click("a[rel=next]")
	b.sees("key/000050", "key/000099")
	b.click("a[rel=prev]")
	b.sees("key/000000", "key/000049")

	b.press("#pick-all")
	b.await(`document.querySelector("[data-picked]").textContent === "50"`)
	b.press(".pager summary")
	b.click(".pager button.danger")
	b.sees("The selected keys were deleted.", "key/000050")
	if _, ok := s.value(ns, "key/000049"); ok {
		t.Error("a selected key is still there")
	}
	if _, ok := s.value(ns, "key/000050"); !ok {
		t.Error("a key that was not selected is gone")
	}
	b.healthy()
}

// dashboardLive watches a namespace while another writes to it, and the node as it
// works.
func dashboardLive(t *testing.T, b, overview *tab, s *server) {
	ns := s.createNamespace("watched")
	b.signIn(rootToken)
	b.open("/dashboard/live?ns=" + ns + "&prefix=a")
	b.await(`document.querySelector("#live-state").textContent === "Live"`)
	s.put(ns, "b", "not shown")
	s.put(ns, "a/godwit", "Limosa")
	b.await(`document.querySelector("#events li")?.textContent.includes("a/godwit")`)
	if b.truth(`document.querySelector("#events").textContent.includes("not shown")`) {
		t.Error("a key is shown that does not begin so")
	}
	b.press("#live-pause")
	s.put(ns, "a/knot", "Calidris")
	b.press("#live-pause")
	b.await(`document.querySelector("#events li")?.textContent.includes("a/knot")`)
	b.healthy()

	overview.signIn(rootToken)
	overview.open("/dashboard/overview")
	overview.await(`document.querySelectorAll(".uplot canvas").length === 2`)
	s.value(ns, "a/knot")
	overview.await(`/^[0-9]/.test(document.querySelector("[data-now=reads]").textContent)`)
	overview.await(`document.querySelector("#nodes .state")?.textContent === "ready"`)
	before := evaluate[string](overview, `document.querySelector("#uptime").old = document.querySelector("#storage").textContent`)
	s.put(ns, "a/ruff", "Philomachus")
	overview.await(fmt.Sprintf(`document.querySelector("#storage").textContent !== %q`, before))
	overview.await(`document.querySelector("#uptime").old === undefined`)
	overview.healthy()
}
