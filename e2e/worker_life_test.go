package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func fifo(t testing.TB, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// TestWorkerThatFails throws, loops and dies: godwit goes on, a workerd that is gone is
// replaced, and the stack of an error names the source.
func TestWorkerThatFails(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	r := startWorker(t, p.dir, "--instances", "2")
	if res, _ := r.fetch(http.MethodGet, "/throw", ""); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("a Worker that throws: %d", res.StatusCode)
	}
	r.says("thrown on purpose")
	r.says("index.js:10:42)")
	looping := make(chan struct{})
	go func() {
		defer close(looping)
		_, _, _ = r.try(http.MethodGet, "/loop", "") // until its workerd is killed
	}()
	r.says("loop begins")
	for range 20 {
		r.want("/kv", 200, "one") // the other one has time
	}
	for _, pid := range r.workerd {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	until(t, 30*time.Second, "both deaths to be noticed", func() bool { return strings.Count(r.log.String(), "another starts") >= 2 })
	r.want("/", 200, "one") // it waits for the next
	select {
	case <-looping:
	case <-time.After(time.Minute):
		t.Error("the request goes on whose workerd was killed")
	}
	for _, pid := range r.workerd {
		if alive(pid) {
			t.Errorf("workerd %d is still there", pid)
		}
	}
}

// TestWorkerLeavesNothing ends godwit worker in every way, and wants no process, no
// token and no secret to be left.
func TestWorkerLeavesNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	temp := t.TempDir()
	heedHangups(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			p := plainProject(t)
			r := startWorker(t, p.dir, "--url", "http://"+s.api, "--token", rootToken)
			r.want("/kv", 200, "one")
			if n := len(workerTokens(s)); n != 1 {
				t.Errorf("%d tokens while it runs, want 1", n)
			}
			_ = r.cmd.Process.Signal(sig)
			err := <-r.exited
			r.exited <- err
			if err != nil || alive(r.workerd[0]) || len(workerTokens(s)) != 0 {
				t.Errorf("after it: %v, workerd alive: %t, tokens: %q", err, alive(r.workerd[0]), workerTokens(s))
			}
		})
	}
	t.Run("with a request that does not end", func(t *testing.T) {
		p := plainProject(t)
		p.edit("index.js", "2500", "60_000")
		r := startWorker(t, p.dir, "--url", "http://"+s.api, "--token", rootToken)
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			_, _, _ = r.try(http.MethodGet, "/slow", "")
		}()
		r.says("slow begins")
		r.cleanup()
		r.exited <- nil
		<-cut
		if left := workerTokens(s); len(left) != 0 {
			t.Errorf("tokens: %q", left)
		}
	})
	t.Run("kill", func(t *testing.T) {
		p := plainProject(t)
		args := []string{p.dir, "--url", "http://" + s.api, "--token", rootToken}
		r := startWorkerWith(t, []string{"TMPDIR=" + temp}, args...)
		r.want("/kv", 200, "one")
		_ = r.cmd.Process.Kill()
		until(t, 30*time.Second, "workerd to go with godwit", func() bool { return !alive(r.workerd[0]) })
		if n := len(workerTokens(s)); n != 1 {
			t.Errorf("%d tokens are left by one that was killed, want 1", n)
		}
		again := startWorkerWith(t, []string{"TMPDIR=" + temp}, args...) // and cleans up
		again.want("/kv", 200, "one")
		if n := len(workerTokens(s)); n != 1 {
			t.Errorf("%d tokens, want 1: that of before is to go", n)
		}
		dirs, err := filepath.Glob(filepath.Join(temp, "godwit-worker-*"))
		if err != nil || len(dirs) != 1 {
			t.Errorf("directories: %q %v, want that of the one that runs", dirs, err)
		}
		secretsArePrivate(t, temp)
	})
}

// TestWorkerWhoseLogNobodyReads stops one that waits for a pipe to be read, as of less: the
// Worker, too, waits for it.
func TestWorkerWhoseLogNobodyReads(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := plainProject(t)
	p.edit("index.js", "requests++;", `for (let i = 0; request.url.endsWith("/much") && i < 1000; i++) console.log("x".repeat(1000));`)
	unread, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	defer output.Close()
	cmd := workerCommand(p.dir, "--url", "http://"+s.api, "--token", rootToken)
	cmd.Stdout, cmd.Stderr = output, output
	r := startCommand(t, cmd)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _, _ = r.try(http.MethodGet, "/much", "")
	}()
	until(t, time.Minute, "the pipe to be full", func() bool {
		room, err := unix.Poll([]unix.PollFd{{Fd: int32(output.Fd()), Events: unix.POLLOUT}}, 0)
		return err == nil && room == 0
	})
	r.cleanup()
	r.exited <- nil
	<-answered
	if left := workerTokens(s); len(left) != 0 || alive(r.workerd[0]) {
		t.Errorf("tokens: %q, workerd alive: %t", left, alive(r.workerd[0]))
	}
}

