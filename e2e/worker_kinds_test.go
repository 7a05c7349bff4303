package e2e_test

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"golang.org/x/sync/errgroup"
)

// objectsProject counts in a Durable Object, and has a cron trigger.
func objectsProject(t testing.TB) *project {
	t.Helper()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", `{
  "name": "objects",
  "main": "index.js",
  "compatibility_date": "2026-01-01",
  "kv_namespaces": [{ "binding": "KV" }],
  "durable_objects": { "bindings": [{ "name": "COUNTER", "class_name": "Counter" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Counter"] }],
  "triggers": { "crons": ["0 0 1 1 *"] },
}
`)
	p.write("index.js", `import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  count() {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS n (at INTEGER PRIMARY KEY)");
    this.ctx.storage.sql.exec("INSERT INTO n DEFAULT VALUES");
    return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM n").one().n;
  }
}
const version = "one";
export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/kv") return new Response(await env.COUNTER.getByName("load").count());
    if (path === "/count") return new Response(await env.COUNTER.getByName("a").count());
    return new Response(version);
  },
  scheduled() {},
};
`)
	return p
}

// TestWorkerObjects runs Durable Objects and cron triggers: what they have stored
// outlives a change of the code and a restart, and no request fails in between.
func TestWorkerObjects(t *testing.T) {
	t.Parallel()
	p := objectsProject(t)
	if out, code := runWorker(t, p.dir, "--instances", "2"); code != 1 || !strings.Contains(out, "has Durable Objects, which live in one process") {
		t.Errorf("two instances: exit %d, %s", code, out)
	}
	r := startWorker(t, p.dir)
	r.want("/count", 200, "1")
	load := startLoad(r)
	p.edit("index.js", `"one"`, `"two"`)
	r.runs("two")
	r.want("/count", 200, "2")
	p.edit("index.js", `"two"`, `null.boom`)
	r.says("The code of before goes on.")
	r.want("/count", 200, "3")
	load.end()
	if out, code := runWorker(t, p.dir, "--url", "http://127.0.0.1:1"); code == 0 {
		t.Errorf("beside another: %s", out)
	}
	r.cleanup()
	r.exited <- nil
	p.edit("index.js", `null.boom`, `"three"`)
	startWorker(t, p.dir).want("/count", 200, "4")
}

// TestWorkerObjectsThatGoAndCome takes the objects out of the configuration while one is being
// asked: the process that has them open has ended when the new code runs, so that they may
// come back.
func TestWorkerObjectsThatGoAndCome(t *testing.T) {
	t.Parallel()
	p := objectsProject(t)
	p.edit("index.js", "  count() {", "  async slow() { console.log(\"slow begins\"); await new Promise(() => setTimeout(() => {}, 60_000)); }\n  count() {")
	p.edit("index.js", `    if (path === "/count")`, `    if (path === "/slow") return new Response(await env.COUNTER.getByName("a").slow());
    if (path === "/count")`)
	with := p.read("wrangler.jsonc")
	r := startWorker(t, p.dir)
	r.want("/count", 200, "1")
	var slow errgroup.Group
	slow.Go(func() error { _, _, err := r.try(http.MethodGet, "/slow", ""); return err })
	r.says("slow begins")
	p.write("other.js", `export default { fetch() { return new Response("without"); } };`)
	p.replace("wrangler.jsonc", `{ "name": "objects", "main": "other.js", "compatibility_date": "2026-01-01" }`)
	r.runs("without")
	if alive(r.workerd[0]) {
		t.Error("the process that has the objects open is still there")
	}
	p.replace("wrangler.jsonc", with)
	r.runs("one")
	r.want("/count", 200, "2")
	if err := slow.Wait(); err != nil {
		t.Error(err)
	}
}

// TestWorkerAssets serves an assets directory beside a Worker, and one without any.
func TestWorkerAssets(t *testing.T) {
	t.Parallel()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", `{
  "name": "app",
  "main": "index.js",
  "compatibility_date": "2026-01-01",
  "assets": { "directory": "public", "binding": "ASSETS", "not_found_handling": "single-page-application", "run_worker_first": ["/api/*"] },
}
`)
	p.write("index.js", `export default {
  async fetch(request, env) {
    const page = await env.ASSETS.fetch(new URL("/page", request.url));
    return Response.json({ path: new URL(request.url).pathname, page: await page.text() });
  },
};
`)
	mkdir(t, p.path("public"))
	p.write("public/index.html", "<h1>app")
	p.write("public/page.html", "page")
	mkdir(t, p.path("public/_worker.js"))
	p.write("public/_worker.js/index.js", "source")
	r := startWorker(t, p.dir)
	r.want("/", 200, "<h1>app")
	r.want("/page", 200, "page")
	r.want("/api/x", 200, `{"path":"/api/x","page":"page"}`)
	r.want("/_worker.js/index.js", 200, "<h1>app")
	if res, got := r.fetch(http.MethodGet, "/some/route", "", "Sec-Fetch-Mode", "navigate"); res.StatusCode != 200 || got != "<h1>app" {
		t.Errorf("a route of the app: %d %s", res.StatusCode, got)
	}
	p.write("public/page.html", "another")
	until(t, reloadWithin, "the changed page", func() bool { _, got := r.fetch(http.MethodGet, "/page", ""); return got == "another" })
	p.write("public/_headers", "/page\n  X-Of: the file\n  wrong\n")
	until(t, reloadWithin, "the headers", func() bool {
		res, _ := r.fetch(http.MethodGet, "/page", "")
		return res.Header.Get("X-Of") == "the file"
	})
	r.says("Expected a colon-separated header pair (e.g. name: value)\n    at _headers:3 | wrong")
	fifo(t, p.path("public/_redirects"))
	r.says("wrangler.jsonc:5: assets.directory: " + p.path("public/_redirects") + " is not a file")
	r.want("/page", 200, "another")
	if err := os.Remove(p.path("public/_redirects")); err != nil {
		t.Fatal(err)
	}
	p.edit("wrangler.jsonc", "  \"main\": \"index.js\",\n", "")
	r.says("assets.binding: there is no Worker to bind to")
	p.edit("wrangler.jsonc", "\"binding\": \"ASSETS\", ", "")
	r.says("assets.run_worker_first: there is no Worker to run")
	p.edit("wrangler.jsonc", ", \"run_worker_first\": [\"/api/*\"]", "")
	until(t, reloadWithin, "assets alone", func() bool {
		_, got := r.fetch(http.MethodGet, "/api/x", "", "Sec-Fetch-Mode", "navigate")
		return got == "<h1>app"
	})
}

// TestWorkerPublishesNothingOfItsOwn has a project as its own assets directory, and looks
// for what godwit keeps there: none of it is served, whatever a .assetsignore says.
func TestWorkerPublishesNothingOfItsOwn(t *testing.T) {
	t.Parallel()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", `{ "name": "bare", "compatibility_date": "2026-01-01", "assets": { "directory": "." } }`)
	p.write("index.html", "<h1>bare")
	p.write(".assetsignore", "!.godwit\n!/sub/*\n!.env.example")
	for _, name := range []string{".dev.vars", ".env", ".env.example", "_worker.js"} {
		p.write(name, "KEY=value\n")
	}
	mkdir(t, p.path("sub"))
	p.write("sub/page.html", "page")
	p.write("sub/_worker.js", "page")
	check := func(state string, args ...string) {
		t.Helper()
		r := startWorker(t, append(args, p.dir)...)
		r.want("/", 200, "<h1>bare")
		r.want("/sub/page", 200, "page")
		r.want("/sub/_worker.js", 200, "page")
		r.want("/.env.example", 200, "KEY=value\n")
		for _, name := range []string{state + "/node/root-token", state + "/objects.lock", ".dev.vars", ".env", "_worker.js", "wrangler.jsonc"} {
			if _, err := os.Stat(p.path(name)); err != nil {
				t.Error(err)
			}
			r.want((&url.URL{Path: "/" + name}).String(), 404, "")
			r.want((&url.URL{Path: "/sub/../" + name}).String(), 404, "")
		}
		r.cleanup()
		r.exited <- nil
	}
	check(".godwit")
	check("sub/st[a]te ü", "--state", p.path("sub/st[a]te ü"))
	rename(t, p.path(".godwit"), p.path("data"))
	startWorker(t, p.dir, "--data", p.path("data/node")).want("/data/node/root-token", 404, "")
}

// TestWorkerOldForm runs a Worker that exports nothing, and one that is not bundled.
func TestWorkerOldForm(t *testing.T) {
	t.Parallel()
	old := newProject(t, "router")
	old.write("wrangler.jsonc", plainConfig)
	old.write("index.js", `import { greet } from "./greet";
