package dashboard_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootToken = "root-token-of-the-tests"

// openNode opens a node on free ports and a disk in memory: an edge, if it has an
// upstream.
func openNode(t *testing.T, change ...func(*node.Config)) *node.Node {
	t.Helper()
	cfg := node.Config{
		Dir: "data", FS: store.NewMemFS(), RootToken: rootToken, Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0",
		Location: "lhr", Version: "v0.0.0-test",
	}
	for _, c := range change {
		c(&cfg)
	}
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-n.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the node does not become ready")
	}
	return n
}

// edgeOf makes a node an edge of another.
func edgeOf(upstream *node.Node) func(*node.Config) {
	return func(cfg *node.Config) {
		cfg.RootToken, cfg.Location = "", "bhx"
		cfg.Upstreams, cfg.UpstreamToken = []string{upstream.APIURL()}, rootToken
	}
}

// browser is one that keeps cookies, and holds every answer to what all must be.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
	csrf string // of the last page
}

func newBrowser(t *testing.T, n *node.Node) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, base: n.APIURL(), http: &http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signedIn returns a browser that has signed in with a token.
func signedIn(t *testing.T, n *node.Node, token string) *browser {
	t.Helper()
	b := newBrowser(t, n)
	b.get("/")
	if got := b.post("/dashboard/sign-in", "token", token); got.status != http.StatusSeeOther {
		t.Fatalf("sign in: got %d %s", got.status, got.body)
	}
	b.get("/dashboard/namespaces")
	return b
}

// answer is one read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) location() string { return a.header.Get("Location") }

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	got := answer{res.StatusCode, res.Header, string(body)}
	b.checkHeaders(req, got)
	if m := csrfField.FindStringSubmatch(got.body[:min(len(got.body), 64<<10)]); m != nil {
		b.csrf = m[1]
	}
	return got
}

// checkHeaders holds an answer to what every one must say, whatever it is.
func (b *browser) checkHeaders(req *http.Request, got answer) {
	b.t.Helper()
	csp := got.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'"} {
		if !strings.Contains(csp, want) {
			b.t.Errorf("%s %s: policy %q lacks %q", req.Method, req.URL, csp, want)
		}
	}
	if !strings.Contains(csp, "frame-ancestors 'none'") && !strings.Contains(csp, "sandbox") || strings.Contains(csp, "unsafe") {
		b.t.Errorf("%s %s: policy %q", req.Method, req.URL, csp)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got.header.Get(name) != want {
			b.t.Errorf("%s %s: %s is %q", req.Method, req.URL, name, got.header.Get(name))
		}
	}
	if cache := got.header.Get("Cache-Control"); cache != "no-store" && !strings.Contains(req.URL.Path, "/assets/") {
		b.t.Errorf("%s %s: Cache-Control is %q", req.Method, req.URL, cache)
	}
	if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		if found := inline(got.body); found != "" {
			b.t.Errorf("%s %s: the page has %q in it", req.Method, req.URL, found)
		}
	}
}

var (
	quoted     = regexp.MustCompile(`"[^"]*"`)
	executable = regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<style|<iframe|<img src=x|<[^>]*\s(style|on[a-z]+)=|href=""?javascript:`)
)

// inline finds what a page must not have: a script or a style of its own.
func inline(page string) string {
	return executable.FindString(quoted.ReplaceAllString(page, `""`))
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

// post sends a form with the token of the last page, as a browser would. Fields are
// names and values in turn.
func (b *browser) post(path string, fields ...string) answer {
	b.t.Helper()
	form := url.Values{"csrf": {b.csrf}}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(b.postRequest(path, form))
}

func (b *browser) postRequest(path string, form url.Values) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.base)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req
}

// contains fails unless a page has a status and each of these texts.
func (b *browser) contains(got answer, status int, texts ...string) {
	b.t.Helper()
	if got.status != status {
		b.t.Errorf("got status %d, want %d: %s", got.status, status, got.body)
	}
	for _, text := range texts {
		if !strings.Contains(got.body, text) {
			b.t.Errorf("got no %q in:\n%.4000s", text, got.body)
		}
	}
}

// api makes a request of the node's own APIs with the root token.
func api(t *testing.T, n *node.Node, method, path string, body []byte, out any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.APIURL()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if raw, ok := out.(*string); ok {
		*raw = string(text)
	} else if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return res.StatusCode
}

func kvPath(n *node.Node, rest string) string {
	return "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces" + rest
}

// namespace makes one and returns its id.
func namespace(t *testing.T, n *node.Node, title string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"title": title})
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Result struct{ ID string } }
	api(t, n, http.MethodPost, kvPath(n, ""), body, &made)
	if made.Result.ID == "" {
		t.Fatalf("create namespace %q: no id", title)
	}
	return made.Result.ID
}

// put writes a value.
func put(t *testing.T, n *node.Node, ns, key, value string) {
	t.Helper()
	if status := api(t, n, http.MethodPut, kvPath(n, "/"+ns+"/values/"+url.PathEscape(key)), []byte(value), nil); status != 200 {
		t.Fatalf("put %q: %d", key, status)
	}
}

// value reads one back; ok tells whether it is there.
func value(t *testing.T, n *node.Node, ns, key string) (text string, ok bool) {
	t.Helper()
	status := api(t, n, http.MethodGet, kvPath(n, "/"+ns+"/values/"+url.PathEscape(key)), nil, &text)
	return text, status == 200
}

// token makes one and returns its secret and its id.
func token(t *testing.T, n *node.Node, p godwit.Permission, namespaces ...string) (secret, id string) {
	t.Helper()
	spec := map[string]any{"name": string(p) + " token", "permission": p}
	if namespaces != nil {
		spec["namespaces"] = namespaces
	}
	body, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Token, ID string }
	if status := api(t, n, http.MethodPost, "/godwit/v1/tokens", body, &made); status != http.StatusCreated {
		t.Fatalf("create token: %d", status)
	}
	return made.Token, made.ID
}

// q makes the query of a namespace and perhaps a key.
func q(ns string, key ...string) string {
	v := url.Values{"ns": {ns}}
	if len(key) > 0 {
		v.Set("key", key[0])
	}
	return "?" + v.Encode()
}

var (
	secretCode = regexp.MustCompile(`id="secret"[^>]*>([^<]+)<`)
	tokenID    = regexp.MustCompile(`name="id" value="([0-9a-f]{32})"`)
)

// revoke revokes a token by its id.
func revoke(t *testing.T, n *node.Node, id string) {
	t.Helper()
	if status := api(t, n, http.MethodDelete, "/godwit/v1/tokens/"+id, nil, nil); status != 200 {
		t.Fatalf("revoke: %d", status)
	}
}
