package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// reloadWithin is how long a change may take until it runs, on a busy machine.
const reloadWithin = 30 * time.Second

const plainConfig = `{
  "name": "plain",
  "main": "index.js",
  "compatibility_date": "2026-01-01",
  "kv_namespaces": [{ "binding": "KV" }],
}
`

// plainWorker answers with a version, reads KV, and fails in several ways.
const plainWorker = `import { version } from "./version.js";

let requests = 0;

export default {
  async fetch(request, env) {
    requests++;
    const url = new URL(request.url);
    if (url.pathname === "/requests") return new Response(String(requests));
    if (url.pathname === "/throw") throw new Error("thrown on purpose");
    if (url.pathname === "/loop") for (console.log("loop begins");;);
    if (url.pathname === "/slow") console.log("slow begins"), await new Promise((done) => setTimeout(done, 2500));
    if (url.pathname === "/kv") {
      await env.KV.put("key", version);
      return new Response(await env.KV.get("key"));
    }
    return new Response(version);
  },
};
`

func plainProject(t testing.TB) *project {
	t.Helper()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", plainConfig)
	p.write("index.js", plainWorker)
	p.write("version.js", `export const version = "one";`)
	return p
}

// runs waits until a version answers.
func (r *running) runs(version string) {
	r.t.Helper()
	until(r.t, reloadWithin, "version "+version, func() bool {
		_, got := r.fetch(http.MethodGet, "/", "")
		return got == version
	})
}

// TestWorkerTakesUpChanges changes sources and configuration in every way that editors
// and people do, under load: each runs soon, and no request fails.
func TestWorkerTakesUpChanges(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	r := startWorker(t, p.dir)
	load := startLoad(r)
	slow := make(chan string, 1) // longer than a workerd is given that is told to end
	go func() {
		_, got, err := r.try(http.MethodGet, "/slow", "")
		slow <- fmt.Sprint(got, err)
	}()
	r.says("slow begins")
	for _, change := range []struct {
		version string
		make    func()
	}{
		{"two", func() { p.write("version.js", `export const version = "two";`) }},
		{"three", func() { p.replace("version.js", `export const version = "three";`) }},
		{"four", func() { p.replace("version.js", `export * from "./deep/version.js";`) }}, // not there yet
		{"five", func() {
			p.edit("wrangler.jsonc", `"main": "index.js"`, `"main": "index.js", "define": {"WHICH": "'five'"}`)
		}},
	} {
		change.make()
		switch change.version {
		case "four":
			r.says(`version.js:1:15: Could not resolve "./deep/version.js"`)
			r.want("/", 200, "three")
			mkdir(t, p.path("deep"))
			p.write("deep/version.js", `export const version = "four";`)
		case "five":
			p.replace("deep/version.js", `export const version = WHICH;`)
		}
		r.runs(change.version)
	}
	// Away and back, as a checkout of another branch does it.
	rename(t, p.path("deep"), p.path("aside"))
	r.says("Could not resolve")
	mkdir(t, p.path("deep"))
	p.write("deep/version.js", `export const version = "six";`)
	r.runs("six")
	p.write("deep/version.js", `export const version = "seven";`) // the new directory is watched, too
	r.runs("seven")
	load.end()
	if got := <-slow; got != "one<nil>" {
		t.Errorf("a request that began before the changes: %s", got)
	}
}

