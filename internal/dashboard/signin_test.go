package dashboard_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/node"
)

func TestSignIn(t *testing.T) {
	n := openNode(t)
	b := newBrowser(t, n)
	b.contains(b.get("/"), 200, `<label for="token">`, "Sign in")
	b.contains(b.post("/dashboard/sign-in", "token", "wrong-token"), 401, "not known here")
	got := b.post("/dashboard/sign-in", "token", "  "+rootToken+"\n", "next", "/dashboard/namespaces?q=x")
	if got.status != 303 || got.location() != "/dashboard/namespaces?q=x" {
		t.Fatalf("got %d to %q", got.status, got.location())
	}
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "Secure") || strings.Contains(cookie, rootToken) {
		t.Errorf("got cookie %q", cookie)
	}
	b.contains(b.get("/dashboard/namespaces"), 200, "No namespaces yet", "Sign out")
	if got := b.get("/dashboard"); got.location() != "/dashboard/" {
		t.Errorf("/dashboard: %d to %q", got.status, got.location())
	}
	if got := b.get("/dashboard/"); got.location() != "/dashboard/namespaces" {
		t.Errorf("/dashboard/: %d to %q", got.status, got.location())
	}
	if got := b.get("/"); got.location() != "/dashboard/namespaces" {
		t.Errorf("the front while signed in: %d to %q", got.status, got.location())
	}
	if got := b.post("/dashboard/sign-out"); got.location() != "/" {
		t.Errorf("sign out: %d to %q", got.status, got.location())
	}
	if got := b.get("/dashboard/namespaces"); got.status != 303 || got.location() != "/?next=%2Fdashboard%2Fnamespaces" {
		t.Errorf("after signing out: %d to %q", got.status, got.location())
	}
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	n := openNode(t)
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil", "/dashboard/\\..\\x", "javascript:alert(1)", "/dashboard/a\r\nX: y"} {
		b := newBrowser(t, n)
		page := b.get("/?next=" + url.QueryEscape(next))
		if strings.Contains(page.body, `name="next"`) {
			t.Errorf("%q is in the form", next)
		}
		if got := b.post("/dashboard/sign-in", "token", rootToken, "next", next); got.location() != "/dashboard/namespaces" {
			t.Errorf("%q leads to %q", next, got.location())
		}
	}
}

// TestSecureCookie holds that where there is TLS the cookie travels by nothing else,
// and that a session of one kind is none of the other.
func TestSecureCookie(t *testing.T) {
	n := openNode(t)
	b := newBrowser(t, n)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.APIURL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-Proto", "https")
	if cookie := b.do(req).header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-godwit-") || !strings.Contains(cookie, "; Secure") {
		t.Errorf("got %q", cookie)
	}
}

func TestForgedSessionsAreNone(t *testing.T) {
	n := openNode(t)
	other := openNode(t)
	foreign := signedIn(t, other, rootToken)
	u, _ := url.Parse(other.APIURL())
	name := ""
	for _, c := range newCookies(t, n) {
		name = strings.TrimSuffix(c.Name, "-front")
	}
	sealed := ""
	for _, c := range foreign.http.Jar.Cookies(u) {
		if !strings.HasSuffix(c.Name, "-front") {
			sealed = c.Value
		}
	}
	front := newCookies(t, n)[0].Value // of a visitor, under the name of a session
	for _, value := range []string{"", "x", "AAAA", sealed, front, strings.Repeat("A", 3000)} {
		b := newBrowser(t, n)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.APIURL()+"/dashboard/namespaces", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: name, Value: value})
		if got := b.do(req); got.status != 303 {
			t.Errorf("%.20q: got %d", value, got.status)
		}
	}
}

func newCookies(t *testing.T, n *node.Node) []*http.Cookie {
	t.Helper()
	b := newBrowser(t, n)
	b.get("/")
	u, err := url.Parse(n.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	return b.http.Jar.Cookies(u)
}

// TestLinkFromElsewhere holds that a page that is opened without the session's cookie, as
// a browser does for a link of another site, does not end the session.
func TestLinkFromElsewhere(t *testing.T) {
	n := openNode(t)
	b := signedIn(t, n, rootToken)
	stranger := newBrowser(t, n)
	for _, c := range stranger.get("/").header.Values("Set-Cookie") {
		name, _, _ := strings.Cut(c, "=")
		u, err := url.Parse(n.APIURL())
		if err != nil {
			t.Fatal(err)
		}
		b.http.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: "x", Path: "/"}})
	}
	b.contains(b.get("/dashboard/namespaces"), 200, "Sign out")
}

