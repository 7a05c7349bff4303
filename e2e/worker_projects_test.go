package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
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

// These are Workers of the kinds that people publish, with the packages that they use,
// run by godwit worker as they are.

// TestWorkerHono runs an app on Hono: JSX, text modules, secrets, metadata.
func TestWorkerHono(t *testing.T) {
	t.Parallel()
	r := startWorker(t, newProject(t, "hono").dir)
	r.want("/robots.txt", 200, "User-agent: *\nDisallow: /admin/\n")
	if res, _ := r.fetch(http.MethodPut, "/admin/docs", `{"url":"https://example.com/docs"}`); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a password: %d", res.StatusCode)
	}
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:pa$$ word#1"))
	res, got := r.fetch(http.MethodPut, "/admin/docs", `{"url":"https://example.com/docs"}`, "Authorization", auth, "Content-Type", "application/json")
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("put: %d %s", res.StatusCode, got)
	}
	if res, got := r.fetch(http.MethodPut, "/admin/x", `{"url":"not one"}`, "Authorization", auth); res.StatusCode != http.StatusBadRequest || got != "no link" {
		t.Errorf("a bad link: %d %s", res.StatusCode, got)
	}
	res, _ = r.fetch(http.MethodGet, "/docs", "")
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "https://example.com/docs" {
		t.Errorf("follow: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	r.want("/", 200, "<html><h1>Links &quot;short&quot; \\ ü</h1><ul><li>docs 1</li></ul></html>")
	if res, _ := r.fetch(http.MethodGet, "/absent", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("absent: %d", res.StatusCode)
	}
}

// TestWorkerOAuth runs Cloudflare's OAuth provider through a whole authorization, on a
// node that is there already.
func TestWorkerOAuth(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := s.createNamespace("oauth")
	r := startWorker(t, newProject(t, "oauth").dir, "--url", "http://"+s.api, "--token", rootToken)
	var client struct {
		ID string `json:"client_id"`
	}
	res, got := r.fetch(http.MethodPost, "/register", `{"redirect_uris":["https://app.example/back"],"client_name":"app","token_endpoint_auth_method":"none"}`, "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(got), &client); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("register: %d %s", res.StatusCode, got)
	}
	verifier := strings.Repeat("verifier", 8)
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {"https://app.example/back"}, "scope": {"read"},
		"state": {"s"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"resource": {"http://127.0.0.1/api"},
	}
	res, got = r.fetch(http.MethodGet, "/authorize?"+query.Encode(), "")
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusFound {
		t.Fatalf("authorize: %d %s", res.StatusCode, got)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "client_id": {client.ID},
		"redirect_uri": {"https://app.example/back"}, "code_verifier": {verifier}, "resource": {"http://127.0.0.1/api"},
	}
	var token struct {
		Access string `json:"access_token"`
	}
	res, got = r.fetch(http.MethodPost, "/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if err := json.Unmarshal([]byte(got), &token); err != nil || token.Access == "" {
		t.Fatalf("token: %d %s", res.StatusCode, got)
	}
	if res, _ := r.fetch(http.MethodGet, "/api", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", res.StatusCode)
	}
	res, got = r.fetch(http.MethodGet, "/api", "", "Authorization", "Bearer "+token.Access)
	if res.StatusCode != http.StatusOK || got != `{"user":{"name":"Calidris alpina"}}` {
		t.Errorf("with a token: %d %s", res.StatusCode, got)
	}
	// The configuration names the namespace by its title: the keys are there.
	_, keys, err := s.do(http.MethodGet, s.kv("/namespaces/"+id+"/keys?prefix=client:"), nil)
	if err != nil || !strings.Contains(string(keys), client.ID) {
		t.Errorf("the client is not in the node's namespace: %v %s", err, keys)
	}
}

// TestWorkerBetterAuth runs better-auth with its sessions in KV.
func TestWorkerBetterAuth(t *testing.T) {
	t.Parallel()
	r := startWorker(t, newProject(t, "auth").dir)
	r.want("/", http.StatusUnauthorized, "sign in")
	res, got := r.fetch(http.MethodPost, "/api/auth/sign-up/email", `{"email":"knot@example.com","password":"calidris-canutus","name":"Knot"}`,
		"Content-Type", "application/json", "Origin", "http://127.0.0.1")
	if res.StatusCode != http.StatusOK || len(res.Cookies()) == 0 {
		t.Fatalf("sign up: %d %s", res.StatusCode, got)
	}
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	session := []string{"Cookie", strings.Join(cookies, "; "), "Origin", "http://127.0.0.1", "Content-Type", "application/json"}
	if res, got := r.fetch(http.MethodGet, "/", "", session...); res.StatusCode != http.StatusOK || got != `{"email":"knot@example.com"}` {
		t.Errorf("signed in: %d %s", res.StatusCode, got)
	}
	if res, got := r.fetch(http.MethodPost, "/api/auth/sign-out", `{}`, session...); res.StatusCode != http.StatusOK {
		t.Errorf("sign out: %d %s", res.StatusCode, got)
	}
	if res, _ := r.fetch(http.MethodGet, "/", "", session...); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", res.StatusCode)
	}
}

