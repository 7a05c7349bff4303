package native_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootToken = "root-token-of-the-tests"

// fullScrub has all fields.
var fullScrub = native.Scrub{
	Running: true, EverySeconds: 1, BytesPerSecond: 1, Began: 1, Bytes: 1, Found: 1, Mended: 1, Unmended: 1, Next: 1,
	LastBegan: 1, LastEnded: 1, LastBytes: 1, LastFound: 1, LastMended: 1,
}

// world is the API on a store in memory, with two namespaces.
type world struct {
	t        *testing.T
	config   native.Config
	service  api.Config
	fs       *store.MemFS
	reader   godwit.Reader
	handler  http.Handler
	contract *contract
	catalog  *catalog.Catalog
	log      *embedded.Log
	store    *store.Store
	hub      *watch.Hub
	one, two *godwit.Namespace
	rotated  int
	scrubbed int
	removed  int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	fs := store.NewMemFS()
	st, err := store.Open(t.Context(), store.Config{Dir: "data", FS: fs})
	check(t, err)
	var c *catalog.Catalog
	st.SetOnSystem(func(records []godwit.Record) {
		if c != nil {
			c.Apply(records)
		}
	})
	hub := watch.New(watch.Config{Store: st})
	st.SetOnCommit(hub.Committed)
	st.SetOnExpired(hub.Expired)
	log, err := embedded.Open(t.Context(), embedded.Config{Store: st})
	check(t, err)
	t.Cleanup(func() {
		check(t, log.Close())
		check(t, st.Close())
	})
	c, err = catalog.Open(t.Context(), catalog.Config{Source: st, Log: log, RootToken: rootToken, Now: time.Now})
	check(t, err)
	logger := slog.New(slog.DiscardHandler)
	w := &world{t: t, contract: newContract(t), fs: fs, reader: st, store: st, catalog: c, log: log, hub: hub}
	w.one, err = c.CreateNamespace(t.Context(), "one", "eu", godwit.RequestKey{})
	check(t, err)
	w.two, err = c.CreateNamespace(t.Context(), "two", "eu", godwit.RequestKey{})
	check(t, err)
	w.service = api.Config{
		Reader: st, Log: log, Uploader: st, History: st, Catalog: c, Limits: godwit.DefaultLimits(),
		Now: time.Now, Logger: logger, Metrics: prometheus.NewRegistry(),
	}
	w.config = native.Config{
		Service: api.New(w.service),
		Status:  fullStatus,
		Size:    func(godwit.NamespaceID) (keys, bytes int64) { return 7, 70 },
		RotateRoot: func(context.Context) (string, error) {
			w.rotated++
			return "another-root-token", nil
		},
		Tree: func(context.Context, bool) feed.Node {
			return feed.Node{NodeInfo: feed.NodeInfo{ID: "self", RootToken: true, TokenExpires: 1}}
		},
		Cluster: func() *native.Cluster {
			return &native.Cluster{Name: "main", Node: "a", Leader: "b", Members: []native.Member{{Name: "a"}, {Name: "b"}}}
		},
		StartScrub: func() native.Scrub {
			w.scrubbed++
			return fullScrub
		},
		RemoveMember: func(_ context.Context, name string) error {
			if name != "b" {
				return godwit.Errorf(godwit.CodeInvalidRequest, "No member has this name.")
			}
			w.removed++
			return nil
		},
		Feed:   new(peers),
		Watch:  hub,
		Logger: logger,
	}
	w.handler = w.contract.over(native.New(w.config))
	return w
}

