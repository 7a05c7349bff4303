package e2e_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/logtest"
)

// A project is a copy of one of testdata/projects, where it may be changed and run.
type project struct {
	t   testing.TB
	dir string
}

func newProject(t testing.TB, name string) *project {
	t.Helper()
	p := &project{t, filepath.Join(t.TempDir(), name)}
	if err := os.CopyFS(p.dir, os.DirFS(filepath.Join("testdata", "projects", name))); err != nil {
		t.Fatal(err)
	}
	// A repository would not keep a file of that name.
	if err := os.Rename(p.path("dev.vars"), p.path(".dev.vars")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Symlink(clients.modules, p.path("node_modules")); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *project) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func (p *project) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(p.path(name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

func (p *project) write(name, text string) {
	p.t.Helper()
	write(p.t, p.path(name), []byte(text))
}

// replace writes a file as editors do: another file takes its name.
func (p *project) replace(name, text string) {
	p.t.Helper()
	p.write(name+".tmp", text)
	if err := os.Rename(p.path(name+".tmp"), p.path(name)); err != nil {
		p.t.Fatal(err)
	}
}

// edit replaces a piece of a file.
func (p *project) edit(name, old, text string) {
	p.t.Helper()
	before := p.read(name)
	if !strings.Contains(before, old) {
		p.t.Fatalf("%s does not hold %q", name, old)
	}
	p.replace(name, strings.Replace(before, old, text, 1))
}

// A running is one godwit worker.
type running struct {
	t       testing.TB
	cmd     *exec.Cmd
	exited  chan error
	url     string
	workerd []int
	log     *logtest.Buffer
	client  *http.Client
}

// workerCommand is godwit worker in a clean environment.
func workerCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(clients.godwit, append([]string{"worker"}, args...)...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GODWIT_") && !strings.HasPrefix(pair, "CLOUDFLARE_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	return cmd
}

// startWorker runs godwit worker until the test ends.
func startWorker(t testing.TB, args ...string) *running {
	t.Helper()
	return startWorkerWith(t, nil, args...)
}

// startWorkerWith is startWorker with more in its environment.
func startWorkerWith(t testing.TB, env []string, args ...string) *running {
	t.Helper()
	cmd := workerCommand(args...)
	cmd.Env = append(cmd.Env, env...)
	return startCommand(t, cmd)
}

// startCommand runs a godwit worker that is not started yet until the test ends.
func startCommand(t testing.TB, cmd *exec.Cmd) *running {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	r := &running{t: t, cmd: cmd, log: new(logtest.Buffer), exited: make(chan error, 1)}
	cmd.Args = append(cmd.Args, "--listen", anyPort, "--ready-file", ready)
	if r.cmd.Stdout == nil {
		r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.exited <- r.cmd.Wait() }()
	t.Cleanup(r.cleanup)
	var told struct {
		URL     string
		Workerd []int
	}
	until(t, 2*time.Minute, "godwit worker to be ready", func() bool {
		select {
		case err := <-r.exited:
			r.exited <- err
			t.Fatalf("godwit worker ended: %v\n%s", err, r.log)
		default:
		}
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &told) == nil
	})
	r.url, r.workerd = told.URL, told.Workerd
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return r
}

// cleanup stops it as Ctrl-C does, and wants nothing to be left.
func (r *running) cleanup() {
	_ = r.cmd.Process.Signal(syscall.SIGINT)
	select {
	case err := <-r.exited:
		if err != nil && r.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			r.t.Errorf("godwit worker after an interrupt: %v", err)
		}
	case <-time.After(time.Minute):
		r.t.Error("godwit worker is still there a minute after an interrupt")
		_ = r.cmd.Process.Kill()
	}
	if r.t.Failed() {
		r.t.Logf("godwit worker said:\n%s", r.log)
	}
}

// until waits for something to hold.
func until(t testing.TB, most time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(most); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", most, what)
		}
	}
}

// says waits until the log holds a text. What it says else is told at the end.
func (r *running) says(text string) {
	r.t.Helper()
	until(r.t, time.Minute, "the log to say "+text, func() bool { return strings.Contains(r.log.String(), text) })
}

// fetch makes a request, as if to the host without a port: some Workers hold what they
// are called against their own address.
func (r *running) fetch(method, path, body string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	res, got, err := r.try(method, path, body, headers...)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, got
}

func (r *running) try(method, path, body string, headers ...string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Host = "127.0.0.1"
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res, string(got), err
}

// want makes a GET and wants this answer.
func (r *running) want(path string, status int, body string) {
	r.t.Helper()
	if res, got := r.fetch(http.MethodGet, path, ""); res.StatusCode != status || got != body {
		r.t.Errorf("GET %s: %d %q, want %d %q", path, res.StatusCode, got, status, body)
	}
}
