package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A bound names what one KV binding of a Worker reaches.
type bound struct {
	server    *server
	namespace string // id or title
	token     string
}

// A workerd is a running workerd with one Worker.
type workerd struct {
	t   testing.TB
	url string
}

// A worker is what a workerd runs: a bundled script (its path), its KV
// bindings, and for Workers Sites a manifest and the Worker that is its cache.
type worker struct {
	script   string
	bindings map[string]bound
	manifest []byte
	cache    []byte
	crons    bool // it can import workerd's own cron.js
}

func startWorkerd(t testing.TB, wk worker) *workerd {
	t.Helper()
	dir := t.TempDir()
	code, err := os.ReadFile(wk.script)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "worker.js"), code)
	write(t, filepath.Join(dir, "manifest.json"), wk.manifest)
	write(t, filepath.Join(dir, "cache.js"), wk.cache)
	config := filepath.Join(dir, "config.capnp")
	write(t, config, []byte(wk.config()))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	log := &bytes.Buffer{}
	args := []string{"serve", "--control-fd=3", config}
	if wk.crons { // what is bundled with workerd
		args = append(args, "--experimental")
	}
	cmd := exec.Command(clients.workerd, args...)
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("workerd said:\n%s", log)
		}
	})
	return &workerd{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", listenPort(t, r))}
}