// TestWorkerNode runs packages that were written for node, with a compatibility date from
// which on workerd has but a part of what they import. What they find is what they find
// where wrangler bundles them.
func TestWorkerNode(t *testing.T) {
	t.Parallel()
	const want = `{"combined":true,"columns":80,"emitter":true,"exec":"[unenv] child_process.execSyn is not implemented yet!",` +
		`"fetched":"wader","isMainThread":true,"later":"function","mark":"mark","prompt":"","series":[true,false,"function"],"stdout":[1,false]}`
	startWorker(t, newProject(t, "node").dir).want("/", 200, want)

	p := newProject(t, "node")
	bundle := exec.CommandContext(t.Context(), clients.node, filepath.Join(clients.modules, "wrangler", "bin", "wrangler.js"), "deploy", "--dry-run", "--outdir", "out")
	bundle.Dir = p.dir
	bundle.Env = append(os.Environ(), "WRANGLER_SEND_METRICS=false", "HOME="+t.TempDir())
	if out, err := bundle.CombinedOutput(); err != nil {
		t.Fatalf("bundle with wrangler: %v\n%s", err, out)
	}
	p.edit("wrangler.jsonc", `"main": "src/index.js"`, `"no_bundle": true, "main": "out/index.js"`)
	startWorker(t, p.dir).want("/", 200, want)
}

// TestWorkerNodeByDate runs a Worker that has node's modules by its compatibility date.
func TestWorkerNodeByDate(t *testing.T) {
	t.Parallel()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", `{ "name": "dated", "main": "index.js", "compatibility_date": "2026-08-04" }`)
	p.write("index.js", `import path from "path";
import { isatty } from "node:tty";
const { EventEmitter } = require("events");
export default { fetch: () => Response.json([path.join("a", "b"), isatty(1), typeof EventEmitter, typeof process.env]) };
`)
	startWorker(t, p.dir).want("/", 200, `["a/b",false,"function","object"]`)
}

// TestWorkerNodeUnreached runs a Worker that gets by without node's modules: it catches
// what fails, and is warned.
func TestWorkerNodeUnreached(t *testing.T) {
	t.Parallel()
	p := newProject(t, "router")
	p.write("wrangler.jsonc", `{ "name": "without", "main": "index.js", "compatibility_date": "2026-01-01" }`)
	p.write("index.js", `import { hash } from "./lib.cjs";
const lazy = await import("node:fs").catch((e) => e.message);
export default { fetch: () => Response.json({ hash, lazy }) };
`)
	p.write("lib.cjs", `let hash;
try { hash = require("crypto").createHash; } catch { hash = "caught"; }
if (typeof process !== "undefined") hash = require("node:os").platform();
exports.hash = hash;
`)
	r := startWorker(t, p.dir)
	r.want("/", 200, `{"hash":"caught","lazy":"No such module \"node:fs\"."}`)
	for _, place := range []string{`index.js:2:27: "node:fs"`, `lib.cjs:2:22: "crypto"`, `lib.cjs:3:52: "node:os"`} {
		r.says(place + " is one of node's own modules")
	}
}

// TestWorkerSite serves a Workers Site, whose files are keys, and takes up a new one.
func TestWorkerSite(t *testing.T) {
	t.Parallel()
	p := newProject(t, "site")
	mkdir(t, p.path("shared"))
	p.write("shared/page.html", "<p>shared")
	symlink(t, "../shared", p.path("public/linked"))
	fifo(t, p.path("public/fifo"))
	r := startWorker(t, p.dir, "--state", p.path("public/state"))
	r.want("/", 200, "<h1>waders</h1>\n")
	r.want("/state/node/root-token", 404, "not found")
	r.want("/sub/", 200, "<h2>sub</h2>\n")
	r.want("/x.draft", 404, "not found")
	r.want("/linked/page.html", 200, "<p>shared")
	res, got := r.fetch(http.MethodGet, "/raw.bin", "")
	if got != "\x00\x01\xff\xfe" || res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("raw.bin: %q %v", got, res.Header)
	}
	if err := os.Mkdir(p.path("public/new"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.write("public/new/page.html", "<p>new")
	until(t, reloadWithin, "the new page", func() bool {
		res, got := r.fetch(http.MethodGet, "/new/page.html", "")
		return res.StatusCode == http.StatusOK && got == "<p>new"
	})
	p.replace("public/index.html", "<h1>godwits</h1>\n")
	until(t, reloadWithin, "the changed page", func() bool {
		_, got := r.fetch(http.MethodGet, "/", "")
		return got == "<h1>godwits</h1>\n"
	})
}

// TestWorkerServices runs two Workers, of which one calls the other; what one writes the
// other reads, since both name the same namespace.
func TestWorkerServices(t *testing.T) {
	t.Parallel()
	router, greeter := newProject(t, "router"), newProject(t, "greeter")
	r := startWorker(t, "--config", router.path("wrangler.jsonc"), "--config", greeter.dir)
	for _, name := range []string{"knot", "ruff"} {
		if res, got := r.fetch(http.MethodPut, "/birds/"+name, fmt.Sprintf(`{"latin":"latin of %s"}`, name)); res.StatusCode != http.StatusOK {
			t.Fatalf("put %s: %d %s", name, res.StatusCode, got)
		}
	}
	r.want("/birds", 200, `["knot","ruff"]`)
	r.want("/birds/knot", 200, `{"latin":"latin of knot"}`)
	r.want("/birds/gull", 404, `{"status":404,"error":"Not Found"}`)
	r.want("/hello/knot", 200, "hello knot, one of 2")
	r.want("/call/ruff", 200, `{"said":"ruff is latin of ruff, says router"}`)
}