// fullStatus has every field that a status may have.
func fullStatus(host string) native.Status {
	return native.Status{
		Role: "central", BindingURL: "http://" + host, FencedBy: 2, Problem: "p", ClockOffsetMS: 1, Upstream: "u", Missing: 1, Progress: "p",
		Disk: &native.Disk{FreeBytes: 1}, Encryption: &native.Encryption{KeyID: "k"}, Audit: &native.Audit{Dropped: 1},
		Ports:        []native.Port{{Name: "api", Open: true, TLS: true}, {Name: "pprof"}},
		Certificates: []native.Certificate{{Use: "ports", Names: []string{"n"}}},
		Cluster:      &native.Cluster{Members: []native.Member{{Problem: "p"}}},
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// token makes one and returns its secret.
func (w *world) token(p godwit.Permission, namespaces ...godwit.NamespaceID) string {
	w.t.Helper()
	secret, _, err := w.catalog.CreateToken(w.t.Context(), godwit.Token{Permission: p, Namespaces: namespaces})
	check(w.t, err)
	return secret
}

// do sends a request and returns the status and the body.
func (w *world) do(method, uri, token, body string) (status int, reply string) {
	res := w.response(method, uri, token, body)
	return res.Code, strings.TrimSpace(res.Body.String())
}

func (w *world) response(method, uri, token, body string) *httptest.ResponseRecorder {
	return w.ask(method, uri, token, body, nil)
}

// ask is response with headers besides.
func (w *world) ask(method, uri, token, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://node.example:1"+uri, strings.NewReader(body))
	r.RequestURI = uri
	maps.Copy(r.Header, header)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res := httptest.NewRecorder()
	w.handler.ServeHTTP(res, r)
	return res
}

// TestPermissions walks each endpoint with each kind of token.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	tokens := map[string]string{
		"none":          "",
		"unknown":       "gdw_not-a-token-of-this-node",
		"read":          w.token(godwit.PermissionRead),
		"replicate":     w.token(godwit.PermissionReplicate),
		"write":         w.token(godwit.PermissionWrite),
		"admin":         w.token(godwit.PermissionAdmin),
		"read of one":   w.token(godwit.PermissionRead, w.one.ID),
		"write of one":  w.token(godwit.PermissionWrite, w.one.ID),
		"admin of one":  w.token(godwit.PermissionAdmin, w.one.ID),
		"admin of two":  w.token(godwit.PermissionAdmin, w.two.ID),
		"root":          rootToken,
		"root, cut off": rootToken[:len(rootToken)-1],
	}
	const (
		writers  = "write|admin|write of one|admin of one|root"
		anyone   = "read replicate write admin|read of one|write of one|admin of one|admin of two|root"
		admins   = "admin|root"
		ofOne    = "read replicate write admin|read of one|write of one|admin of one|root"
		adminOne = "admin|admin of one|root"
		root     = "root"
	)
	settings := "/godwit/v1/namespaces/" + w.one.ID.String() + "/settings"
	for _, tt := range []struct{ method, uri, body, may string }{
		{"GET", "/godwit/v1/status", "", anyone},
		{"GET", "/godwit/v1/namespaces", "", anyone},
		{"POST", "/godwit/v1/namespaces", `{"title":"one","if_not_exists":true}`, admins},
		{"GET", "/godwit/v1/namespaces/one", "", ofOne},
		{"GET", "/godwit/v1/namespaces/none", "", "read replicate write admin|root"},
		{"PATCH", "/godwit/v1/namespaces/one", `{"title":"one"}`, adminOne},
		{"PATCH", "/godwit/v1/namespaces/none", `{"title":"one"}`, admins},
		{"DELETE", "/godwit/v1/namespaces/none", "", admins},
		{"DELETE", "/godwit/v1/namespaces/00000000000000000000000000000001", "", admins},
		{"GET", settings, "", ofOne},
		{"PATCH", settings, `{"min_cache_ttl":30}`, adminOne},
		{"GET", "/godwit/v1/namespaces/00000000000000000000000000000001/settings", "", "read replicate write admin|root"},
		{"POST", "/godwit/v1/namespaces/one/transactions", `{"mutations":[{"op":"put","key":"k","value":"v"}]}`, writers},
		{"POST", "/godwit/v1/namespaces/none/transactions", `{"mutations":[{"op":"put","key":"k","value":"v"}]}`, admins + "|write"},
		{"POST", "/godwit/v1/namespaces/one/clear", `{"prefix":"k"}`, writers},
		{"POST", "/godwit/v1/namespaces/none/clear", `{"all":true}`, admins + "|write"},
		{"POST", "/godwit/v1/namespaces/one/copy", `{"prefix":"","to_namespace":"two"}`, "write|admin|root"},
		{"POST", "/godwit/v1/namespaces/two/copy", `{"prefix":"","to_namespace":"one"}`, "write|admin|root"},
		{"POST", "/godwit/v1/namespaces/one/copy", `{"prefix":"k","to_namespace":"one","to_prefix":"copy/"}`, writers},
		{"POST", "/godwit/v1/namespaces/one/copy", `{"prefix":"","to_namespace":"none"}`, "write|admin|root"},
		{"POST", "/godwit/v1/namespaces/none/copy", `{"prefix":"","to_namespace":"one"}`, "read replicate write admin|root"},
		{"HEAD", "/godwit/v1/namespaces/one/watch", "", ofOne},
		{"HEAD", "/godwit/v1/namespaces/none/watch", "", "read replicate write admin|root"},
		{"GET", "/godwit/v1/namespaces/one/analytics", "", ofOne},
		{"GET", "/godwit/v1/namespaces/none/analytics", "", "read replicate write admin|root"},
		{"GET", "/godwit/v1/namespaces/one/keys", "", ofOne},
		{"GET", "/godwit/v1/namespaces/" + w.one.ID.String() + "/keys?values=1", "", ofOne},
		{"GET", "/godwit/v1/namespaces/none/keys", "", "read replicate write admin|root"},
		{"GET", "/godwit/v1/namespaces/one/keys/k", "", ofOne},
		{"GET", "/godwit/v1/namespaces/none/keys/k", "", "read replicate write admin|root"},
		{"GET", "/godwit/v1/namespaces/one/keys/k/versions", "", ofOne},
		{"GET", "/godwit/v1/namespaces/one/keys/k/versions/1", "", ofOne},
		{"GET", "/godwit/v1/namespaces/one/keys/k/at/1", "", ofOne},
		{"GET", "/godwit/v1/namespaces/none/keys/k/versions", "", "read replicate write admin|root"},
		{"POST", "/godwit/v1/namespaces/one/keys/k/undelete", "", writers},
		{"POST", "/godwit/v1/namespaces/one/restore", `{"all":true,"at":1}`, writers},
		{"POST", "/godwit/v1/namespaces/none/restore", `{"all":true,"at":1}`, admins + "|write"},
		{"GET", "/godwit/v1/namespaces/one/count", "", ofOne},
		{"GET", "/godwit/v1/namespaces/one/count?prefix=k", "", ofOne},
		{"GET", "/godwit/v1/namespaces/none/count", "", "read replicate write admin|root"},
		{"GET", "/godwit/v1/tokens", "", admins},
		{"POST", "/godwit/v1/tokens", `{"permission":"read"}`, admins},
		{"DELETE", "/godwit/v1/tokens/00000000000000000000000000000001", "", admins},
		{"POST", "/godwit/v1/root-token/rotate", "", root},
		{"POST", "/godwit/v1/scrub", "", admins},
		{"GET", "/godwit/v1/cluster", "", anyone},
		{"DELETE", "/godwit/v1/cluster/members/b", "", admins},
	} {
		for name, secret := range tokens {
			status, body := w.do(tt.method, tt.uri, secret, tt.body)
			if got, want := verdict(status), expected(name, tt.may); got != want {
				t.Errorf("%s %s with %s: %s, want %s (%d %s)", tt.method, tt.uri, name, got, want, status, body)
			}
		}
	}
	if w.removed != 2 {
		t.Errorf("a member was removed %d times, want twice", w.removed)
	}
	if w.scrubbed != 2 {
		t.Errorf("a scrub was started %d times, want twice", w.scrubbed)
	}
	if w.rotated != 1 {
		t.Errorf("the root token was replaced %d times, want once", w.rotated)
	}
}