// config is the worker in workerd's language.
func (w *worker) config() string {
	var services, bindings, modules, more strings.Builder
	for name, b := range w.bindings {
		fmt.Fprintf(&services, "    (name = %q, external = (address = %q, http = (injectRequestHeaders = [\n", name, b.server.binding)
		fmt.Fprintf(&services, "      (name = \"Authorization\", value = %q), (name = \"Godwit-Namespace\", value = %q)]))),\n", "Bearer "+b.token, b.namespace)
		fmt.Fprintf(&bindings, "    (name = %q, kvNamespace = %q),\n", name, name)
	}
	if w.manifest != nil {
		modules.WriteString(`, (name = "__STATIC_CONTENT_MANIFEST", text = embed "manifest.json")`)
	}
	if w.crons {
		modules.WriteString(`, (name = "cron.js", bundled = "/workerd/cron.js")`)
	}
	if w.cache != nil {
		services.WriteString(`    (name = "cache", worker = (compatibilityDate = "2026-11-17", modules = [(name = "c", esModule = embed "cache.js")])),` + "\n")
		more.WriteString("  cacheApiOutbound = \"cache\",\n")
	}
	return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
` + services.String() + `  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")` + modules.String() + `],
  compatibilityDate = "2026-11-17",
  bindings = [
` + bindings.String() + `  ],
` + more.String() + `);
`
}

// listenPort reads from workerd's control pipe where it listens.
func listenPort(t testing.TB, r *os.File) int {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var e struct {
			Event string
			Port  int
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err == nil && e.Event == "listen" {
			return e.Port
		}
	}
	t.Fatal("workerd ended before it listened")
	return 0
}

// get fetches a path of the Worker.
func (w *workerd) get(path string) (int, []byte) {
	w.t.Helper()
	return w.fetch(http.MethodGet, path, nil)
}

func (w *workerd) fetch(method, path string, body []byte) (int, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var got bytes.Buffer
	if _, err := got.ReadFrom(res.Body); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, got.Bytes()
}

// op calls one method of a binding and returns its result as JSON, or the
// message of the error it threw.
func (w *workerd) op(binding, method string, args ...any) (result, failure string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"binding": binding, "method": method, "args": args})
	if err != nil {
		w.t.Fatal(err)
	}
	_, got := w.fetch(http.MethodPost, "/op", body)
	var reply struct {
		Result json.RawMessage
		Error  string
	}
	if err := json.Unmarshal(got, &reply); err != nil {
		w.t.Fatalf("%v: %s", err, got)
	}
	return string(reply.Result), reply.Error
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// bundle makes one module of a Worker's sources and returns its path.
func bundle(t testing.TB, entry string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "worker.js")
	cmd := exec.CommandContext(t.Context(), clients.esbuild, entry,
		"--bundle", "--format=esm", "--external:__STATIC_CONTENT_MANIFEST", "--outfile="+out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("esbuild: %v\n%s", err, msg)
	}
	return out
}

// TestWorker runs every case of the Worker in testdata/worker.
func TestWorker(t *testing.T) {
	t.Parallel()
	main := startServer(t)
	brief := startServer(t, "--min-expiration-ttl", "1s")
	main.createNamespace("everything")
	w := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{
		"KV":    {main, main.createNamespace("cases"), rootToken},
		"ALL":   {main, "everything", rootToken},
		"BRIEF": {brief, brief.createNamespace("brief"), rootToken},
	}})
	_, list := w.get("/")
	var names []string
	if err := json.Unmarshal(list, &names); err != nil || len(names) < 40 {
		t.Fatalf("list the cases: %v: %s", err, list)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if status, got := w.get("/" + url.PathEscape(name)); status != http.StatusOK {
				t.Error(string(got))
			}
		})
	}
}

// TestWorkerTypes checks that the Worker is what Cloudflare's own types allow.
func TestWorkerTypes(t *testing.T) {
	t.Parallel()
	tsc := filepath.Join(clients.modules, "typescript", "bin", "tsc")
	out, err := exec.CommandContext(t.Context(), clients.node, tsc, "-p", "testdata/worker").CombinedOutput()
	if err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// TestWorkerCredentials binds a Worker to what it may not reach.
func TestWorkerCredentials(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := s.createNamespace("present")
	w := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{
		"TITLE":   {s, "present", rootToken},
		"WRONG":   {s, id, "not-a-token-0123456789"},
		"NOWHERE": {s, "absent", rootToken},
		"UNKNOWN": {s, strings.Repeat("0", 32), rootToken},
	}})
	if _, failure := w.op("TITLE", "put", "k", "v"); failure != "" {
		t.Errorf("put by title: %s", failure)
	}
	for binding, status := range map[string]string{"WRONG": "401", "NOWHERE": "400", "UNKNOWN": "400"} {
		for method, args := range map[string][]any{"get": {"k"}, "put": {"k", "v"}, "delete": {"k"}, "list": {}} {
			verb := map[string]string{"list": "GET"}[method]
			if verb == "" {
				verb = strings.ToUpper(method)
			}
			want := "KV " + verb + " failed: " + status + " "
			if result, failure := w.op(binding, method, args...); !strings.HasPrefix(failure, want) {
				t.Errorf("%s.%s: got %q, %q; want %q", binding, method, result, failure, want)
			}
		}
	}
	if result, failure := w.op("TITLE", "get", "k"); result != `"v"` {
		t.Errorf("get after refused writes: %s %s", result, failure)
	}
}

// TestWorkerOverRestart kills the server under a running workerd.
func TestWorkerOverRestart(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{
		"KV": {s, s.createNamespace("restart"), rootToken},
	}})
	for i, end := range []func(){s.kill, s.stop, s.kill} {
		key := fmt.Sprint("key", i)
		if _, failure := w.op("KV", "put", key, "kept", map[string]any{"metadata": i}); failure != "" {
			t.Fatal(failure)
		}
		end()
		if result, failure := w.op("KV", "get", key); failure == "" {
			t.Errorf("get without a server: %s", result)
		}
		s.start()
		want := fmt.Sprintf(`"value":"kept","metadata":%d,`, i)
		result, failure := w.op("KV", "getWithMetadata", key)
		if failure == "Network connection lost." { // a connection of before; workerd does not try again
			result, failure = w.op("KV", "getWithMetadata", key)
		}
		if !strings.Contains(result, want) {
			t.Errorf("after restart %d: got %s %s, want %s", i, result, failure, want)
		}
	}
}

// TestWorkerRate has Cloudflare's limit of one write a second to one key.
func TestWorkerRate(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--writes-per-key", "1")
	w := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{
		"KV": {s, s.createNamespace("rate"), rootToken},
	}})
	refused := 0
	for i := range 5 {
		_, failure := w.op("KV", "put", "same", fmt.Sprint(i))
		switch failure {
		case "":
		case "KV PUT failed: 429 Too Many Requests":
			refused++
		default:
			t.Errorf("put: %s", failure)
		}
	}
	if refused == 0 {
		t.Error("five writes to one key at once were all taken")
	}
	for i := range 5 {
		if _, failure := w.op("KV", "put", fmt.Sprint("other", i), "v"); failure != "" {
			t.Errorf("put of another key: %s", failure)
		}
	}
}

// TestWorkerPermission binds a Worker with a token that may only read, and only
// one namespace.
func TestWorkerPermission(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	mine, other := s.createNamespace("mine"), s.createNamespace("other")
	token := s.createToken("read", "mine")
	w := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{
		"ROOT": {s, mine, rootToken}, "MINE": {s, mine, token}, "OTHER": {s, other, token},
	}})
	if _, failure := w.op("ROOT", "put", "k", "v"); failure != "" {
		t.Fatal(failure)
	}
	if got, failure := w.op("MINE", "get", "k"); got != `"v"` {
		t.Errorf("get: %s %s", got, failure)
	}
	for _, refused := range []struct {
		binding, method string
		args            []any
	}{{"MINE", "put", []any{"k", "w"}}, {"MINE", "delete", []any{"k"}}, {"OTHER", "get", []any{"k"}}, {"OTHER", "list", []any{}}} {
		got, failure := w.op(refused.binding, refused.method, refused.args...)
		if !strings.Contains(failure, " failed: 403 ") {
			t.Errorf("%s.%s: got %s %q, want 403", refused.binding, refused.method, got, failure)
		}
	}
	if got, failure := w.op("ROOT", "get", "k"); got != `"v"` {
		t.Errorf("get after refused writes: %s %s", got, failure)
	}
}

// TestExpectations runs the cases of the Worker on miniflare, Cloudflare's own
// emulation: what they expect of godwit must be what it does.
func TestExpectations(t *testing.T) {
	t.Parallel()
	s := &server{t: t} // none is needed
	runScript(t, s, 40, "testdata/worker/miniflare.mjs", bundle(t, "testdata/worker/worker.ts"))
}
