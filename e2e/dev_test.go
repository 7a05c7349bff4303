package e2e_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWranglerDev runs `wrangler dev` with a Worker whose KV binding is made of a
// namespace of godwit's by the plugin of the npm package, and with the package inside
// the Worker.
func TestWranglerDev(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.createNamespace("birds")
	url := startWranglerDev(t, s, s.createToken("write", "birds"))
	long := strings.Repeat("x", 100_000)
	for _, step := range []struct{ method, path, body, want string }{
		{http.MethodPut, "/a%2Fknot", "Calidris", "wrote"},
		{http.MethodGet, "/a%2Fknot", "", `{"value":"Calidris","metadata":{"by":"KvNamespace"}}`},
		{http.MethodGet, "/a%2Fknot?client", "", `{"value":"Calidris","metadata":{"by":"KvNamespace"}}`},
		{http.MethodPut, "/b?client", long, "wrote"},
		{http.MethodGet, "/b", "", `{"value":"` + long + `","metadata":{"by":"KV"}}`},
		{http.MethodGet, "/b?client&conditional", "", `["precondition_failed","ready"]`},
		{http.MethodGet, "/none", "", `{"value":null,"metadata":null}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), step.method, url+step.path, strings.NewReader(step.body))
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := s.send(req); err != nil || string(got) != step.want {
			t.Errorf("%s %s: %v: %.300s", step.method, step.path, err, got)
		}
	}
	if !s.runs("get", "birds", "a/knot") {
		t.Error("what the Worker wrote is not at the node")
	}
}

// TestMiniflare gives the plugin to miniflare itself, of the version before the one in
// wrangler, and to wrangler's getPlatformProxy.
func TestMiniflare(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.createNamespace("birds")
	project := newWorkerProject(t)
	runScript(t, s, 4, "testdata/dev/platform.mjs", project.dir, "http://"+s.api, s.createToken("write", "birds"))
}

// startWranglerDev returns where the Worker of testdata/dev listens.
func startWranglerDev(t *testing.T, s *server, token string) string {
	t.Helper()
	project := newWorkerProject(t)
	log, err := os.Create(filepath.Join(project.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(clients.node, filepath.Join(clients.modules, "wrangler", "bin", "wrangler.js"),
		"dev", "--env", "godwit", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0", "--show-interactive-dev-session=false",
		"--var", "GODWIT_URL:http://"+s.api, "GODWIT_TOKEN:"+token)
	cmd.Dir = project.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(s.environment(t.TempDir()), "GODWIT_URL=http://"+s.api, "GODWIT_TOKEN="+token, "NODE_PATH="+project.modules)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	})
	return awaitWorker(t, log.Name())
}

// A workerProject is a copy of testdata/dev with the npm package installed, as npm
// would. The suite's wrangler is not in it, so Node is told where to look.
type workerProject struct{ dir, modules string }

func newWorkerProject(t *testing.T) workerProject {
	t.Helper()
	p := workerProject{dir: t.TempDir()}
	p.modules = filepath.Join(p.dir, "node_modules")
	for _, name := range []string{"wrangler.jsonc", "worker.js"} {
		text, err := os.ReadFile(filepath.Join("testdata", "dev", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(p.dir, name), text)
	}
	source, err := filepath.Abs("../clients/js")
	if err == nil {
		err = errors.Join(os.Mkdir(p.modules, 0o755), os.Symlink(source, filepath.Join(p.modules, "godwit")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// awaitWorker waits until wrangler says where it listens.
func awaitWorker(t *testing.T, log string) string {
	t.Helper()
	ready := regexp.MustCompile(`Ready on (http://\S+)`)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(90 * time.Second)
	for {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if m := ready.FindSubmatch(text); m != nil {
			return string(m[1])
		}
		select {
		case <-deadline:
			t.Fatalf("wrangler dev is not ready after 90 s:\n%s", text)
		case <-tick.C:
		}
	}
}