func verdict(status int) string {
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusNotFound, http.StatusGone:
		return "allowed"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusUnauthorized:
		return "unauthenticated"
	}
	return "broken"
}

func expected(name, may string) string {
	switch name {
	case "none", "unknown", "root, cut off":
		return "unauthenticated"
	}
	for _, group := range strings.Split(strings.Replace(may, "read replicate write admin", "read|replicate|write|admin", 1), "|") {
		if group == name {
			return "allowed"
		}
	}
	return "forbidden"
}

func TestEveryCodeHasItsReply(t *testing.T) {
	names := map[string]godwit.Code{}
	for _, code := range godwit.Codes() {
		status, name, ok := native.Reply(code)
		if !ok || status < 400 || name == "" {
			t.Errorf("code %d: status %d, name %q", code, status, name)
		}
		if other, taken := names[name]; taken {
			t.Errorf("codes %d and %d are both %q", code, other, name)
		}
		names[name] = code
	}
}

func TestPathsAndMethods(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		method, uri string
		status      int
		code        string
	}{
		{"GET", "/godwit/v1/status?x=1", 200, ""},
		{"HEAD", "/godwit/v1/status", 200, ""},
		{"POST", "/godwit/v1/status", 405, "method_not_allowed"},
		{"GET", "/godwit/v1/", 404, "not_found"},
		{"GET", "/godwit/v1/status/", 404, "not_found"},
		{"GET", "/godwit/v1//status", 404, "not_found"},
		{"GET", "/godwit/v1/stat%75s", 404, "not_found"},
		{"DELETE", "/godwit/v1/tokens/", 404, "not_found"},
		{"DELETE", "/godwit/v1/tokens/x", 404, "token_not_found"},
		{"GET", "/godwit/v1/namespaces/one/settings", 200, ""},
		{"GET", "/godwit/v1/namespaces/00000000000000000000000000000000/settings", 404, "namespace_not_found"},
		{"GET", "/godwit/v1/namespaces/00000000000000000000000000000001/settings", 404, "namespace_not_found"},
	} {
		res := w.response(tt.method, tt.uri, rootToken, "")
		if res.Code != tt.status || !strings.Contains(res.Body.String(), tt.code) {
			t.Errorf("%s %s: got %d %s, want %d %s", tt.method, tt.uri, res.Code, res.Body, tt.status, tt.code)
		}
		if got := res.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: content type %q", tt.method, tt.uri, got)
		}
		if res.Header().Get("Godwit-Revision") == "" {
			t.Errorf("%s %s: no revision", tt.method, tt.uri)
		}
	}
}

