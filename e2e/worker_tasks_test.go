package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"syscall"
	"testing"
	"time"
)

// taskWorker answers at once, and leaves a task to waitUntil that writes once the gate is
// open.
const taskWorker = `import { version } from "./version.js";

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/task") ctx.waitUntil(task(url.searchParams.get("gate"), env));
    if (url.pathname === "/key") return new Response(await env.KV.get("key"));
    return new Response(version);
  },
};

async function task(gate, env) {
  await fetch(gate);
  await env.KV.put("key", "written");
}
`

func taskProject(t *testing.T) *project {
	t.Helper()
	p := plainProject(t)
	p.write("index.js", taskWorker)
	return p
}

// gate keeps those waiting who ask it, until it is open.
type gate struct {
	url   string
	asked chan struct{}
	open  chan struct{}
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{asked: make(chan struct{}, 1), open: make(chan struct{})}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		g.asked <- struct{}{}
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

// begin has a Worker begin a task that is behind a gate.
func (g *gate) begin(r *running) {
	r.t.Helper()
	r.want("/task?gate="+url.QueryEscape(g.url), 200, "one")
	select {
	case <-g.asked:
	case <-time.After(time.Minute):
		r.t.Fatal("the task has not begun")
	}
}

// TestWorkerTaskThroughAChange changes the code while a task of waitUntil is under way,
// which goes on.
func TestWorkerTaskThroughAChange(t *testing.T) {
	t.Parallel()
	p := taskProject(t)
	r := startWorker(t, p.dir)
	g := newGate(t)
	g.begin(r)
	p.write("version.js", `export const version = "two";`)
	r.runs("two")
	close(g.open)
	until(t, time.Minute, "what the task writes", func() bool { _, got := r.fetch(http.MethodGet, "/key", ""); return got == "written" })
}

// TestWorkerTaskThroughAStop stops godwit worker just after a Worker has answered: what it
// has left to waitUntil has a moment.
func TestWorkerTaskThroughAStop(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := s.createNamespace("plain-KV")
	p := taskProject(t)
	r := startWorker(t, p.dir, "--url", "http://"+s.api, "--token", rootToken)
	g := newGate(t)
	g.begin(r)
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	until(t, time.Minute, "the address to be closed", func() bool { _, _, err := r.try(http.MethodGet, "/", ""); return err != nil })
	close(g.open)
	err := <-r.exited
	r.exited <- err
	if _, got, getErr := s.do(http.MethodGet, s.kv("/namespaces/"+id+"/values/key"), nil); err != nil || getErr != nil || string(got) != "written" {
		t.Errorf("after a stop (%v): %v %s", err, getErr, got)
	}
}

// TestWorkerTaskBesideStorage changes the code of a Worker alone with its storage just after
// it has answered: requests wait while the task has a moment.
func TestWorkerTaskBesideStorage(t *testing.T) {
	t.Parallel()
	p := taskProject(t)
	p.edit("wrangler.jsonc", "\n}", "\n  \"triggers\": { \"crons\": [\"0 0 1 1 *\"] },\n}")
	p.edit("index.js", "export default {", "export default {\n  scheduled() {},")
	r := startWorker(t, p.dir)
	g := newGate(t)
	g.begin(r)
	p.write("version.js", `export const version = "two";`)
	impatient := *r.client
	impatient.Timeout = 300 * time.Millisecond
	until(t, reloadWithin, "a request to wait", func() bool {
		res, err := impatient.Get(r.url)
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
	close(g.open)
	r.runs("two")
	r.want("/key", 200, "written")
}

// TestWorkerTasksOfManyChanges changes the code again and again: of what was replaced, only
// the two newest live on for their tasks.
func TestWorkerTasksOfManyChanges(t *testing.T) {
	t.Parallel()
	p := taskProject(t)
	r := startWorker(t, p.dir)
	g := newGate(t)
	g.begin(r)
	for _, version := range []string{"two", "three"} {
		p.replace("version.js", `export const version = "`+version+`";`)
		r.runs(version)
	}
	if !alive(r.workerd[0]) {
		t.Error("the first code has ended though its task has not")
	}
	p.replace("version.js", `export const version = "four";`)
	r.runs("four")
	until(t, time.Minute, "the first code to end", func() bool { return !alive(r.workerd[0]) })
}
