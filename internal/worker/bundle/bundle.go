// Package bundle makes of a Worker's sources the modules that workerd runs, with
// esbuild, as wrangler does: conditions, modules of text, data and WebAssembly, node's
// own modules, both forms of Workers.
//
// It owns how an import is resolved, and maps places in what it made back to the
// sources. It imports package wrangler alone of the module.
package bundle

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// Module is one of a Worker's modules.
type Module struct {
	Name string
	Type wrangler.ModuleType
	Data []byte
}

// Result is what a build made.
type Result struct {
	Modules       []Module // the main one first
	ServiceWorker bool     // the Worker is of the old form: one script
	Exports       []string // of the main module; nil: they are not known
	Map           []byte   // the source map of the main module; nil: none
	Dir           string   // what the map's paths are relative to
	Warnings      []string
	Sum           [sha256.Size]byte // of the modules: equal sums, equal Workers
}

// Bundler builds one Worker again and again.
type Bundler struct {
	worker *wrangler.Worker
	ctx    api.BuildContext // nil: nothing is bundled
	seen   *seen
	script bool // the Worker is of the old form, as the last build has shown
}

// New returns a bundler of w's sources. It reads none yet.
func New(w *wrangler.Worker) (*Bundler, error) {
	b := &Bundler{worker: w, seen: newSeen()}
	if w.Build.NoBundle || w.Main == "" {
		return b, nil
	}
	ctx, err := api.Context(b.options())
	if err != nil {
		return nil, b.failure(err.Errors)
	}
	b.ctx = ctx
	return b, nil
}

// Close ends a build that is under way.
func (b *Bundler) Close() {
	if b.ctx != nil {
		b.ctx.Dispose()
	}
}

// Inputs are the files that the last build read, or looked for, absolute.
func (b *Bundler) Inputs() []string { return b.seen.inputs() }

// Build makes the modules. What is wrong with the sources is in the error, a line for
// each, with file, line and column.
func (b *Bundler) Build() (*Result, error) {
	if b.worker.Main == "" {
		return &Result{}, nil
	}
	if _, err := os.Stat(b.worker.Main); err != nil {
		b.seen.file(b.worker.Main)
		return nil, fmt.Errorf("%s: main: %w", b.worker.File, err)
	}
	r, err := b.make()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, m := range r.Modules {
		fmt.Fprintf(sum, "%q %s %d\n", m.Name, m.Type, len(m.Data))
		sum.Write(m.Data)
	}
	r.Sum = [sha256.Size]byte(sum.Sum(nil))
	return r, nil
}

func (b *Bundler) make() (*Result, error) {
	if b.ctx == nil {
		return b.gather()
	}
	r, err := b.bundle()
	if err != nil || r.ServiceWorker == b.script || !b.hasStubs() {
		return r, err
	}
	b.script = r.ServiceWorker // it gets other globals
	return b.bundle()
}

func (b *Bundler) bundle() (*Result, error) {
	built := b.ctx.Rebuild()
	if len(built.Errors) > 0 {
		return nil, b.failure(built.Errors)
	}
	r := &Result{Dir: filepath.Dir(b.outfile())}
	main := Module{Name: b.worker.Name + ".js", Type: wrangler.ESModule}
	for _, f := range built.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			r.Map = f.Contents
		} else if strings.HasSuffix(f.Path, ".js") {
			main.Data = f.Contents
		}
	}
	out, err := outputOf(built.Metafile)
	if err != nil {
		return nil, err
	}
	warnings, refused := b.sift(built.Warnings, &out)
	if len(refused) > 0 {
		return nil, b.failure(refused)
	}
	r.Modules = append([]Module{main}, b.seen.collected()...)
	r.ServiceWorker = len(out.Exports) == 0
	if !exportsAll.Match(main.Data) {
		r.Exports = append([]string{}, out.Exports...)
	}
	for _, m := range warnings {
		r.Warnings = append(r.Warnings, b.message(m))
	}
	return r, nil
}

// outfile is where the bundle would be written. Nothing is.
func (b *Bundler) outfile() string {
	return filepath.Join(b.worker.Dir, ".godwit", "bundle", b.worker.Name+".js")
}