func TestErrorEnvelope(t *testing.T) {
	w := newWorld(t)
	res := w.response("GET", "/godwit/v1/status", "", "")
	const want = `{"error":{"code":"unauthenticated","message":"Send a token as \"Authorization: Bearer TOKEN\"."}}`
	if got := strings.TrimSpace(res.Body.String()); res.Code != 401 || got != want {
		t.Errorf("got %d %s, want 401 %s", res.Code, got, want)
	}
	if res.Header().Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate header")
	}
}

func TestNamespacesAreFilteredByToken(t *testing.T) {
	w := newWorld(t)
	_, all := w.do("GET", "/godwit/v1/namespaces", rootToken, "")
	for _, want := range []string{`"title":"one"`, `"title":"two"`, `"jurisdiction":"eu"`, `"keys":7`, `"bytes":70`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	_, one := w.do("GET", "/godwit/v1/namespaces", w.token(godwit.PermissionRead, w.one.ID), "")
	if !strings.Contains(one, `"title":"one"`) || strings.Contains(one, "two") {
		t.Errorf("a token of one sees %s", one)
	}
}

// TestNamespaces walks a namespace's life, and what is refused on its way.
func TestNamespaces(t *testing.T) {
	w := newWorld(t)
	const all, birds, geese = "/godwit/v1/namespaces", "/godwit/v1/namespaces/birds", "/godwit/v1/namespaces/wild%20geese"
	for _, tt := range []struct {
		method, uri, body string
		status            int
		want              string
	}{
		{"GET", birds, "", 404, "namespace_not_found"},
		{"POST", all, `{"title":"birds","jurisdiction":"eu"}`, 201, `"title":"birds","jurisdiction":"eu","settings":{},"keys":7`},
		{"POST", all, `{"title":"birds"}`, 409, "namespace_exists"},
		{"POST", all, `{"title":"birds","if_not_exists":false}`, 409, "namespace_exists"},
		{"POST", all, `{"title":"birds","if_not_exists":true}`, 200, `"title":"birds","jurisdiction":"eu"`},
		{"POST", all, `{"title":"birds","if_not_exists":true,"jurisdiction":"us"}`, 409, "namespace_exists"},
		{"POST", all, `{"title":"birds","if_not_exists":"true"}`, 400, "if_not_exists must not be a JSON string"},
		{"POST", all, `{"title":"x","jurisdiction":"mars"}`, 400, "invalid_request"},
		{"POST", all, `{"titel":"birds"}`, 400, "Unknown field"},
		{"POST", all, `{}`, 400, "missing_title"},
		{"POST", all, `{"title":"` + strings.Repeat("x", 513) + `"}`, 400, "invalid_request"},
		{"POST", all, ``, 400, "invalid_request"},
		{"GET", birds, "", 200, `"bytes":70`},
		{"PATCH", birds, `{"title":"one"}`, 409, "namespace_exists"},
		{"PATCH", birds, `{}`, 400, "missing_title"},
		{"PATCH", birds, `{"title":"wild geese"}`, 200, `"title":"wild geese","jurisdiction":"eu"`},
		{"GET", birds, "", 404, "namespace_not_found"},
		{"GET", geese, "", 200, `"title":"wild geese"`},
		{"PATCH", geese + "/settings", `{"min_cache_ttl":0}`, 200, `{"min_cache_ttl":0}`},
		{"PUT", geese, "", 405, "DELETE, GET, PATCH"},
		{"DELETE", geese, "", 200, "{}"},
		{"DELETE", geese, "", 404, "namespace_not_found"},
		{"DELETE", birds, "", 404, "namespace_not_found"},
	} {
		status, body := w.do(tt.method, tt.uri, rootToken, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %.80s: got %d %s, want %d %s", tt.method, tt.uri, tt.body, status, body, tt.status, tt.want)
		}
	}
}

// TestNamespaceRequestsAgain sends each change of namespaces twice under one
// request id.
func TestNamespaceRequestsAgain(t *testing.T) {
	w := newWorld(t)
	id := http.Header{"Godwit-Request-Id": {"a-request"}}
	for _, tt := range []struct{ method, uri, body string }{
		{"POST", "/godwit/v1/namespaces", `{"title":"birds"}`},
		{"POST", "/godwit/v1/namespaces", `{"title":"geese","if_not_exists":true}`},
		{"PATCH", "/godwit/v1/namespaces/" + w.one.ID.String(), `{"title":"ducks"}`},
		{"DELETE", "/godwit/v1/namespaces/" + w.two.ID.String(), ""},
	} {
		first := w.ask(tt.method, tt.uri, rootToken, tt.body, id)
		again := w.ask(tt.method, tt.uri, rootToken, tt.body, id)
		if first.Code > 201 || again.Code != first.Code || again.Body.String() != first.Body.String() {
			t.Errorf("%s %s: %d %s, and again %d %s", tt.method, tt.uri, first.Code, first.Body, again.Code, again.Body)
		}
	}
	if got := w.ask("DELETE", "/godwit/v1/namespaces/"+w.one.ID.String(), rootToken, "", http.Header{"Godwit-Request-Id": {"a request"}}); got.Code != 400 {
		t.Errorf("a malformed request id: %d %s", got.Code, got.Body)
	}
	if got := w.ask("DELETE", "/godwit/v1/namespaces/00000000000000000000000000000001", rootToken, "", id); got.Code != 404 {
		t.Errorf("another namespace under the same id: %d %s", got.Code, got.Body)
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	uri := "/godwit/v1/namespaces/" + w.one.ID.String() + "/settings"
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"min_expiration_ttl":1,"consistency":"strong"}`, 200, `{"min_expiration_ttl":1,"consistency":"strong"}`},
		{`{}`, 200, `{"min_expiration_ttl":1,"consistency":"strong"}`},
		{`{"writes_per_key":0.5}`, 200, `{"min_expiration_ttl":1,"writes_per_key":0.5,"consistency":"strong"}`},
		{`{"consistency":null,"min_expiration_ttl":null}`, 200, `{"writes_per_key":0.5}`},
		{`{"min_cache_ttl":0}`, 200, `{"min_cache_ttl":0,"writes_per_key":0.5}`},
		{`{"unknown":1}`, 400, `Unknown field \"unknown\".`},
		{`{"min_cache_ttl":1,"min_cache_ttl":2}`, 400, `min_cache_ttl is given twice.`},
		{`{"History":"5"}`, 400, `Unknown field \"History\".`},
		{`{"min_cache_ttl":"x"}`, 400, `min_cache_ttl must not be a JSON string`},
		{`{"min_cache_ttl":-1}`, 400, `min_cache_ttl must be between`},
		{`{"min_expiration_ttl":0}`, 400, `min_expiration_ttl must be between`},
		{`{"min_expiration_ttl":1e99}`, 400, `min_expiration_ttl must not be`},
		{`{"consistency":"odd"}`, 400, `consistency must be`},
		{`null`, 400, `not a JSON object`},
		{`[]`, 400, `not a JSON object`},
		{``, 400, `empty`},
		{`{`, 400, `not a JSON object`},
		{`{} {}`, 400, `more than one`},
		{`{"consistency":"` + strings.Repeat("x", 2<<20) + `"}`, 413, `body_too_large`},
		{`{}`, 200, `{"min_cache_ttl":0,"writes_per_key":0.5}`}, // the bad ones changed nothing
	} {
		status, body := w.do("PATCH", uri, rootToken, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) || status == 200 && body != tt.want {
			t.Errorf("PATCH %.80s: got %d %s, want %d %s", tt.body, status, body, tt.status, tt.want)
		}
	}
	if _, body := w.do("GET", uri, rootToken, ""); body != `{"min_cache_ttl":0,"writes_per_key":0.5}` {
		t.Errorf("GET: %s", body)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	if _, body := w.do("GET", "/godwit/v1/tokens", rootToken, ""); body != `{"tokens":[]}` {
		t.Errorf("no tokens: %s", body)
	}
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"permission":"read","namespaces":["one"],"name":"n"}`, 201, w.one.ID.String()},
		{`{"permission":"write","namespaces":["` + w.two.ID.String() + `"]}`, 201, w.two.ID.String()},
		{`{"permission":"write","namespaces":["three"]}`, 404, "namespace_not_found"},
		{`{"permission":"everything"}`, 400, "invalid_request"},
		{`{}`, 400, "invalid_request"},
		{`{"permission":"read","expires":1}`, 400, "invalid_request"},
		{`{"permission":"read","expires":-1}`, 400, "invalid_request"},
		{`{"permission":"read","expires":1e300}`, 400, "invalid_request"},
		{`{"permission":"read","hash":"x"}`, 400, "Unknown field"},
		{`{"permission":"read","namespaces":["one"],"namespaces":null}`, 400, "namespaces is given twice."},
		{`{"permission":"read","\u0070ermission":"admin"}`, 400, "permission is given twice."},
		{`{"permission":"read","PERMISSION":"admin"}`, 400, `Unknown field \"PERMISSION\".`},
		{`{"Permission":"read"}`, 400, `Unknown field \"Permission\".`},
		{`{"permission":"read","name\u017fpaces":["one"]}`, 400, "Unknown field"},
		{`{"permission":"read","namespaces":[` + strings.Repeat(`"one",`, 1000) + `"one"]}`, 400, "at most 1000"},
	} {
		status, body := w.do("POST", "/godwit/v1/tokens", rootToken, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("POST %.80s: got %d %s, want %d %s", tt.body, status, body, tt.status, tt.want)
		}
	}
	_, body := w.do("GET", "/godwit/v1/tokens", rootToken, "")
	var list struct{ Tokens []struct{ ID, Name string } }
	check(t, json.Unmarshal([]byte(body), &list))
	if len(list.Tokens) != 2 || !strings.Contains(body, `"name":"n"`) || strings.Contains(body, `"token"`) {
		t.Errorf("list: %s", body)
	}
	for _, tk := range list.Tokens {
		if status, body := w.do("DELETE", "/godwit/v1/tokens/"+tk.ID, rootToken, ""); status != 200 || body != "{}" {
			t.Errorf("DELETE %s: %d %s", tk.ID, status, body)
		}
	}
	if status, _ := w.do("DELETE", "/godwit/v1/tokens/"+list.Tokens[0].ID, rootToken, ""); status != 404 {
		t.Errorf("DELETE again: %d", status)
	}
}

