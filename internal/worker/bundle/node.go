package bundle

import (
	"fmt"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// builtins are node's own modules, which workerd has with nodejs_compat: not all of
// them, and not all of each.
const builtins = "_http_agent _http_client _http_common _http_incoming _http_outgoing _http_server " +
	"_stream_duplex _stream_passthrough _stream_readable _stream_transform _stream_wrap _stream_writable " +
	"_tls_common _tls_wrap assert async_hooks buffer child_process cluster console constants crypto dgram " +
	"diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks " +
	"process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url " +
	"util v8 vm wasi worker_threads zlib"

var nodeFilter = `^(node:.*|(` + strings.ReplaceAll(builtins, " ", "|") + `)(/.*)?)$`

// subpaths are the parts of node's modules that can be imported without "node:".
// Anything else below a name is of a package that has the name too.
const subpaths = " assert/strict dns/promises fs/promises inspector/promises path/posix path/win32 " +
	"readline/promises stream/consumers stream/promises stream/web timers/promises util/types "

// resolveNode leaves node's modules to workerd, or to a stand-in.
func (b *Bundler) resolveNode(build api.PluginBuild, args api.OnResolveArgs) (api.OnResolveResult, error) {
	name, prefixed := strings.CutPrefix(args.Path, "node:")
	if _, own := args.PluginData.(resolving); own || b.aliased(args.Path) || strings.Contains(name, "/") && !prefixed && !strings.Contains(subpaths, " "+name+" ") {
		return api.OnResolveResult{}, nil
	}
	outside := api.OnResolveResult{Path: "node:" + name, External: true}
	switch {
	case b.hasNode(), b.worker.HasFlag("nodejs_als") && name == "async_hooks":
		if args.Kind == api.ResolveJSRequireCall {
			return b.resolveRequired(build, name), nil
		}
		if b.hasStubs() && (!b.native(name) || name == "process" && !b.wholeProcess()) {
			return b.stub(build, name, args), nil
		}
		return outside, nil
	case b.found(build, args):
		return api.OnResolveResult{}, nil
	}
	outside.Warnings = []api.Message{{Text: b.wantsNode(args.Path), Detail: absent{outside.Path, args.Kind == api.ResolveJSImportStatement}}}
	return outside, nil
}

// absent marks a warning of a module of node's that is not there.
type absent struct {
	path   string
	static bool // it is needed for a start, unless its importer is left out
}

// found tells whether a name that is one of node's leads to a package too, or to nothing by
// its importer's own word.
func (b *Bundler) found(build api.PluginBuild, args api.OnResolveArgs) bool {
	r := build.Resolve(args.Path, api.ResolveOptions{
		ResolveDir: args.ResolveDir, Importer: args.Importer, Namespace: args.Namespace, Kind: args.Kind, PluginData: resolving{},
	})
	return len(r.Errors) == 0
}

// sift looks through the warnings of modules that are not there. Of those that the Worker
// cannot start without it makes refusals: workerd's own would not name the place. The
// others may never be reached, or in a try: of each is warned once.
func (b *Bundler) sift(warnings []api.Message, out *output) (left, refused []api.Message) {
	told := map[string]bool{}
	for _, m := range warnings {
		a, ok := m.Detail.(absent)
		switch needed := out.needs(a.path); {
		case !ok:
			left = append(left, m)
		case told[a.path] || needed && !a.static:
		case needed:
			told[a.path] = true
			refused = append(refused, m)
		default:
			told[a.path] = true
			m.Text += ", or it fails once it is reached"
			left = append(left, m)
		}
	}
	return left, refused
}

// wantsNode says what a module of node's takes.
func (b *Bundler) wantsNode(path string) string {
	way := `put "nodejs_compat" into`
	if b.worker.HasFlag("no_nodejs_compat") {
		way = `take "no_nodejs_compat" out of`
	}
	return fmt.Sprintf("%q is one of node's own modules: %s compatibility_flags of %s", path, way, b.worker.File)
}