addEventListener("fetch", (event) => event.respondWith(handle(event.request)));
async function handle(request) {
  await KV.put("greeting", greet(await request.text()));
  return new Response(await KV.get("greeting"));
}
`)
	old.write("greet.js", "export const greet = (name) => `hello ${name.trim()}`;\n")
	r := startWorker(t, old.dir)
	if _, got := r.fetch(http.MethodPost, "/", "knot"); got != "hello knot" {
		t.Errorf("the old form: %s", got)
	}
	old.write("greet.js", "export const greet = (name) => `hello ${name.boom()}`;\n")
	r.says("changed code runs")
	r.fetch(http.MethodPost, "/", "knot")
	r.says("greet.js:1:46)")
	old.write("greet.js", "\nnull.boom;\nexport const greet = 1;\n")
	r.says("greet.js:2:6")
	plain := newProject(t, "router")
	plain.write("wrangler.toml", "main = 'src/index.mjs'\ncompatibility_date = '2026-01-01'\nno_bundle = true\n")
	if err := os.Remove(plain.path("wrangler.jsonc")); err != nil {
		t.Fatal(err)
	}
	mkdir(t, plain.path("src"))
	plain.write("src/index.mjs", "import t from './t.txt'; import { x } from './x.js'; import c from './c.cjs';\nexport default { fetch: () => new Response(t + x + c.y) };\n")
	plain.write("src/x.js", "export const x = 'x';\n")
	plain.write("src/c.cjs", "module.exports = { y: 'y' };\n")
	plain.write("src/t.txt", "t")
	startWorker(t, plain.dir).want("/", 200, "txy")
}

// TestWorkerBuilt runs what a build tool has made of a project, in the place of its
// source, and what the tool makes next.
func TestWorkerBuilt(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	p.write("index.js", "throw new Error('the source runs');\n")
	p.write(".dev.vars", "FROM=the project\n")
	for _, dir := range []string{".wrangler", ".wrangler/deploy", "dist", "dist/app", "dist/app/assets"} {
		mkdir(t, p.path(dir))
	}
	p.write(".wrangler/deploy/config.json", `{"configPath":"../../dist/app/wrangler.json","auxiliaryWorkers":[]}`)
	p.write("dist/app/wrangler.json", `{"configPath":"x","userConfigPath":"x","topLevelName":"app","definedEnvironments":[],"name":"app",
"main":"index.js","compatibility_date":"2026-01-01","kv_namespaces":[{"binding":"KV"}],"queues":{"producers":[],"consumers":[]},
"logfwdr":{"bindings":[]},"unsafe":{"bindings":[]},"rules":[{"type":"ESModule","globs":["**/*.js","**/*.mjs"]}],"no_bundle":true}`)
	p.write("dist/app/index.js", "import v from './assets/v.js';\nexport default { fetch: (_, env) => new Response(v + env.FROM) };\n")
	p.write("dist/app/assets/v.js", "export default 'built of ';\n")
	r := startWorker(t, p.dir)
	r.want("/", 200, "built of the project")
	r.says("dist/app/wrangler.json is read, which a build has made, in place of ")
	p.write("dist/app/assets/v.js", "export default 'built again of ';\n")
	until(t, reloadWithin, "what was built again", func() bool { _, got := r.fetch(http.MethodGet, "/", ""); return got == "built again of the project" })
	p.write("index.js", "export default { fetch: () => new Response('the source') };\n")
	if err := os.RemoveAll(p.path(".wrangler")); err != nil {
		t.Fatal(err)
	}
	until(t, reloadWithin, "the source", func() bool { _, got := r.fetch(http.MethodGet, "/", ""); return got == "the source" })
}

// TestWorkerFromBelow runs the project that a directory lies in.
func TestWorkerFromBelow(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	for _, dir := range []string{"deep", "deep/er"} {
		mkdir(t, p.path(dir))
	}
	cmd := workerCommand()
	cmd.Dir = p.path("deep/er")
	startCommand(t, cmd).want("/kv", 200, "one")
	if _, err := os.Stat(p.path(".godwit/node")); err != nil {
		t.Error(err)
	}
}

// TestWorkerExperimental runs a Worker that asks for what is not settled yet in workerd, as
// wrangler dev does.
func TestWorkerExperimental(t *testing.T) {
	t.Parallel()
	p := plainProject(t)
	p.edit("wrangler.jsonc", "\n}", "\n  \"compatibility_flags\": [\"experimental\"],\n}")
	startWorker(t, p.dir).want("/kv", 200, "one")
}

// TestWorkerCrons asks workerd of each cron trigger of wrangler's table what is wrong with
// it: what godwit lets pass it has to run.
func TestWorkerCrons(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "worker.js")
	write(t, script, []byte(`import { parse } from "cron.js";