func TestRevokedTokenIsRefused(t *testing.T) {
	w := newWorld(t)
	secret, tk, err := w.catalog.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead})
	check(t, err)
	if status, _ := w.do("GET", "/godwit/v1/status", secret, ""); status != 200 {
		t.Fatalf("before: %d", status)
	}
	w.do("DELETE", "/godwit/v1/tokens/"+tk.ID, rootToken, "")
	if status, _ := w.do("GET", "/godwit/v1/status", secret, ""); status != 401 {
		t.Errorf("after: %d, want 401", status)
	}
}

// FuzzPatch feeds bodies to the decoder of settings: whatever comes in, what is
// stored is valid, and the settings of before are left alone.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"min_cache_ttl":30}`, `{"min_cache_ttl":null}`, `{"consistency":"strong"}`, `{"consistency":null}`,
		`{"writes_per_key":1e308}`, `{"erase_within":"1m"}`, `{"erase_within":"soon"}`, `{"erase_within":"9999d"}`, `{"erase_within":5}`, `{"a":1}`, `[]`, `null`, `{"min_cache_ttl":30}{}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ttl := int64(60)
		before := godwit.Settings{MinExpirationTTL: &ttl, Consistency: "strong"}
		after, err := native.Patch(before, body)
		if err != nil {
			if code := godwit.CodeOf(err); code != godwit.CodeInvalidRequest {
				t.Errorf("code %d: %v", code, err)
			}
			return
		}
		if err := after.Validate(); err != nil {
			t.Errorf("%q gives %v", body, err)
		}
		if ttl != 60 || before.Consistency != "strong" {
			t.Errorf("%q changed the settings of before", body)
		}
	})
}

// FuzzMatch feeds paths to the router.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"status", "tokens/x", "namespaces/x/settings", "namespaces//settings", "namespaces/x/keys/y", "namespaces/x/keys/", "", "/", "a/b/c/d", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		pattern, args, ok := native.Match(path)
		if !ok {
			return
		}
		again := strings.Split(pattern, "/")
		for i, segment := range again {
			if segment == "*" {
				again[i], args = args[0], args[1:]
			}
		}
		if strings.Join(again, "/") != path {
			t.Errorf("%q matched %q with %q", path, pattern, again)
		}
	})
}
