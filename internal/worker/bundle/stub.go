package bundle

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// preset is the npm package that brings what stands in for node's modules: parts of its
// own, and those of unenv, which it depends on. wrangler depends on both.
const preset = "@cloudflare/unenv-preset"

// shims are npm packages in whose place wrangler puts parts of unenv: they would not run
// on workerd, or it has what they bring.
var shims = map[string]string{
	"cross-fetch":                  "unenv/npm/cross-fetch",
	"cross-fetch/polyfill":         "unenv/mock/empty",
	"fsevents":                     "unenv/npm/fsevents",
	"inherits":                     "unenv/npm/inherits",
	"isomorphic-fetch":             "unenv/mock/empty",
	"node-fetch":                   "unenv/npm/node-fetch",
	"node-fetch-native":            "unenv/npm/node-fetch",
	"node-fetch-native/polyfill":   "unenv/mock/empty",
	"whatwg-url":                   "unenv/npm/whatwg-url/index",
	"whatwg-url/webidl2js-wrapper": "unenv/npm/whatwg-url/webidl2js-wrapper",
}

const shimFilter = `^(cross-fetch|fsevents|inherits|isomorphic-fetch|node-fetch|node-fetch-native|whatwg-url)(/.*)?$`

// Namespaces of modules that are made here.
const (
	requiredNode = "node-required" // one of node's, for require
	requiredShim = "shim-required" // one of shims, for require
	missingNode  = "node-missing"  // one that is nowhere, for require
	nodeGlobals  = "node-globals"  // sets globals
)

// globalsModule is the name by which the module that sets globals is injected.
const globalsModule = "godwit:globals"

// stubOf is what stands in for a module of node's.
func stubOf(name string) string {
	switch {
	case name == "console" || name == "process":
		return preset + "/node/" + name
	case strings.HasPrefix(name, "_"):
		return "unenv/mock/proxy-cjs"
	}
	return "unenv/node/" + name
}

// find returns the file of a module of unenv or the preset, "" where they are not
// installed: of the project itself, or of its wrangler.
func (b *Bundler) find(build api.PluginBuild, module string) string {
	for _, dir := range append([]string{b.worker.Dir}, b.besideWrangler()...) {
		found := build.Resolve(module, api.ResolveOptions{ResolveDir: dir, Kind: api.ResolveJSImportStatement, PluginData: resolving{}})
		if len(found.Errors) == 0 && filepath.IsAbs(found.Path) {
			return found.Path
		}
	}
	b.seen.file(filepath.Join(b.worker.Dir, "node_modules", preset, "package.json"))
	return ""
}

// besideWrangler is where wrangler really lies, below the project or above it: a package
// manager that links packages puts what it needs beside it, and nowhere else.
func (b *Bundler) besideWrangler() []string {
	for dir := b.worker.Dir; ; {
		if target, err := filepath.EvalSymlinks(filepath.Join(dir, "node_modules", "wrangler")); err == nil {
			return []string{target}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

// stub resolves a module of node's that workerd does not have, or not all of.
func (b *Bundler) stub(build api.PluginBuild, name string, args api.OnResolveArgs) api.OnResolveResult {
	outside := api.OnResolveResult{Path: "node:" + name, External: true}
	if path := b.find(build, stubOf(name)); path != "" {
		return api.OnResolveResult{Path: path}
	}
	if b.native(name) || args.Kind == api.ResolveJSDynamicImport {
		return outside // of what is a part of it, or may never be reached
	}
	return api.OnResolveResult{Errors: []api.Message{{Text: b.missing(name)}}}
}

// missing says how to get a module of node's.
func (b *Bundler) missing(name string) string {
	first, _, _ := strings.Cut(name, "/")
	if first == "_http_server" && !b.native("http") {
		first = "http" // without which it is not there
	}
	a := arrivals[first]
	way := "compatibility_date " + a.date
	if b.worker.HasFlag("disable_nodejs_" + a.feature) {
		way = "no disable_nodejs_" + a.feature
	}
	return fmt.Sprintf(`workerd has "node:%s" only with %s: set it in %s, or get wrangler's stand-in with "npm install --save-dev %s"`, name, way, b.worker.File, preset)
}

// resolveRequired makes a module for a require of one of node's: workerd has them for
// import alone.
func (b *Bundler) resolveRequired(build api.PluginBuild, name string) api.OnResolveResult {
	namespace := requiredNode
	if b.hasStubs() && !b.native(name) && b.find(build, stubOf(name)) == "" {
		namespace = missingNode // it may never be reached
	}
	return api.OnResolveResult{Path: name, Namespace: namespace}
}

// resolveShim puts a part of unenv in the place of an npm package.
func (b *Bundler) resolveShim(build api.PluginBuild, args api.OnResolveArgs) (api.OnResolveResult, error) {
	module, ok := shims[args.Path]
	if !ok || b.aliased(args.Path) {
		return api.OnResolveResult{}, nil
	}
	path := b.find(build, module)
	if path == "" {
		return api.OnResolveResult{}, nil
	}
	if args.Kind == api.ResolveJSRequireCall {
		return api.OnResolveResult{Path: path, Namespace: requiredShim}, nil
	}
	return api.OnResolveResult{Path: path}, nil
}

// loadMade returns the text of the modules that are made here.
func (b *Bundler) loadMade(build api.PluginBuild) {
	made := func(namespace string, text func(path string) string) {
		build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			contents := text(args.Path)
			return api.OnLoadResult{Contents: &contents, ResolveDir: b.worker.Dir, Loader: api.LoaderJS}, nil
		})
	}
	made(requiredNode, func(name string) string {
		return "import all from " + quote("node:"+name) + "; module.exports = all;"
	})
	made(missingNode, func(name string) string { return "throw new Error(" + quote(b.missing(name)) + ");" })
	made(requiredShim, func(path string) string {
		return "import * as all from " + quote(path) + `; module.exports = "default" in all ? all.default : {};
for (const name in all) if (name !== "default") Object.defineProperty(module.exports, name, { value: all[name], enumerable: true });`
	})
	made(nodeGlobals, func(string) string { return b.globals(build) })
}

// globals is the module that puts stand-ins of node's into the place of globals that
// workerd has, but not as a whole.
func (b *Bundler) globals(build api.PluginBuild) (text string) {
	if b.script { // one that cannot import
		return ""
	}
	if path := b.find(build, stubOf("process")); path != "" && !b.wholeProcess() {
		text += "import process from " + quote(path) + "; globalThis.process = process;\n"
	}
	if path := b.find(build, preset+"/polyfill/performance"); path != "" && !b.native("perf_hooks") {
		text += "import " + quote(path) + ";\n"
	}
	if path := b.find(build, stubOf("console")); path != "" && !b.native("console") {
		text += "import console from " + quote(path) + "; globalThis.console = console;\n"
	}
	return text
}

func quote(s string) string {
	text, _ := json.Marshal(s) // a string always can
	return string(text)
}