function check(line) {
  try {
    parse(line);
    return "ok";
  } catch (e) {
    return e.message.replace("cron trigger " + JSON.stringify(line.trim()) + ": ", "");
  }
}
export default {
  async fetch(request) {
    return new Response((await request.text()).split("\n").map((line) => line + ": " + check(line) + "\n").join(""));
  },
};
`))
	w := startWorkerd(t, worker{script: script, crons: true})
	datadriven.RunTest(t, "../internal/worker/wrangler/testdata/crons", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "cron" {
			return d.Expected
		}
		_, got := w.fetch(http.MethodPost, "/", []byte(d.Input))
		return string(got)
	})
}

// TestWorkerConnections holds what a proxy may get wrong: WebSockets, bodies that come
// bit by bit both ways, heads as they are, and what a Worker is told of its client.
func TestWorkerConnections(t *testing.T) {
	t.Parallel()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", `{ "name": "conn", "main": "index.js", "compatibility_date": "2026-01-01" }`)
	p.write("index.js", `export default {
  async fetch(request) {
    const url = new URL(request.url);
    if (request.headers.get("Upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", (m) => server.send("echo " + m.data));
      return new Response(null, { status: 101, webSocket: client });
    }
    if (url.pathname === "/echo") return new Response(request.body);
    if (url.pathname === "/bare") return new Response(new Uint8Array([60, 104]), { status: 203, headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]] });
    return Response.json({ url: request.url, ip: request.headers.get("CF-Connecting-IP"), colo: request.cf?.colo, seen: [...request.headers.keys()].sort() });
  },
};
`)
	r := startWorker(t, p.dir, "--location", "lhr")
	t.Run("a WebSocket", func(t *testing.T) { websocket(t, r) })
	t.Run("bit by bit", func(t *testing.T) { bitByBit(t, r) })
	_, got := r.fetch(http.MethodGet, "/a%2Fb//c?q=;&x=%zz", "", "CF-Connecting-IP", "6.6.6.6", "Godwit-Cf", `{"colo":"liar"}`, "Accept-Encoding", "identity")
	want := `{"url":"http://127.0.0.1/a%2Fb//c?q=;&x=%zz","ip":"127.0.0.1","colo":"lhr","seen":["accept-encoding","cf-connecting-ip","host","user-agent"]}`
	if got != want {
		t.Errorf("told: %s\nwant:  %s", got, want)
	}
	res, got := r.fetch(http.MethodGet, "/bare", "")
	if res.StatusCode != 203 || got != "<h" || res.Header["Content-Type"] != nil || len(res.Header["Set-Cookie"]) != 2 {
		t.Errorf("bare: %d %q %v", res.StatusCode, got, res.Header)
	}
}

func websocket(t *testing.T, r *running) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+base64.StdEncoding.EncodeToString(key)+"\r\n\r\n")
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", res, err)
	}
	// A masked text frame, whose mask is zeros.
	_, _ = conn.Write(append([]byte{0x81, 0x80 | 4, 0, 0, 0, 0}, "knot"...))
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil || head[0] != 0x81 {
		t.Fatalf("frame: %x %v", head, err)
	}
	body := make([]byte, binary.BigEndian.Uint16([]byte{0, head[1]}))
	if _, err := io.ReadFull(in, body); err != nil || string(body) != "echo knot" {
		t.Errorf("got %q, %v", body, err)
	}
}

// bitByBit sends a part of a body, and wants it back before the next is sent.
func bitByBit(t *testing.T, r *running) {
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/echo", in)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(out, "first") }()
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, part := range []string{"first", "second"} {
		if part == "second" {
			go func() { _, _ = io.WriteString(out, "second"); _ = out.Close() }()
		}
		got := make([]byte, len(part))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != part {
			t.Fatalf("got %q, %v, want %s", got, err, part)
		}
	}
	if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}
