package bundle

import "strings"

// arrival is since when workerd has a module of node's: from a compatibility date on,
// or with the flag enable_nodejs_FEATURE, but not with disable_nodejs_FEATURE.
type arrival struct{ date, feature string }

// arrivals are those of the modules that came after nodejs_compat itself, by the first
// part of their names. The dates and flags are workerd's.
var arrivals = map[string]arrival{
	"http": http, "https": http, "_http_agent": http, "_http_client": http, "_http_common": http,
	"_http_incoming": http, "_http_outgoing": http,
	"_http_server":   {"2025-09-01", "http_server_modules"},
	"http2":          {"2025-09-01", "http2_module"},
	"os":             {"2025-09-15", "os_module"},
	"fs":             {"2025-09-15", "fs_module"},
	"console":        {"2025-09-21", "console_module"},
	"vm":             {"2025-10-01", "vm_module"},
	"punycode":       {"2025-12-04", "punycode_module"},
	"cluster":        {"2025-12-04", "cluster_module"},
	"trace_events":   {"2025-12-04", "trace_events_module"},
	"domain":         {"2025-12-04", "domain_module"},
	"wasi":           {"2025-12-04", "wasi_module"},
	"inspector":      {"2026-01-29", "inspector_module"},
	"sqlite":         {"2026-01-29", "sqlite_module"},
	"dgram":          {"2026-01-29", "dgram_module"},
	"_stream_wrap":   {"2026-01-29", "stream_wrap_module"},
	"v8":             {"2026-03-17", "v8_module"},
	"tty":            {"2026-03-17", "tty_module"},
	"child_process":  {"2026-03-17", "child_process_module"},
	"worker_threads": {"2026-03-17", "worker_threads_module"},
	"readline":       {"2026-03-17", "readline_module"},
	"repl":           {"2026-03-17", "repl_module"},
	"perf_hooks":     {"2026-03-17", "perf_hooks_module"},
}

var http = arrival{"2025-08-15", "http_modules"}

// nodeDate is from when nodejs_compat means more than the modules that came with it:
// wrangler puts stand-ins in the place of those that are not there.
const nodeDate = "2024-09-23"

// nodeForAllDate is from when a Worker has node's modules without asking for them.
const nodeForAllDate = "2026-08-04"

// hasNode tells whether node's modules are workerd's to bring, or a stand-in's.
func (b *Bundler) hasNode() bool {
	return b.enabled("nodejs_compat", "no_nodejs_compat", nodeForAllDate) || b.hasStubs()
}

// hasStubs tells whether modules that workerd does not have get a stand-in. From
// nodeForAllDate on no_nodejs_compat alone leaves them in place.
func (b *Bundler) hasStubs() bool {
	since := nodeForAllDate
	if b.worker.HasFlag("nodejs_compat") {
		since = nodeDate
	}
	return b.worker.HasFlag("nodejs_compat_v2") || b.dated(since) && !b.worker.HasFlag("no_nodejs_compat_v2")
}

// dated tells whether the Worker's compatibility date is this one or later. A Worker
// without one gets the newest.
func (b *Bundler) dated(date string) bool {
	return b.worker.CompatibilityDate == "" || b.worker.CompatibilityDate >= date
}

func (b *Bundler) enabled(on, off, date string) bool {
	return (b.worker.HasFlag(on) || b.dated(date)) && !b.worker.HasFlag(off)
}

// native tells whether workerd has a module of node's, whose name stands without
// "node:".
func (b *Bundler) native(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	a, ok := arrivals[first]
	if ok && first == "_http_server" && !b.native("http") {
		return false
	}
	return !ok || b.enabled("enable_nodejs_"+a.feature, "disable_nodejs_"+a.feature, a.date)
}

// wholeProcess tells whether workerd's own process is all that node's is: before, it
// has but a few of its members.
func (b *Bundler) wholeProcess() bool {
	return b.enabled("enable_nodejs_process_v2", "disable_nodejs_process_v2", "2025-09-15") &&
		b.enabled("fetch_iterable_type_support", "no_fetch_iterable_type_support", "2026-02-19") &&
		b.enabled("fetch_iterable_type_support_override_adjustment", "no_fetch_iterable_type_support_override_adjustment", "2026-01-15")
}