func TestRevokedTokenEndsItsSession(t *testing.T) {
	n := openNode(t)
	secret, id := token(t, n, godwit.PermissionAdmin)
	b := signedIn(t, n, secret)
	b.contains(b.get("/dashboard/namespaces"), 200)
	if status := api(t, n, http.MethodDelete, "/godwit/v1/tokens/"+id, nil, nil); status != 200 {
		t.Fatalf("revoke: %d", status)
	}
	if got := b.post("/dashboard/namespaces", "title", "late"); got.status != 303 || !strings.HasPrefix(got.location(), "/") || strings.HasPrefix(got.location(), "/dashboard") {
		t.Errorf("an action: got %d to %q", got.status, got.location())
	}
	if got := b.get("/dashboard/namespaces"); got.status != 303 {
		t.Errorf("a page: got %d", got.status)
	}
	req := b.postRequest("/dashboard/pulse", nil)
	req.Method = http.MethodGet
	req.Header.Set("HX-Request", "true")
	if got := b.do(req); got.status != 401 || got.header.Get("HX-Redirect") != "/?ended=1" {
		t.Errorf("a script's request: got %d %q", got.status, got.header.Get("HX-Redirect"))
	}
	b.contains(b.get("/?ended=1"), 200, "The session has ended")
	var told string
	if api(t, n, http.MethodGet, "/godwit/v1/namespaces", nil, &told); strings.Contains(told, "late") {
		t.Error("the action was carried out")
	}
}

// TestSessionEnds holds that a session lasts its time, and no longer.
func TestSessionEnds(t *testing.T) {
	clock := apitest.NewClock()
	clock.Set(time.Now())
	n := openNode(t, func(cfg *node.Config) { cfg.Now = clock.Now })
	b := signedIn(t, n, rootToken)
	clock.Advance(12*time.Hour - time.Minute)
	b.contains(b.get("/dashboard/namespaces"), 200)
	clock.Advance(2 * time.Minute)
	if got := b.get("/dashboard/namespaces"); got.status != http.StatusSeeOther {
		t.Errorf("after its time: got %d", got.status)
	}
}

// TestSessionsOfAClockAhead: one that was begun by a clock far ahead is none once the
// clock is right.
func TestSessionsOfAClockAhead(t *testing.T) {
	clock := apitest.NewClock()
	now := time.Now()
	clock.Set(now.Add(365 * 24 * time.Hour))
	n := openNode(t, func(cfg *node.Config) { cfg.Now = clock.Now })
	b := signedIn(t, n, rootToken)
	b.contains(b.get("/dashboard/namespaces"), 200)
	clock.Set(now)
	if got := b.get("/dashboard/namespaces"); got.status != http.StatusSeeOther {
		t.Errorf("got %d", got.status)
	}
	b = signedIn(t, n, rootToken)
	clock.Set(now.Add(-30 * time.Second)) // as clocks are put right every day
	b.contains(b.get("/dashboard/namespaces"), 200)
}

func TestSignInIsLimited(t *testing.T) {
	n := openNode(t)
	b := newBrowser(t, n)
	b.get("/")
	last := answer{}
	for range 25 {
		last = b.post("/dashboard/sign-in", "token", "guess")
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
		t.Errorf("got %d", last.status)
	}
	if got := b.post("/dashboard/sign-in", "token", rootToken); got.status != http.StatusTooManyRequests {
		t.Errorf("a good one among too many: got %d", got.status)
	}
}

// TestFormWithFilesNeedsItsToken holds that no form escapes the check of its token by
// being sent as one with files.
func TestFormWithFilesNeedsItsToken(t *testing.T) {
	n := openNode(t)
	b := signedIn(t, n, rootToken)
	ns := namespace(t, n, "birds")
	b.post("/dashboard/namespace/settings"+q(ns), "min_cache_ttl", "45")
	for _, path := range []string{"namespace/settings" + q(ns), "key/save" + q(ns, "forged"), "key/upload" + q(ns, "forged"), "sign-out"} {
		req := b.postRequest("/dashboard/"+path, nil)
		set(req, nil)
		req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		req.Header.Del("Sec-Fetch-Site") // as browsers do without TLS, for pages without a referrer
		req.Header.Set("Origin", "null")
		if got := b.do(req); got.status < 400 {
			t.Errorf("%s: got %d", path, got.status)
		}
	}
	if text, ok := value(t, n, ns, "forged"); ok {
		t.Errorf("a key was written: %q", text)
	}
	b.contains(b.get("/dashboard/namespace"+q(ns)), 200, `value="45"`)
}

