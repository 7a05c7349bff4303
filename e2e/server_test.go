package e2e_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit/e2e/olddata"
	"github.com/godwitkv/godwit/internal/porttest"
)

const (
	account   = olddata.Account
	rootToken = olddata.RootToken
	anyPort   = "127.0.0.1:0"
)

// A server is one godwit process and what is needed to start it again.
type server struct {
	t       testing.TB
	dir     string // the data directory
	api     string // host:port
	binding string // host:port
	args    []string
	in      []string // the command that runs it where it belongs; none: here
	program string   // "": the one that is built from this tree
	log     *os.File
	cmd     *exec.Cmd
	exited  chan error
}

// newServer returns a server that is not running yet, with ports of its own.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: filepath.Join(dir, "data"), api: porttest.Free(t), binding: porttest.Free(t), args: args, log: log}
	t.Cleanup(s.cleanup)
	return s
}

// startServer starts a server on an empty data directory.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := newServer(t, args...)
	s.start()
	return s
}

// start starts the process and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	s.launch()
	s.awaitReady(s.readyFile())
}

func (s *server) readyFile() string { return s.log.Name() + ".ready" }

// launch starts the process.
func (s *server) launch() {
	s.t.Helper()
	readyFile := s.readyFile()
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	args := append([]string{
		"serve", "--data", s.dir, "--listen", s.api, "--binding-listen", s.binding,
		"--root-token", rootToken, "--account", account, "--ready-file", readyFile,
	}, s.args...)
	command := append(append(s.in[:len(s.in):len(s.in)], cmp.Or(s.program, clients.godwit)), args...)
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan error, 1)
	s.exited = exited
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(s.cmd)
}

// awaitReady waits for the file that says where the process listens.
func (s *server) awaitReady(file string) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case err := <-s.exited:
			s.cmd = nil
			s.t.Fatalf("godwit serve ended before it was ready: %v", err)
		case <-deadline:
			s.t.Fatal("godwit serve is not ready after 2 minutes")
		case <-tick.C:
			text, err := os.ReadFile(file)
			var ready struct{ API, Binding string }
			if err == nil && json.Unmarshal(text, &ready) == nil {
				s.api, s.binding = strings.TrimPrefix(ready.API, "http://"), strings.TrimPrefix(ready.Binding, "http://")
				return
			}
		}
	}
}

// kill ends the process as a power cut of its own would.
func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.exited
	s.cmd = nil
}

// stop ends the process as an operator would.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("godwit serve ended by itself: %v", err)
		s.cmd = nil
		return
	}
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("godwit serve after SIGTERM: %v", err)
		}
	case <-time.After(30 * time.Second):
		s.t.Error("godwit serve is still there 30 s after SIGTERM")
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
}

func (s *server) cleanup() {
	if s.cmd != nil {
		s.stop()
	}
	_ = s.log.Close()
	out, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Error(err)
		return
	}
	if bytes.Contains(out, []byte(rootToken)) {
		s.t.Error("the log shows the root token")
	}
	if s.t.Failed() {
		const most = 8 << 10
		s.t.Logf("the end of the log:\n%s", out[max(0, len(out)-most):])
	}
}

// fsck checks the data directory of a server that is not running.
func (s *server) fsck() {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), clients.godwit, "fsck", s.dir).CombinedOutput()
	if err != nil {
		s.t.Errorf("godwit fsck: %v\n%s", err, out)
	}
}

func (s *server) base() string { return "http://" + s.api + "/client/v4" }

// kv returns the URL of a path below the KV API.
func (s *server) kv(path string) string {
	return s.base() + "/accounts/" + account + "/storage/kv" + path
}

// do makes one request with the root token.
func (s *server) do(method, url string, body io.Reader) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, body)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	return s.send(req)
}

func (s *server) send(req *http.Request) (*http.Response, []byte, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return res, got, err
}

// createNamespace returns the id of a new namespace.
func (s *server) createNamespace(title string) string {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"title": title})
	if err != nil {
		s.t.Fatal(err)
	}
	_, got, err := s.do(http.MethodPost, s.kv("/namespaces"), bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	var reply struct {
		Success bool
		Result  struct{ ID string }
	}
	if err := json.Unmarshal(got, &reply); err != nil || !reply.Success {
		s.t.Fatalf("create namespace: %v: %s", err, got)
	}
	return reply.Result.ID
}

// environment is what a Node program or wrangler is run with: a home of its
// own, and nothing that calls out.
func (s *server) environment(home string) []string {
	return []string{
		"PATH=" + filepath.Join(clients.modules, ".bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"TMPDIR=" + os.TempDir(),
		"NODE_COMPILE_CACHE=" + filepath.Join(clients.scratch, "compiled"),
		"NODE_MODULES=" + clients.modules,
		"CI=1", "NO_COLOR=1", "WRANGLER_SEND_METRICS=false", "WRANGLER_HIDE_BANNER=true",
		"CLOUDFLARE_API_BASE_URL=" + s.base(),
		"CLOUDFLARE_BASE_URL=" + s.base(),
		"CLOUDFLARE_API_TOKEN=" + rootToken,
		"CLOUDFLARE_ACCOUNT_ID=" + account,
	}
}

// createToken returns a token that may do this in one namespace.
func (s *server) createToken(permission, namespace string) string {
	s.t.Helper()
	out := s.godwit(s.t, "token", "create", "--json", "--permission", permission, "--namespaces", namespace)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Token == "" {
		s.t.Fatalf("godwit token create printed %q: %v", out, err)
	}
	return made.Token
}