// heedHangups has processes begin as from a terminal, though the tests run under nohup.
func heedHangups(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
}

// workerTokens are the tokens of Workers that a server has.
func workerTokens(s *server) (lines []string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), clients.godwit, "token", "list")
	cmd.Env = append(os.Environ(), "GODWIT_URL=http://"+s.api, "GODWIT_TOKEN="+rootToken)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "worker plain on") {
			lines = append(lines, line)
		}
	}
	return lines
}

// secretsArePrivate wants every file of workerd's configuration to be its owner's.
func secretsArePrivate(t *testing.T, dir string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type() == os.ModeSocket {
			return err
		}
		info, err := d.Info()
		if err == nil && path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		if d.Name() == "config.capnp" {
			found++
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d configurations: %v", found, err)
	}
}

// TestWorkerToken holds that a token which may make none is used as it is.
func TestWorkerToken(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.createNamespace("plain-KV")
	p := plainProject(t)
	r := startWorker(t, p.dir, "--url", "http://"+s.api, "--token", s.createToken("write", "plain-KV"))
	r.want("/kv", 200, "one")
	out, code := runWorker(t, p.dir, "--url", "http://"+s.api, "--token", "no-token-of-this-server-000", "--state", t.TempDir())
	if code != 4 || strings.Contains(out, "no-token-of") {
		t.Errorf("a bad token: exit %d, %s", code, out)
	}
}

// TestWorkerEdge runs a Worker on an edge of its own, which answers reads while the
// centre is away.
func TestWorkerEdge(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := plainProject(t)
	p.edit("index.js", `    if (url.pathname === "/kv")`, `    if (url.pathname === "/key") return new Response(await env.KV.get("key"));
    if (url.pathname === "/kv")`)
	args := []string{p.dir, "--edge", "--location", "lhr", "--url", "http://" + s.api, "--token", rootToken}
	r := startWorker(t, args...)
	r.want("/kv", 200, "one")
	s.kill()
	for range 50 {
		r.want("/key", 200, "one")
	}
	// A start goes on from the copy, too, with the token that was given.
	r.cleanup()
	r.exited <- nil
	r = startWorker(t, args...)
	r.want("/key", 200, "one")
	r.says("no token for plain alone can be made now")
	s.start()
	if _, err := os.Stat(p.path(".godwit/edge/FORMAT")); err != nil {
		t.Error(err)
	}
	// What runs next has one of its own, once the centre is back. That of before is left,
	// for nobody was there to revoke it.
	changes := 0
	until(t, 2*time.Minute, "a token of its own", func() bool {
		changes++
		p.replace("version.js", fmt.Sprintf("export const version = 'change %d';", changes))
		r.runs(fmt.Sprint("change ", changes))
		return len(workerTokens(s)) == 2
	})
}

// TestWorkerEdgeWithALateLink starts a Worker on its edge, which hears of the centre only
// when its copy is served already: the Worker gets a token of its own all the same.
func TestWorkerEdgeWithALateLink(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := plainProject(t)
	args := []string{p.dir, "--edge", "--url", "http://" + startLink(t, s.api, 500*time.Millisecond), "--token", rootToken}
	for range 2 {
		r := startWorker(t, args...)
		r.want("/kv", 200, "one")
		if n := len(workerTokens(s)); n != 1 {
			t.Errorf("%d tokens, want 1: that of this run", n)
		}
		r.cleanup()
		r.exited <- nil
	}
}

// runWorker runs godwit worker that is to fail, and returns what it says and its exit
// code.
func runWorker(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := workerCommand(append(args, "--listen", anyPort)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !stop.Stop() {
		t.Errorf("godwit worker had not ended after a minute, and was killed")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), exit.ExitCode()
	}
	return out.String(), 0
}