// TestForeignPostsAreRefused holds that no other page can have anything done.
func TestForeignPostsAreRefused(t *testing.T) {
	n := openNode(t)
	b := signedIn(t, n, rootToken)
	good := url.Values{"csrf": {b.csrf}, "title": {"made"}}
	stranger := newBrowser(t, n)
	stranger.get("/")
	for name, change := range map[string]func(*http.Request){
		"no token":        func(r *http.Request) { set(r, url.Values{"title": {"made"}}) },
		"another's token": func(r *http.Request) { set(r, url.Values{"csrf": {stranger.csrf}, "title": {"made"}}) },
		"another site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another port":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another origin":  func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://evil.example") },
		"no origin, no token": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "null")
			set(r, url.Values{"title": {"made"}})
		},
		"another kind of body": func(r *http.Request) {
			r.Header.Set("Content-Type", "text/plain")
		},
	} {
		req := b.postRequest("/dashboard/namespaces", good)
		change(req)
		if got := b.do(req); got.status != http.StatusForbidden {
			t.Errorf("%s: got %d", name, got.status)
		}
	}
	var told string
	if api(t, n, http.MethodGet, "/godwit/v1/namespaces", nil, &told); strings.Contains(told, "made") {
		t.Errorf("one was carried out: %s", told)
	}
	req := b.postRequest("/dashboard/namespaces", good)
	req.Header.Del("Sec-Fetch-Site") // as browsers do without TLS, for pages without a referrer
	req.Header.Set("Origin", "null")
	if got := b.do(req); got.status != http.StatusSeeOther {
		t.Errorf("a page of our own without TLS: got %d", got.status)
	}
	fresh := newBrowser(t, n)
	fresh.get("/")
	fresh.csrf = stranger.csrf
	if got := fresh.post("/dashboard/sign-in", "token", rootToken); got.status != http.StatusForbidden {
		t.Errorf("a sign-in by another page: got %d", got.status)
	}
}

func set(r *http.Request, form url.Values) {
	text := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
}

var assetPath = regexp.MustCompile(`/dashboard/assets/[^"]+`)

// TestFirstPageIsSmall counts what the first page takes over the wire, and that it is
// kept afterwards.
func TestFirstPageIsSmall(t *testing.T) {
	n := openNode(t)
	b := newBrowser(t, n)
	page := b.get("/")
	total := len(page.body)
	paths := assetPath.FindAllString(page.body, -1)
	if len(paths) < 4 {
		t.Fatalf("only %d assets", len(paths))
	}
	for _, path := range paths {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.APIURL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		got := b.do(req)
		total += len(got.body)
		if got.header.Get("Content-Encoding") != "gzip" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %v", path, got.header)
		}
		zr, err := gzip.NewReader(strings.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip;q=0")
		if plain := b.do(req); plain.body != string(whole) || plain.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: without gzip it is another", path)
		}
	}
	if total > 100_000 {
		t.Errorf("the first page takes %d bytes", total)
	}
	if got := b.get("/dashboard/assets/app.0000.css"); got.status != 404 {
		t.Errorf("an asset of another version: got %d", got.status)
	}
}

// TestKeyIsKept holds that sessions go on when a node is started again, by a key that
// its owner alone can read.
func TestKeyIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	onDisk := func(cfg *node.Config) { cfg.FS, cfg.Dir = nil, dir }
	first := openNode(t, onDisk)
	name := filepath.Join(dir, "dashboard-key")
	if _, err := os.Stat(name); err == nil {
		t.Error("the key was made before it was needed")
	}
	before := newCookies(t, first)[0].Name
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v", info, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openNode(t, onDisk)
	if after := newCookies(t, second)[0].Name; after != before {
		t.Errorf("another key: cookie %s, then %s", before, after)
	}
}