// TestWorkerKeepsWhatRuns breaks the sources, the configuration and the start of the
// Worker: each is told with its place, and what ran goes on.
func TestWorkerKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	r := startWorker(t, p.dir)
	load := startLoad(r)
	for name, broken := range map[string]struct{ file, text, says string }{
		"syntax":        {"version.js", "\nexport const version = ;", `version.js:2:24: Unexpected ";"`},
		"start":         {"version.js", `export const version = "x"; null.boom;`, "version.js:1:34"},
		"configuration": {"wrangler.jsonc", "{\n  \"name\": 7,\n}", "wrangler.jsonc:2: name is a number, not a string"},
		"unsupported":   {"wrangler.jsonc", strings.Replace(plainConfig, "}\n", "  \"d1_databases\": [{ \"binding\": \"DB\" }],\n}\n", 1), "d1_databases: godwit has no D1"},
	} {
		before := p.read(broken.file)
		p.replace(broken.file, broken.text)
		r.says(broken.says)
		r.want("/kv", 200, "one")
		p.replace(broken.file, before)
		if t.Failed() {
			t.Fatalf("after %s", name)
		}
	}
	p.replace("version.js", `export const version = "two";`)
	r.runs("two")
	load.end()
	p.edit("wrangler.jsonc", "2026-01-01", "2099-01-01")
	r.says("wrangler.jsonc: compatibility_date: this workerd knows none after 20")
	r.want("/kv", 200, "two")
}

// TestWorkerWaitsForItsNode changes a Worker so that it needs its node, which is away: it
// is told, and the change is taken up once the node is back.
func TestWorkerWaitsForItsNode(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := plainProject(t)
	r := startWorker(t, p.dir, "--url", "http://"+s.api, "--token", rootToken)
	r.want("/", 200, "one")
	s.kill()
	p.replace("version.js", `export const version = "two";`)
	r.runs("two") // this needs nothing of the node
	p.edit("wrangler.jsonc", `[{ "binding": "KV" }]`, `[{ "binding": "KV" }, { "binding": "MORE" }]`)
	p.replace("version.js", `export const version = "three";`)
	r.says("ask for namespaces")
	r.want("/", 200, "two")
	s.start()
	until(t, time.Minute, "the change", func() bool { _, got := r.fetch(http.MethodGet, "/", ""); return got == "three" })
	r.says("KV MORE is namespace plain-MORE")
}

