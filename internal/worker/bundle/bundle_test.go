package bundle_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// project writes the files of an archive and loads its configuration.
func project(t *testing.T, archive string) *wrangler.Worker {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := wrangler.Load(wrangler.Found{File: filepath.Join(dir, "wrangler.toml")}, wrangler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func build(t *testing.T, w *wrangler.Worker) (*bundle.Bundler, *bundle.Result, error) {
	t.Helper()
	b, err := bundle.New(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	r, err := b.Build()
	return b, r, err
}

// imports are what the main module still imports, in order.
func imports(code string) (found []string) {
	for line := range strings.Lines(code) {
		if i := strings.Index(line, `from "`); i >= 0 && strings.HasPrefix(line, "import") {
			found = append(found, strings.TrimSuffix(strings.TrimSpace(line[i+6:]), `";`))
		}
	}
	return found
}

const esm = "name = 'w'\nmain = 'index.js'\n"

// node is a configuration with node's modules.
func node(date string, flags ...string) string { return bare(date, append(flags, "nodejs_compat")...) }

// bare is one with a date and flags alone.
func bare(date string, flags ...string) string {
	text := esm + "compatibility_date = '" + date + "'\ncompatibility_flags = ["
	for _, flag := range flags {
		text += "'" + flag + "', "
	}
	return text + "]\n"
}

// rules is a rule of a configuration.
func rules(typ string, globs ...string) string {
	return "[[rules]]\ntype = '" + typ + "'\nglobs = ['" + strings.Join(globs, "', '") + "']\n"
}

// unenv is what stands in for node's modules, as wrangler's packages lay it out.
const unenv = `
-- node_modules/unenv/package.json --
{"name":"unenv","type":"module","sideEffects":false,"exports":{"./*":"./dist/*.mjs"}}
-- node_modules/unenv/dist/node/tty.mjs --
export default "unenv's tty";
-- node_modules/unenv/dist/npm/node-fetch.mjs --
export default "unenv's fetch"; export const Headers = 1;
-- node_modules/@cloudflare/unenv-preset/package.json --
{"name":"@cloudflare/unenv-preset","type":"module","exports":{"./*":"./dist/*.mjs"}}
-- node_modules/@cloudflare/unenv-preset/dist/node/process.mjs --
export default "the preset's process";
`

// TestResolution bundles imports of every kind. What is written is what the module still
// imports, and the types of the modules beside it.
func TestResolution(t *testing.T) {
	for name, test := range map[string]struct {
		archive string
		imports []string
		modules []string
		holds   string
		fails   string
	}{
		"the workerd condition": {archive: esm + `
-- index.js --
import { which } from "pkg"; export default { which };
-- node_modules/pkg/package.json --
{"name":"pkg","exports":{"node":"./node.js","workerd":"./workerd.js","default":"./default.js"}}
-- node_modules/pkg/workerd.js --
export const which = "for workerd";
-- node_modules/pkg/node.js --
export const which = "for node";
-- node_modules/pkg/default.js --
export const which = "for others";
`, holds: "for workerd"},
		"conditions and platform of .env": {archive: esm + `
-- .env --
WRANGLER_BUILD_CONDITIONS=""
WRANGLER_BUILD_PLATFORM="node"
-- index.js --
import a from "pw"; import b from "pb"; export default { a, b };
-- node_modules/pw/package.json --
{"name":"pw","exports":{"workerd":"./w.js","node":"./n.js"}}
-- node_modules/pw/n.js --
export default "for node";
-- node_modules/pw/w.js --
export default "for workerd";
-- node_modules/pb/package.json --
{"name":"pb","main":"m.js","browser":"b.js"}
-- node_modules/pb/m.js --
export default "of main";
-- node_modules/pb/b.js --
export default "a browser's";
`, holds: "{ a: n_default, b: m_default }"},
		"a rule that is ignored": {archive: esm + "[[rules]]\ntype = 'Data'\nglobs = ['**/*.dat']\n" + `
-- index.js --
import bin from "./x.bin"; export default { bin };
-- x.bin --
bytes
`, fails: "the rule that makes Data of ./x.bin is ignored behind that in "},
		"a rule that others follow": {archive: esm + "[[rules]]\ntype = 'Data'\nglobs = ['**/*.dat']\nfallthrough = true\n" + `
-- index.js --
import bin from "./x.bin"; import dat from "./x.dat"; export default { bin, dat };
-- x.bin --
bytes
-- x.dat --
more
`, modules: []string{"Data", "Data", "ESModule"}},
		"globs without directories": {archive: esm + rules("Text", "*.md", "*.css", "*.json", "./tpl/*.tpl") + rules("Data", "*.txt") + `
-- index.js --
import md from "./posts/hello.md"; import css from "./styles/a.css"; import json from "./d/a.json"; import tpl from "./tpl/a.tpl"; import deep from "pk/deep/a.md"; import txt from "./q/y.txt";
export default { md, css, json, tpl, deep, txt };
-- posts/hello.md --
# hi
-- styles/a.css --
body{color:red}
-- d/a.json --
{"a":1}
-- tpl/a.tpl --
template
-- node_modules/pk/deep/a.md --
deep
-- q/y.txt --
bytes
`, modules: []string{"Data", "ESModule", "Text", "Text", "Text", "Text", "Text"}},
		"TypeScript and JSX": {archive: "name = 'w'\nmain = 'index.tsx'\njsx_factory = 'h'\n" + `
-- index.tsx --
import type { X } from "./absent"; function h(s: string): X { return s as any } export default { x: <b/> };
`, holds: `h("b", null)`},
		"cloudflare's own": {archive: esm + `
-- index.js --
import { env } from "cloudflare:workers"; import { connect } from "cloudflare:sockets"; export default { env, connect };
`, imports: []string{"cloudflare:workers", "cloudflare:sockets"}},
		"node's with the flag": {archive: esm + "compatibility_flags = ['nodejs_compat']\n" + `
-- index.js --
import fs from "fs"; import path from "node:path"; import { types } from "util/types"; import p from "fs/promises"; import own from "punycode/own.js"; export default { fs, path, types, p, own };
-- node_modules/punycode/own.js --
export default "a package's own";
`, imports: []string{"node:fs", "node:path", "node:util/types", "node:fs/promises"}, holds: "a package's own"},
		"node's without": {archive: bare("2026-08-03") + `
-- index.js --
import path from "node:path"; export default { path };
`, fails: `index.js:1:18: "node:path" is one of node's own modules: put "nodejs_compat" into compatibility_flags of `},
		"node's without, perhaps never": {archive: bare("2026-08-03") + `
-- index.js --
export default { later: () => import("node:fs") };
`, holds: `import("node:fs")`},
		"node's from the date on": {archive: bare("2026-08-04") + `
-- index.js --
import fs from "fs"; import tty from "node:tty"; const { on } = require("events"); export default { fs, tty, on };
` + unenv, imports: []string{"node:events", "node:fs", "node:tty"}},
		"node's without a date": {archive: esm + `
-- index.js --
import fs from "fs"; export default { fs };
`, imports: []string{"node:fs"}},
		"stand-ins from the date on": {archive: bare("2026-08-04", "disable_nodejs_tty_module") + `
-- index.js --
import tty from "node:tty"; export default { tty };
` + unenv, holds: "unenv's tty"},
		"no stand-ins, of the first form": {archive: bare("2026-08-04", "no_nodejs_compat_v2", "disable_nodejs_tty_module") + `
-- index.js --
import tty from "node:tty"; export default { tty };
` + unenv, imports: []string{"node:tty"}},
		"node's without the first form": {archive: bare("2026-08-04", "no_nodejs_compat") + `
-- index.js --
import fs from "fs"; export default { fs };
`, imports: []string{"node:fs"}},
		"node's without either form": {archive: bare("2026-08-04", "no_nodejs_compat", "no_nodejs_compat_v2") + `
-- index.js --
import fs from "node:fs"; export default { fs };
`, fails: `index.js:1:16: "node:fs" is one of node's own modules: take "no_nodejs_compat" out of compatibility_flags of `},
		"a package of the name": {archive: bare("2026-08-03") + `
-- index.js --
import { on } from "events"; export default { on };
-- node_modules/events/package.json --
{"name":"events","main":"main.js"}
-- node_modules/events/main.js --
exports.on = "of the package";
`, holds: "of the package"},
		"no package of the name": {archive: bare("2026-08-03") + `
-- index.js --
import fs from "fs"; export default { fs };
`, fails: `index.js:1:16: "fs" is one of node's own modules: put "nodejs_compat" into compatibility_flags of `},
		"node's required": {archive: node("2026-01-01") + `
-- index.js --
const { on } = require("events"); import path from "node:path"; export default { on, path };
`, imports: []string{"node:events", "node:path"}, holds: "require_events"},
		"a stand-in": {archive: node("2026-01-01") + `
-- index.js --
import tty from "tty"; import { parse } from "node:url"; export default { tty, parse };
` + unenv, imports: []string{"node:url"}, holds: "unenv's tty"},
		"a stand-in, required": {archive: node("2026-01-01") + `
-- index.js --
const tty = require("node:tty"); export default { tty };
` + unenv, imports: []string{}, holds: "unenv's tty"},
		"a stand-in of wrangler's own": {archive: node("2026-01-01") + `
-- index.js --
import tty from "tty"; export default { tty };
-- node_modules/wrangler/package.json --
{"name":"wrangler"}
` + strings.ReplaceAll(unenv, "node_modules/", "node_modules/wrangler/node_modules/"), imports: []string{}, holds: "unenv's tty"},
		"none from its date on": {archive: node("2026-03-17") + `
-- index.js --
import tty from "tty"; export default { tty };
` + unenv, imports: []string{"node:tty"}},
		"none without a date": {archive: esm + "compatibility_flags = ['nodejs_compat']\n" + `
-- index.js --
import tty from "tty"; export default { tty };
` + unenv, imports: []string{"node:tty"}},
		"none with its flag": {archive: node("2026-01-01", "enable_nodejs_tty_module") + `
-- index.js --
import tty from "tty"; export default { tty };
` + unenv, imports: []string{"node:tty"}},
		"none from before there were any": {archive: node("2024-09-22") + `
-- index.js --
import tty from "node:tty"; export default { tty };
` + unenv, imports: []string{"node:tty"}},
		"a stand-in where the flag takes it away": {archive: node("2026-03-17", "disable_nodejs_tty_module") + `
-- index.js --
import tty from "tty"; export default { tty };
` + unenv, imports: []string{}, holds: "unenv's tty"},
		"no stand-in there": {archive: node("2026-01-01") + `
-- index.js --
import tty from "node:tty"; export default { tty };
`, fails: `index.js:1:17: workerd has "node:tty" only with compatibility_date 2026-03-17: set it in `},
		"no stand-in there, and a flag": {archive: node("2026-03-17", "disable_nodejs_tty_module") + `
-- index.js --
import tty from "node:tty"; export default { tty };
`, fails: `workerd has "node:tty" only with no disable_nodejs_tty_module: set it in `},
		"no stand-in there, and a flag for its like": {archive: node("2026-03-17", "disable_nodejs_http_modules") + `
-- index.js --
import server from "_http_server"; export default { server };
`, fails: `workerd has "node:_http_server" only with no disable_nodejs_http_modules: set it in `},
		"no stand-in there, perhaps never asked for": {archive: node("2026-01-01") + `
-- index.js --
export default { now: () => require("tty"), later: () => import("v8") };
`, holds: `get wrangler's stand-in with "npm install --save-dev @cloudflare/unenv-preset"`},
		"a shim": {archive: node("2026-01-01") + `
-- index.js --
import fetch from "node-fetch"; const again = require("node-fetch"); export default { fetch, again };
-- node_modules/node-fetch/index.js --
export default "node's own";
` + unenv, holds: "unenv's fetch"},
		"no shim without unenv": {archive: node("2026-01-01") + `
-- index.js --
import fetch from "node-fetch"; export default { fetch };
-- node_modules/node-fetch/index.js --
export default "node's own";
`, holds: "node's own"},
		"a whole process": {archive: node("2026-01-01") + `
-- index.js --
export default { argv: () => process.argv };
` + unenv, holds: "globalThis.process = "},
		"AsyncLocalStorage alone": {archive: esm + "compatibility_flags = ['nodejs_als']\n" + `
-- index.js --
import { AsyncLocalStorage } from "node:async_hooks"; export default { AsyncLocalStorage };
`, imports: []string{"node:async_hooks"}},
		"files with rules": {archive: esm + "rules = [{ type = 'Data', globs = ['**/*.dat'] }]\n" + `
-- index.js --
import t from "./a/t.txt"; import d from "./d.dat"; import w from "./w.wasm?module"; import j from "./j.json"; import q from "pkg/q.sql"; export default { t, d, w, j, q };
-- a/t.txt --
text
-- d.dat --
data
-- w.wasm --
wasm
-- j.json --
{"inlined": true}
-- node_modules/pkg/q.sql --
select
`, modules: []string{"ESModule", "Text", "Data", "CompiledWasm", "Text"}, holds: "inlined: true"},
		"an absent file": {archive: esm + `
-- index.js --
import t from "./t.txt"; export default { t };
`, fails: "index.js:1:15: stat "},
		"an alias": {archive: esm + "[alias]\nfs = './own.js'\n'the-text' = './t.js'\n" + `
-- index.js --
import fs from "fs"; import t from "the-text"; export default { fs, t };
-- own.js --
export default "own fs";
-- t.js --
export default "own text";
`, holds: "own fs"},
		"a definition": {archive: esm + "[define]\nWHICH = '\"defined\"'\n" + `
-- index.js --
export default { which: WHICH, mode: process.env.NODE_ENV };
`, holds: `mode: "production"`},
		"a bad definition": {archive: esm + "[define]\nWHICH = 'not { valid'\n" + `
-- index.js --
`, fails: "wrangler.toml: "},
		"two errors": {archive: esm + `
-- index.js --
import a from "./a"; import b from "./b"; export default { a, b };
`, fails: "index.js:1:36: Could not resolve \"./b\""},
	} {
		t.Run(name, func(t *testing.T) {
			_, r, err := tryBuild(t, project(t, "-- wrangler.toml --\n"+test.archive))
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), "You can ") {
					t.Fatalf("got %v, want %s", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			code := string(r.Modules[0].Data)
			if test.imports != nil && !slices.Equal(imports(code), test.imports) {
				t.Errorf("imports %q, want %q", imports(code), test.imports)
			}
			if !strings.Contains(code, test.holds) || r.ServiceWorker {
				t.Errorf("the bundle does not hold %q, or is of the old form:\n%s", test.holds, code)
			}
			if test.modules != nil {
				checkModules(t, r, test.modules)
			}
		})
	}
}

// TestAbsentNode bundles imports of node's modules that are not there, and may never be
// reached: each is warned of once.
func TestAbsentNode(t *testing.T) {
	w := project(t, "-- wrangler.toml --\n"+bare("2026-08-03")+`
-- index.js --
import { later } from "pkg"; import { empty } from "browser"; import pure from "pure";
let c; try { c = require("crypto"); } catch {}
export default { c, later, empty, again: () => import("node:fs").catch(() => {}) };
-- node_modules/pkg/package.json --
{"main":"main.js"}
-- node_modules/pkg/main.js --
if (globalThis.process) { require("fs"); require("node:os"); }
exports.later = () => import("node:crypto");
-- node_modules/browser/package.json --
{"main":"main.js","browser":{"path":false,"node:url":false}}
-- node_modules/browser/main.js --
exports.empty = [require("path"), require("node:url")];
-- node_modules/pure/package.json --
{"main":"main.js","module":"main.js","sideEffects":false}
-- node_modules/pure/main.js --
import { join } from "node:path"; export default join;
`)
	_, r, err := build(t, w)
	if err != nil {
		t.Fatal(err)
	}
	const text = ` is one of node's own modules: put "nodejs_compat" into compatibility_flags of `
	var got []string
	for _, warning := range r.Warnings {
		place, rest, _ := strings.Cut(strings.TrimPrefix(warning, w.Dir+"/"), ": ")
		name, _, ok := strings.Cut(rest, text)
		if !ok || !strings.HasSuffix(rest, w.File+", or it fails once it is reached") {
			t.Errorf("the warning %s", warning)
		}
		got = append(got, place+" "+name)
	}
	slices.Sort(got)
	want := []string{
		`index.js:2:26 "crypto"`, `index.js:3:55 "node:fs"`, `node_modules/pkg/main.js:1:50 "node:os"`, `node_modules/pure/main.js:1:22 "node:path"`,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(imports(string(r.Modules[0].Data))) > 0 {
		t.Errorf("warnings (-want +got):\n%s\n%s", diff, r.Modules[0].Data)
	}

	w = project(t, "-- wrangler.toml --\n"+bare("2026-08-03")+`
-- index.js --
import "./own.js"; export default { fs: () => import("node:fs") };
-- own.js --
import "fs"; export * from "node:fs";
`)
	if _, _, err = build(t, w); err == nil || !strings.Contains(err.Error(), `own.js:1:8: "fs" is one`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("what a start needs: %v", err)
	}
}

// tryBuild is build where the configuration may be refused, too.
func tryBuild(t *testing.T, w *wrangler.Worker) (*bundle.Bundler, *bundle.Result, error) {
	t.Helper()
	b, err := bundle.New(w)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(b.Close)
	r, err := b.Build()
	return b, r, err
}

// checkModules wants modules of these types, each of which the main one imports by its
// name.
func checkModules(t *testing.T, r *bundle.Result, want []string) {
	t.Helper()
	var got []string
	for i, m := range r.Modules {
		got = append(got, string(m.Type))
		if i > 0 && !strings.Contains(string(r.Modules[0].Data), `"./`+m.Name+`"`) {
			t.Errorf("nothing imports %s", m.Name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

// TestServiceWorker tells a Worker of the old form.
func TestServiceWorker(t *testing.T) {
	w := project(t, "-- wrangler.toml --\n"+esm+"-- index.js --\nimport { text } from './t';\naddEventListener('fetch', (e) => e.respondWith(new Response(text)));\n-- t.js --\nexport const text = 'old';\n")
	checkScript(t, w)
	w = project(t, "-- wrangler.toml --\n"+node("2026-01-01")+"-- index.js --\naddEventListener('fetch', (e) => e.respondWith(new Response('old')));\n"+unenv+"import 'node:events';\n")
	checkScript(t, w)
}

// checkScript wants a Worker of one script that neither imports nor exports.
func checkScript(t *testing.T, w *wrangler.Worker) {
	t.Helper()
	_, r, err := build(t, w)
	if err != nil || !r.ServiceWorker || strings.Contains(string(r.Modules[0].Data), "import") || strings.Contains(string(r.Modules[0].Data), "export") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestExports holds what is known of a main module's exports.
func TestExports(t *testing.T) {
	for text, want := range map[string][]string{
		"export class A {} export default {};":                                        {"A", "default"},
		"export * from './b'; export { A as C } from './b'; export default {};":       {"A", "B", "C", "default"},
		"module.exports = { A: class {} };":                                           {"default"},
		"addEventListener('fetch', () => {});":                                        {},
		"export * from 'cloudflare:workers'; export default {};":                      nil,
		"export * from './c'; export default {};":                                     {"default"}, // esbuild's exports, and so workerd's
		"import * as all from 'cloudflare:workers'; export { all }":                   {"all"},
		"export * as all from 'cloudflare:workers'; export default {};":               {"all", "default"},
		"export { DurableObject as A } from 'cloudflare:workers'; export default {};": {"A", "default"},
	} {
		for _, minify := range []string{"", "minify = true\n"} {
			w := project(t, "-- wrangler.toml --\n"+esm+minify+"-- index.js --\n"+text+"\n-- b.js --\nexport class A {} export class B {}\n-- c.js --\nexport * from 'cloudflare:workers';\n")
			_, r, err := build(t, w)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(r.Exports)
			if diff := cmp.Diff(want, r.Exports); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", minify, text, diff)
			}
		}
	}
}

// TestNoBundle takes modules as they lie.
func TestNoBundle(t *testing.T) {
	w := project(t, "-- wrangler.toml --\nmain = 'src/index.mjs'\nno_bundle = true\n-- src/index.mjs --\nimport './deep/a.js'; export default {};\n-- src/deep/a.js --\nexport {};\n-- src/b.cjs --\n-- src/c.txt --\n-- src/README.md --\n-- src/node_modules/x/y.js --\n-- other.js --\n")
	_, r, err := build(t, w)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range r.Modules {
		got = append(got, m.Name+" "+string(m.Type))
	}
	if diff := cmp.Diff([]string{"index.mjs ESModule", "b.cjs CommonJS", "c.txt Text", "deep/a.js ESModule"}, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

// TestInputs holds that every file which a build reads, or looks for, is told: what is
// not told would not be taken up when it changes.
func TestInputs(t *testing.T) {
	w := project(t, "-- wrangler.toml --\n"+esm+"-- index.js --\nimport './a.js'; import t from './t.txt'; export default { t };\n-- a.js --\nimport './b.ts';\n-- b.ts --\n-- t.txt --\n")
	b, first, err := build(t, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.js", "a.js", "b.ts", "t.txt", "package.json", "tsconfig.json"} {
		if !slices.Contains(b.Inputs(), filepath.Join(w.Dir, name)) {
			t.Errorf("%s is not among the inputs %q", name, b.Inputs())
		}
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "b.ts"), []byte("syntax error"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Build(); err == nil || !slices.Contains(b.Inputs(), filepath.Join(w.Dir, "b.ts")) {
		t.Errorf("a build that failed: %v, inputs %q", err, b.Inputs())
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "b.ts"), []byte("// nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := b.Build(); err != nil || again.Sum != first.Sum {
		t.Errorf("what was put back is another Worker: %v", err)
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "t.txt"), []byte("more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := b.Build(); err != nil || again.Sum == first.Sum {
		t.Errorf("another text is the same Worker: %v", err)
	}
}

// TestTrace maps places in the bundle to the sources, and no others.
func TestTrace(t *testing.T) {
	w := project(t, "-- wrangler.toml --\n"+esm+"-- index.js --\nimport { boom } from './deep/boom';\nexport default { boom };\n-- deep/boom.ts --\ninterface Away { a: 1 }\n\nexport function boom(a: Away): never {\n  throw new Error('boom');\n}\n")
	_, r, err := build(t, w)
	if err != nil {
		t.Fatal(err)
	}
	line := 0
	for i, text := range strings.Split(string(r.Modules[0].Data), "\n") {
		if strings.Contains(text, "new Error") {
			line = i + 1
		}
	}
	trace := bundle.NewTrace(r)
	at := filepath.Join(w.Dir, "deep", "boom.ts") + ":4:9"
	for text, want := range map[string]string{
		"    at boom (w.js:" + itoa(line) + ":9)":                  "    at boom (" + at + ")",
		"    at file:///bundle/w.js:" + itoa(line) + ":9":          "    at " + at,
		"w.js:" + itoa(line) + ":9 and (w.js:" + itoa(line) + ":9": at + " and (" + at,
		"at other.js:1:1":             "at other.js:1:1",
		"at https://x/w.js:1:1":       "at https://x/w.js:1:1",
		"w.js:99999:1":                "w.js:99999:1",
		"w.js:99999999999999999999:1": "w.js:99999999999999999999:1",
	} {
		if got := trace.Map(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestTraceOfTheOldForm maps places in a script, which workerd calls by another name.
func TestTraceOfTheOldForm(t *testing.T) {
	w := project(t, "-- wrangler.toml --\nname = 'my-w'\nmain = 'index.js'\n-- index.js --\nimport { boom } from './boom';\naddEventListener('fetch', boom);\n-- boom.ts --\ninterface Away { a: 1 }\n\nexport function boom(a: Away): never {\n  throw new Error('boom');\n}\n")
	_, r, err := build(t, w)
	if err != nil {
		t.Fatal(err)
	}
	line := 1 + strings.Count(strings.Split(string(r.Modules[0].Data), "new Error")[0], "\n")
	at := filepath.Join(w.Dir, "boom.ts") + ":4:9"
	for text, want := range map[string]string{
		"    at boom (worker:my-w:" + itoa(line) + ":9)": "    at boom (" + at + ")",
		"  at worker:my-w:" + itoa(line) + ":9":          "  at " + at,
		"at worker:other:1:1":                            "at worker:other:1:1",
		"at my-w.js:" + itoa(line) + ":9":                "at my-w.js:" + itoa(line) + ":9",
	} {
		if got := bundle.NewTrace(r).Map(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// TestNoBundleForms tells a module from a script, however it is written.
func TestNoBundleForms(t *testing.T) {
	for source, script := range map[string]bool{
		`var a={async fetch(){return new Response("min")}};export{a as default};`: false,
		`"use strict";import"cloudflare:workers";`:                                false,
		`export * from "./b.js"`:                                                  false,
		"addEventListener('fetch', () => {\n  `\nexport default`; })":             true,
		`import("./a.js")`: true,
		`const 1`:          false, // workerd tells what is wrong
	} {
		w := project(t, "-- wrangler.toml --\nmain = 'a.js'\nno_bundle = true\n-- a.js --\n"+source+"\n")
		if _, r, err := build(t, w); err != nil || r.ServiceWorker != script {
			t.Errorf("%s: it is a script: %t, %v", source, r.ServiceWorker, err)
		}
	}
}

// TestInputsOfTypeScript holds which configurations of TypeScript's are watched: the one that
// is named, or else the nearest of each source; and what they extend.
func TestInputsOfTypeScript(t *testing.T) {
	const sources = "-- src/index.ts --\nimport './deep/a'; import 'pk'; export default {};\n-- src/deep/a.ts --\nexport {};\n-- node_modules/pk/index.js --\nexport {};\n" +
		"-- cfg/worker.json --\n{\"extends\": [\"./one\", \"../two.json\"]} // mine\n-- cfg/one.json --\n{\"extends\": \"./worker.json\"}\n-- two.json --\n{}\n-- src/tsconfig.json --\n{\"extends\" : \"../cfg/worker.json\"}\n"
	for name, test := range map[string]struct {
		config         string
		watched, other []string
	}{
		"named":   {"tsconfig = 'cfg/worker.json'\n", []string{"cfg/worker.json", "cfg/one.json", "two.json"}, []string{"tsconfig.json", "src/tsconfig.json"}},
		"nearest": {"", []string{"tsconfig.json", "src/tsconfig.json", "src/deep/tsconfig.json", "cfg/worker.json", "cfg/one.json", "two.json"}, []string{"node_modules/pk/tsconfig.json"}},
	} {
		w := project(t, "-- wrangler.toml --\nmain = 'src/index.ts'\n"+test.config+sources)
		b, _, err := build(t, w)
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range append(test.watched, test.other...) {
			if want := i < len(test.watched); slices.Contains(b.Inputs(), filepath.Join(w.Dir, path)) != want {
				t.Errorf("%s: %s is watched: %t", name, path, !want)
			}
		}
	}
}