// TestWorkerTwice starts a project that runs already: it has one node of its own.
func TestWorkerTwice(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	r := startWorker(t, p.dir)
	out, code := runWorker(t, p.dir)
	if code != 1 || !strings.Contains(out, "godwit worker runs here already; stop it, or give this one a --state of its own") {
		t.Errorf("exit %d: %s", code, out)
	}
	r.want("/kv", 200, "one")
}

// TestWorkerRefuses starts projects that cannot run: each is refused in one line that
// names the place, and nothing is left behind.
func TestWorkerRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(p *project) (args []string)
		want   string
		code   int
	}{
		"a bundle error":   {func(p *project) []string { p.write("version.js", "export const version"); return nil }, `version.js:1:14: The constant "version" must be initialized`, 1},
		"no configuration": {func(p *project) []string { _ = os.Remove(p.path("wrangler.jsonc")); return nil }, "no wrangler.json, wrangler.jsonc, wrangler.toml in ", 1},
		"no JSON":          {func(p *project) []string { p.write("wrangler.jsonc", "{\n  \"name\": \"x\",\n  main\n}"); return nil }, `wrangler.jsonc:3: not JSON: `, 1},
		"no main":          {func(p *project) []string { p.edit("wrangler.jsonc", "index.js", "index.mjs"); return nil }, "main: stat ", 1},
		"no environment": {func(p *project) []string {
			p.edit("wrangler.jsonc", "\n}", "\n  \"env\": {},\n}")
			return []string{"--env", "prod"}
		}, `there is no environment "prod": it has none`, 1},
		"R2":                {func(p *project) []string { p.edit("wrangler.jsonc", "\n}", "\n  \"r2_buckets\": [{}],\n}"); return nil }, "wrangler.jsonc:6: r2_buckets: godwit has no R2", 1},
		"a missing workerd": {func(p *project) []string { _ = os.Remove(p.path("node_modules")); return nil }, `npm install workerd`, 1},
		"no such workerd":   {func(*project) []string { return []string{"--workerd", "/nowhere/workerd"} }, "find workerd: lstat /nowhere", 1},
		"not workerd":       {func(*project) []string { return []string{"--workerd", "/bin/true"} }, "does not tell its version as workerd does", 1},
		"no node":           {func(*project) []string { return []string{"--url", "http://127.0.0.1:1"} }, "ask the node for its status", 6},
		"a port of another": {func(p *project) []string {
			return []string{"--url", "http://" + startServer(p.t).api, "--token", rootToken, "--binding-url", "http://" + startServer(p.t).api}
		}, "is no binding port of a godwit", 1},
		"an edge's bad token": {func(p *project) []string {
			return []string{"--edge", "--url", "http://" + startServer(p.t).api, "--token", "no-token-of-this-server-000"}
		}, ": follow http://127.0.0.1:", 4},
		"an edge's narrow token": {func(p *project) []string {
			s := startServer(p.t)
			s.createNamespace("n")
			return []string{"--edge", "--url", "http://" + s.api, "--token", s.createToken("write", "n")}
		}, ": follow http://127.0.0.1:", 4},
		"an edge of nothing": {func(*project) []string { return []string{"--edge"} }, "--edge needs --url", 2},
		"too many":           {func(*project) []string { return []string{"--instances", "1000"} }, "--instances: 1000 is not between 1 and 64", 1},
		"its own data": {func(p *project) []string {
			mkdir(p.t, p.path("public"))
			p.edit("wrangler.jsonc", "\n}", "\n  \"assets\": { \"directory\": \"public\" },\n}")
			return []string{"--state", p.path("public")}
		}, "wrangler.jsonc:6: assets.directory: ", 1},
		"a class that is nowhere": {func(p *project) []string {
			p.edit("wrangler.jsonc", "\n}", "\n  \"durable_objects\": { \"bindings\": [{ \"name\": \"A\", \"class_name\": \"Away\" }] },\n}")
			return nil
		}, "wrangler.jsonc:6: durable_objects: ", 1},
		"no such flag": {func(p *project) []string {
			p.edit("wrangler.jsonc", "\n}", "\n  \"compatibility_flags\": [\"of_nobody\"],\n}")
			return nil
		}, "workerd did not start: ", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plainProject(t)
			args := test.change(p)
			out, code := runWorker(t, append(args, p.dir)...)
			if code != test.code || !strings.Contains(out, test.want) || strings.Count("\n"+out, "\ngodwit: ") != 1 {
				t.Errorf("exit %d, want %d; it said:\n%swant %s", code, test.code, out, test.want)
			}
		})
	}
}