// TestWorkerWhoseProgramIsAway changes a Worker while workerd is not there, as when npm puts
// another in its place: the change is taken up once it is back.
func TestWorkerWhoseProgramIsAway(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	program := filepath.Join(t.TempDir(), "workerd")
	if err := os.Link(clients.workerd, program); err != nil { // they are on two disks
		b, err := os.ReadFile(clients.workerd)
		if err == nil {
			err = os.WriteFile(program, b, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := startWorker(t, p.dir, "--workerd", program)
	r.want("/", 200, "one")
	rename(t, program, program+".aside")
	p.replace("version.js", `export const version = "two";`)
	r.says("no such file or directory\nThe code of before goes on, and the change is tried again every 2s.")
	r.want("/", 200, "one")
	rename(t, program+".aside", program)
	until(t, time.Minute, "the change", func() bool { _, got := r.fetch(http.MethodGet, "/", ""); return got == "two" })
	if told := strings.Count(r.log.String(), "no such file or directory"); told != 1 {
		t.Errorf("told %d times that the program is away", told)
	}
}

// TestWorkerWhoseNamespaceGoes deletes a Worker's namespace and revokes its token while it
// runs: its next change has others.
func TestWorkerWhoseNamespaceGoes(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := s.createNamespace("plain-KV")
	p := plainProject(t)
	r := startWorker(t, p.dir, "--url", "http://"+s.api, "--token", rootToken)
	r.want("/kv", 200, "one")
	if res, got, err := s.do(http.MethodDelete, s.kv("/namespaces/"+id), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("delete the namespace: %v %s", err, got)
	}
	p.replace("version.js", `export const version = "two";`)
	r.runs("two")
	r.want("/kv", 200, "two")
	for _, line := range workerTokens(s) {
		if token, _, _ := strings.Cut(line, "\t"); !s.runs("token", "revoke", token) {
			t.Errorf("cannot revoke %s", token)
		}
	}
	p.replace("version.js", `export const version = "three";`)
	r.runs("three")
	r.want("/kv", 200, "three")
}

// TestWorkerWhoseStorageIsAway changes a Worker alone with its storage while that cannot be
// had: nothing runs, which is told, and the newest code runs once the storage is back.
func TestWorkerWhoseStorageIsAway(t *testing.T) {
	t.Parallel()
	p := objectsProject(t)
	r := startWorker(t, p.dir)
	r.want("/count", 200, "1")
	objects, aside := p.path(".godwit/objects"), p.path("aside")
	rename(t, objects, aside)
	p.write(".godwit/objects", "in the way")
	p.edit("index.js", `"one"`, `"two"`)
	r.says("Nothing runs")
	p.edit("index.js", `"two"`, `null.boom`)
	r.says("boom")
	p.edit("index.js", `null.boom`, `"three"`)
	if err := os.Remove(objects); err != nil {
		t.Fatal(err)
	}
	rename(t, aside, objects)
	r.says("changed code runs")
	r.want("/", 200, "three")
	r.want("/count", 200, "2")
	if strings.Contains(r.log.String(), "The code of before goes on") {
		t.Error("code of before is told to go on, where none ran")
	}
	p.edit("index.js", `"three"`, `null.boom`) // and all is as it was
	r.says("The code of before goes on.")
	r.want("/count", 200, "3")
}

// TestWorkerBehindALink has a link to the project, which leads to another after a while: the
// other one's code runs, with the data of before.
func TestWorkerBehindALink(t *testing.T) {
	t.Parallel()
	first, second := plainProject(t), plainProject(t)
	for _, p := range []*project{first, second} {
		p.edit("index.js", `    return new Response(version);`, `    if (url.pathname === "/large") await env.KV.put("large", "x".repeat(2_000_000));
    return new Response(version);`)
	}
	second.write("version.js", `export const version = "two";`)
	current := filepath.Join(t.TempDir(), "current")
	symlink(t, first.dir, current)
	r := startWorker(t, current)
	r.want("/kv", 200, "one")
	symlink(t, second.dir, current+".new")
	rename(t, current+".new", current)
	r.runs("two")
	r.want("/kv", 200, "two")
	r.want("/large", 200, "two")
	r.cleanup()
	r.exited <- nil
	if strings.Contains(r.log.String(), "without its seal") {
		t.Errorf("the node was left as it should not be:\n%s", r.log)
	}
	if _, err := os.Stat(first.path(".godwit/node")); err != nil {
		t.Error(err)
	}
}

// TestWorkerIsAskedByClientsAlone holds that nobody but clients asks the Worker: it
// counts every request, through reloads and for a while.
func TestWorkerIsAskedByClientsAlone(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	r := startWorker(t, p.dir)
	r.want("/requests", 200, "1")
	p.write("version.js", `export const version = "two";`)
	r.says("changed code runs")
	r.want("/requests", 200, "1") // of the new process
	r.want("/requests", 200, "2")
}

// load asks a Worker without a pause.
type load struct {
	r      *running
	group  errgroup.Group
	stop   atomic.Bool
	asked  atomic.Int64
	failed atomic.Int64
}

func startLoad(r *running) *load {
	l := &load{r: r}
	for range 4 {
		l.group.Go(func() error {
			for !l.stop.Load() {
				res, got, err := r.try(http.MethodGet, "/kv", "")
				if err == nil && res.StatusCode == http.StatusOK {
					l.asked.Add(1)
				} else if !l.stop.Load() {
					l.failed.Add(1)
					r.t.Errorf("a request failed: %v %v %q", err, res, got)
					return err
				}
			}
			return nil
		})
	}
	return l
}

// end wants no request to have failed.
func (l *load) end() {
	l.r.t.Helper()
	l.stop.Store(true)
	if err := l.group.Wait(); err != nil {
		l.r.t.Error(err)
	}
	if l.asked.Load() < 20 || l.failed.Load() > 0 {
		l.r.t.Errorf("%d requests were answered, %d failed", l.asked.Load(), l.failed.Load())
	}
}