func (b *Bundler) options() api.BuildOptions {
	build := b.worker.Build
	return api.BuildOptions{
		EntryPoints:    []string{b.worker.Main},
		Outfile:        b.outfile(),
		AbsWorkingDir:  b.worker.Dir,
		Bundle:         true,
		Write:          false,
		Metafile:       true,
		Format:         api.FormatESModule,
		Target:         api.ES2024,
		Supported:      map[string]bool{"import-source": true, "using": true},
		Conditions:     b.conditions(),
		Platform:       platforms[build.Platform],
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		Charset:        api.CharsetUTF8,
		KeepNames:      build.KeepNames,

		MinifyWhitespace:  build.Minify,
		MinifyIdentifiers: build.Minify,
		MinifySyntax:      build.Minify,

		JSXFactory:  build.JSXFactory,
		JSXFragment: build.JSXFragment,
		Tsconfig:    build.TSConfig,
		Alias:       build.Alias,
		Define:      b.define(),
		Loader:      map[string]api.Loader{".js": api.LoaderJSX, ".mjs": api.LoaderJSX, ".cjs": api.LoaderJSX},
		External:    []string{"__STATIC_CONTENT_MANIFEST"},
		LogLevel:    api.LogLevelSilent,
		LogLimit:    maxMessages,
		Plugins:     []api.Plugin{b.plugin()},
		Inject:      b.injected(),
	}
}

// conditions choose among a package's exports.
func (b *Bundler) conditions() []string {
	if c := b.worker.Build.Conditions; c != nil {
		return c
	}
	return []string{"workerd", "worker", "browser"}
}

var platforms = map[string]api.Platform{"": api.PlatformBrowser, "browser": api.PlatformBrowser, "node": api.PlatformNode, "neutral": api.PlatformNeutral}

// injected are modules that come before all others.
func (b *Bundler) injected() []string {
	if b.hasStubs() && (!b.wholeProcess() || !b.native("console") || !b.native("perf_hooks")) {
		return []string{globalsModule}
	}
	return nil
}

// maxMessages bounds how much is told of one build.
const maxMessages = 20

func (b *Bundler) define() map[string]string {
	env := os.Getenv("NODE_ENV")
	if env == "" {
		env = "production"
	}
	quoted, _ := json.Marshal(env) // a string always can
	define := map[string]string{
		"navigator.userAgent":             `"Cloudflare-Workers"`,
		"process.env.NODE_ENV":            string(quoted),
		"global.process.env.NODE_ENV":     string(quoted),
		"globalThis.process.env.NODE_ENV": string(quoted),
	}
	maps.Copy(define, b.worker.Build.Define)
	return define
}

// failure joins what esbuild says.
func (b *Bundler) failure(messages []api.Message) error {
	var all []error
	for _, m := range messages[:min(len(messages), maxMessages)] {
		all = append(all, errors.New(b.message(m)))
	}
	return errors.Join(all...)
}

// message is what esbuild says, with its place in front.
func (b *Bundler) message(m api.Message) string {
	text := strings.TrimSuffix(m.Text, ".")
	for _, note := range m.Notes {
		said := strings.Join(strings.Fields(note.Text), " ")
		if strings.HasPrefix(said, "You can mark the path ") { // by an option that nobody has here
			continue
		}
		if name, _, ok := strings.Cut(strings.TrimPrefix(said, `The package "`), `" wasn't found on the file system but is built into node.`); ok {
			said = b.wantsNode(name)
		}
		text += "; " + said
	}
	if m.Location == nil {
		return b.worker.File + ": " + text
	}
	file := m.Location.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(b.worker.Dir, file)
	}
	return fmt.Sprintf("%s:%d:%d: %s", Shown(file), m.Location.Line, m.Location.Column+1, text)
}

// Shown is a path as people read it: relative where it lies below here.
func Shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}

// sorted are the modules in an order that does not change from build to build.
func sorted(modules map[string]Module) []Module {
	all := make([]Module, 0, len(modules))
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		all = append(all, modules[name])
	}
	return all
}
