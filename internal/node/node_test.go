package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootToken = "root-token-of-the-tests"

// config is that of a node on free ports and a disk in memory.
func config() node.Config {
	return node.Config{
		Dir:           "data",
		FS:            store.NewMemFS(),
		RootToken:     rootToken,
		Listen:        "127.0.0.1:0",
		BindingListen: "127.0.0.1:0",
		Location:      "lhr",
		Version:       "v0.0.0-test",
	}
}

func open(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// openErr opens a node that should not open.
func openErr(t *testing.T, cfg node.Config) (*node.Node, error) {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err == nil {
		_ = n.Close()
	}
	return n, err
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// request makes one; headers are pairs.
func request(t *testing.T, method, url, token, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

func TestPaths(t *testing.T) {
	n := open(t, config())
	for _, tt := range []struct {
		method, path, token string
		status              int
		contains            string
	}{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 200, "ok"},
		{"HEAD", "/readyz", "", 200, ""},
		{"POST", "/readyz", "", 405, ""},
		{"GET", "/metrics", "", 200, "go_goroutines"},
		{"GET", "/metrics", "", 200, "godwit_store_keys"},
		{"GET", "/", "", 200, "Sign in"},
		{"GET", "/?x=1", "", 200, "Sign in"},
		{"GET", "//", "", 404, ""},
		{"GET", "/nothing", "", 404, ""},
		{"GET", "/client/v4", "", 404, ""},
		{"GET", "/client/v4/accounts", "", 401, "success"},
		{"GET", "/client/v4/accounts", rootToken, 200, n.Account()},
		{"GET", "/godwit/v1/status", "", 401, "unauthenticated"},
		{"GET", "/godwit/v1/status", rootToken, 200, n.Account()},
		{"GET", "/godwit/v1/../v1/status", rootToken, 404, "not_found"},
		{"GET", "/godwit/v1/status/", rootToken, 404, "not_found"},
	} {
		got := request(t, tt.method, n.APIURL()+tt.path, tt.token, "")
		if got.status != tt.status || !strings.Contains(got.body, tt.contains) {
			t.Errorf("%s %s: got %d %q, want %d with %q", tt.method, tt.path, got.status, got.body, tt.status, tt.contains)
		}
	}
}

// TestAbsoluteForm holds that a request by the form that proxies use is the same as one for
// its path, whatever it asks for.
func TestAbsoluteForm(t *testing.T) {
	n := open(t, config())
	at, err := url.Parse(n.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(at)}
	defer transport.CloseIdleConnections()
	for path, want := range map[string]string{
		"/healthz": "ok", "": "Sign in", "/?x=1": "Sign in", "/metrics": "go_goroutines", "/client/v4/accounts": n.Account(),
		"/godwit/v1/status": n.Account(), "/godwit/v1/status?tree=own": `"tree"`, "/godwit/v1/openapi.yaml": "openapi:",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://other.example"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+rootToken)
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %d %.200q, %v, want %q in it", path, res.StatusCode, body, err, want)
		}
	}
}

// TestHTTP10IsNotKeptAlive holds that what follows the head of such a request, whose body
// nobody can tell the length of, is not carried out as another request.
func TestHTTP10IsNotKeptAlive(t *testing.T) {
	n := open(t, config())
	hidden := "POST /godwit/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + rootToken + "\r\nConnection: close\r\nContent-Length: 20\r\n\r\n{\"title\":\"smuggled\"}"
	for _, line := range []string{
		"PUT /client/v4/accounts/" + n.Account() + "/storage/kv/namespaces/x/values/k", "POST /godwit/v1/namespaces", "DELETE /godwit/v1/tokens/x", "GET /healthz",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(n.APIURL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, conn, line+" HTTP/1.0\r\nAuthorization: Bearer "+rootToken+"\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"+hidden)
		got, _ := io.ReadAll(conn) // which may end in a reset, for there was more to read
		if !strings.HasPrefix(string(got), "HTTP/1.0 ") || strings.Contains(string(got), "HTTP/1.1 ") {
			t.Errorf("%s: answered by %s", line, got)
		}
		_ = conn.Close()
	}
	if got := request(t, "GET", n.APIURL()+"/godwit/v1/namespaces", rootToken, ""); strings.Contains(got.body, "smuggled") {
		t.Errorf("carried out: %s", got.body)
	}
}

func TestStatus(t *testing.T) {
	n := open(t, config())
	var got map[string]any
	if err := json.Unmarshal([]byte(request(t, "GET", n.APIURL()+"/godwit/v1/status", rootToken, "").body), &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"role": "central", "location": "lhr", "account": n.Account(), "staleness_ms": 0.0, "followers": 0.0,
		"binding_url": n.BindingURL(), "version": "v0.0.0-test",
	} {
		if got[field] != want {
			t.Errorf("%s: got %v, want %v", field, got[field], want)
		}
	}
	for _, field := range []string{"cluster_id", "revision"} {
		if s, ok := got[field].(string); !ok || s == "" {
			t.Errorf("%s: got %v, want a string", field, got[field])
		}
	}
	for _, field := range []string{"keys", "bytes", "uptime_seconds"} {
		if _, ok := got[field].(float64); !ok {
			t.Errorf("%s: got %v, want a number", field, got[field])
		}
	}
}

// TestStatusAfterClockAhead: a centre whose clock was ahead once tells so, and serves.
func TestStatusAfterClockAhead(t *testing.T) {
	var now atomic.Int64
	cfg := config()
	cfg.Now = func() time.Time { return time.Unix(now.Load(), 0) }
	now.Store(1_800_086_400)
	n, err := node.Open(t.Context(), cfg)
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	now.Store(1_800_000_000)
	n = open(t, cfg)
	status := request(t, "GET", n.APIURL()+"/godwit/v1/status", rootToken, "")
	if !strings.Contains(status.body, "the log's time is 24h0m0s ahead of this machine's clock") {
		t.Errorf("status %s", status.body)
	}
	if got := request(t, "GET", n.APIURL()+"/readyz", "", ""); got.status != 200 {
		t.Errorf("readyz %d %s", got.status, got.body)
	}
}

func TestFrontPagePolicy(t *testing.T) {
	n := open(t, config())
	got := request(t, "GET", n.APIURL()+"/", "", "")
	policy := got.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
		t.Errorf("got policy %q", policy)
	}
	if strings.Contains(got.body, "<style") || strings.Contains(got.body, "<script>") {
		t.Error("the page has what its policy forbids")
	}
}

func TestValidateReportsAllProblems(t *testing.T) {
	err := node.Config{
		Listen: "nowhere", BindingListen: "127.0.0.1:99999", PprofListen: ":x",
		Location: "a b", Account: "ABC", RootToken: "short", TLSCert: "x",
		InlineBytes: 1 << 30, CacheBytes: -1,
		Limits: godwit.Limits{MinExpirationTTL: 1, MinCacheTTL: -1, MaxValueBytes: -1, WritesPerKey: -1},
	}.Validate()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, flag := range []string{
		"--listen", "--binding-listen", "--pprof-listen", "--location", "--account", "--root-token", "--tls-cert",
		"--inline-bytes", "--cache-bytes", "--min-expiration-ttl", "--min-cache-ttl", "--max-value-bytes", "--writes-per-key",
	} {
		if !strings.Contains(err.Error(), flag+": ") {
			t.Errorf("got no word of %s in:\n%v", flag, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Error("the error repeats the root token")
	}
	if err := (node.Config{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}

// onDisk is a config whose data directory is a real one.
func onDisk(dir string) node.Config {
	cfg := config()
	cfg.FS, cfg.RootToken, cfg.Dir = nil, "", dir
	return cfg
}

func TestRootTokenIsMadeOnceAndRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := open(t, onDisk(dir))
	token := first.NewRootToken()
	if len(token) < 32 {
		t.Fatalf("got token %q", token)
	}
	if got := request(t, "GET", first.APIURL()+"/godwit/v1/status", token, ""); got.status != 200 {
		t.Fatalf("status with the new token: %d", got.status)
	}
	assertSecretFile(t, dir, token)

	var rotated struct{ Token string }
	res := request(t, "POST", first.APIURL()+"/godwit/v1/root-token/rotate", token, "")
	if err := json.Unmarshal([]byte(res.body), &rotated); err != nil || rotated.Token == "" || rotated.Token == token {
		t.Fatalf("rotate: %d %s", res.status, res.body)
	}
	assertSecretFile(t, dir, rotated.Token)
	if got := request(t, "GET", first.APIURL()+"/godwit/v1/status", token, ""); got.status != 401 {
		t.Errorf("status with the token of before: %d, want 401", got.status)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := open(t, onDisk(dir))
	if second.NewRootToken() != "" {
		t.Error("the second start made a token")
	}
	if got := request(t, "GET", second.APIURL()+"/godwit/v1/status", rotated.Token, ""); got.status != 200 {
		t.Errorf("status after a restart: %d", got.status)
	}
	if second.Account() != first.Account() {
		t.Error("the account changed")
	}
}

func assertSecretFile(t *testing.T, dir, token string) {
	t.Helper()
	name := node.RootTokenFile(dir)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s: %v", name, info.Mode())
	}
	if b, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(b)) != token {
		t.Errorf("%s does not hold the token (%v)", name, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the data directory: %v (%v)", info.Mode(), err)
	}
}

func TestRootTokenByFlagIsNotRotated(t *testing.T) {
	n := open(t, config())
	got := request(t, "POST", n.APIURL()+"/godwit/v1/root-token/rotate", rootToken, "")
	if got.status != 400 || !strings.Contains(got.body, "--root-token") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestShortRootTokenFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(node.RootTokenFile(dir), []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), onDisk(dir))
	if err == nil {
		_ = n.Close()
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), node.RootTokenFile(dir)) || strings.Contains(err.Error(), "short") {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryInUseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	open(t, onDisk(dir))
	n, err := node.Open(t.Context(), onDisk(dir))
	if err == nil {
		_ = n.Close()
	}
	if !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

func TestAddressInUseNamesItsFlag(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	cfg := config()
	cfg.BindingListen = ln.Addr().String()
	n, err := node.Open(t.Context(), cfg)
	if err == nil {
		_ = n.Close()
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), "--binding-listen") {
		t.Errorf("got %v", err)
	}
}

// beginPut makes a namespace and sends the head of a put into it, whose body of
// four bytes is then awaited.
func beginPut(t *testing.T, n *node.Node) net.Conn {
	t.Helper()
	path := "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces"
	created := request(t, "POST", n.APIURL()+path, rootToken, `{"title":"drain"}`)
	var ns struct{ Result struct{ ID string } }
	if err := json.Unmarshal([]byte(created.body), &ns); err != nil || ns.Result.ID == "" {
		t.Fatalf("create namespace: %s", created.body)
	}
	conn := dial(t, strings.TrimPrefix(n.APIURL(), "http://"))
	write(t, conn, "PUT "+path+"/"+ns.Result.ID+"/values/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+rootToken+
		"\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if got := read(t, conn); !strings.HasPrefix(got, "HTTP/1.1 100") {
		t.Fatalf("got %q", got)
	}
	return conn
}

// TestStopFinishesRequests begins a put, has the node told to stop, and then
// ends the put.
func TestStopFinishesRequests(t *testing.T) {
	cfg := config()
	cfg.DrainTimeout = time.Minute
	n := open(t, cfg)
	conn := beginPut(t, n)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	refused(t, strings.TrimPrefix(n.APIURL(), "http://"))
	write(t, conn, "body")
	if got := read(t, conn); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestStopCutsOffWhatDoesNotEnd begins a put and never ends it.
func TestStopCutsOffWhatDoesNotEnd(t *testing.T) {
	cfg := config()
	cfg.DrainTimeout = 50 * time.Millisecond
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn := beginPut(t, n)
	if err := n.Close(); err != nil {
		t.Errorf("a stop that cut off what had its time: %v", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection was not closed: %v", err)
	}
	open(t, cfg) // the store was closed
}

func TestProfilerIsOptIn(t *testing.T) {
	n := open(t, config())
	if n.PprofURL() != "" || request(t, "GET", n.APIURL()+"/debug/pprof/", rootToken, "").status != 404 {
		t.Error("the profiler is there unasked")
	}
	cfg := config()
	cfg.PprofListen = "127.0.0.1:0"
	n = open(t, cfg)
	if got := request(t, "GET", n.PprofURL(), "", ""); got.status != 200 || !strings.Contains(got.body, "goroutine") {
		t.Errorf("got %d", got.status)
	}
	if got := request(t, "GET", n.PprofURL()+"cmdline", "", ""); got.status != 404 {
		t.Errorf("the command line, and with it the root token, is shown: %d", got.status)
	}
}

func write(t *testing.T, conn net.Conn, s string) {
	t.Helper()
	if _, err := conn.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, conn net.Conn) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// refused waits until nobody accepts connections at addr.
func refused(t *testing.T, addr string) {
	t.Helper()
	for t.Context().Err() == nil {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

func TestDataSurvivesRestart(t *testing.T) {
	cfg := config()
	n := open(t, cfg)
	base := n.APIURL() + "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces"
	if got := request(t, "POST", base, rootToken, `{"title":"kept"}`); got.status != 200 {
		t.Fatalf("create namespace: %s", got.body)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg)
	if got := request(t, "GET", n.APIURL()+"/godwit/v1/namespaces", rootToken, ""); !strings.Contains(got.body, `"title":"kept"`) {
		t.Errorf("got %s", got.body)
	}
}

// TestRootTokenIsNoFlag: a token that a command line would take for flags is never
// made, which one in 64 would be.
func TestRootTokenIsNoFlag(t *testing.T) {
	for range 1000 {
		if token := node.NewRootToken(); strings.HasPrefix(token, "-") || len(token) != 43 {
			t.Fatalf("made %q", token)
		}
	}
}
