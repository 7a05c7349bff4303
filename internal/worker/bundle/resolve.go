package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/evanw/esbuild/pkg/api"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// maxModuleBytes bounds a file that is taken as it is.
const maxModuleBytes = 64 << 20

// seen is what one build came across.
type seen struct {
	mu      sync.Mutex
	files   map[string]bool
	modules map[string]Module
}

func newSeen() *seen { return &seen{files: map[string]bool{}, modules: map[string]Module{}} }

func (s *seen) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.files)
	clear(s.modules)
}

func (s *seen) file(path string) { s.first(path) }

// first notes a file, and tells whether it was not noted before.
func (s *seen) first(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.files[path]
	s.files[path] = true
	return !before
}

func (s *seen) module(m Module) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modules[m.Name] = m
}

func (s *seen) inputs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.files))
}

func (s *seen) collected() []Module {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sorted(s.modules)
}

// resolving marks a question that the plugin itself asks.
type resolving struct{}

// plugin resolves what is not a script, or not a file at all.
func (b *Bundler) plugin() api.Plugin {
	return api.Plugin{Name: "worker", Setup: func(build api.PluginBuild) {
		build.OnStart(func() (api.OnStartResult, error) {
			b.seen.reset()
			b.seen.file(filepath.Join(b.worker.Dir, "package.json"))
			if named := b.worker.Build.TSConfig; named != "" {
				b.sawTSConfig(named)
			} else {
				b.sawTSConfig(filepath.Join(b.worker.Dir, "tsconfig.json"))
			}
			return api.OnStartResult{}, nil
		})
		build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			b.sawSource(args.Path)
			return api.OnLoadResult{}, nil // read as ever
		})
		build.OnResolve(api.OnResolveOptions{Filter: "^(cloudflare|workerd):"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: args.Path, External: true}, nil
		})
		build.OnResolve(api.OnResolveOptions{Filter: nodeFilter}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			return b.resolveNode(build, args)
		})
		if b.hasStubs() {
			build.OnResolve(api.OnResolveOptions{Filter: "^" + globalsModule + "$"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
				return api.OnResolveResult{Path: args.Path, Namespace: nodeGlobals}, nil
			})
			build.OnResolve(api.OnResolveOptions{Filter: shimFilter}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
				return b.resolveShim(build, args)
			})
		}
		b.loadMade(build)
		build.OnResolve(api.OnResolveOptions{Filter: `\.\w+(\?module)?$`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			return b.resolveFile(build, args)
		})
	}}
}

// resolveFile makes a module of its own of a file for which there is a rule.
func (b *Bundler) resolveFile(build api.PluginBuild, args api.OnResolveArgs) (api.OnResolveResult, error) {
	if _, own := args.PluginData.(resolving); own || args.Kind == api.ResolveEntryPoint || b.aliased(args.Path) {
		return api.OnResolveResult{}, nil
	}
	name := strings.TrimSuffix(args.Path, "?module")
	typ := b.ruleFor(name)
	if typ == "" {
		return api.OnResolveResult{}, b.ignored(name)
	}
	path := name
	switch {
	case strings.HasPrefix(name, "."):
		path = filepath.Join(args.ResolveDir, name)
	case !filepath.IsAbs(name):
		found := build.Resolve(name, api.ResolveOptions{ResolveDir: args.ResolveDir, Importer: args.Importer, Kind: args.Kind, PluginData: resolving{}})
		if len(found.Errors) > 0 {
			return api.OnResolveResult{Errors: found.Errors}, nil
		}
		path = found.Path
	}
	b.seen.file(path)
	m, err := readModule(path, typ)
	if err != nil {
		return api.OnResolveResult{}, err
	}
	sum := sha256.Sum256(append([]byte(typ), m.Data...))
	m.Name = hex.EncodeToString(sum[:10]) + "-" + filepath.Base(path)
	b.seen.module(m)
	return api.OnResolveResult{Path: "./" + m.Name, External: true}, nil
}

// aliased tells whether the configuration has another path for one: esbuild goes by
// that, and asks for plugins first.
func (b *Bundler) aliased(path string) bool {
	_, ok := b.worker.Build.Alias[path]
	return ok
}

func readModule(path string, typ wrangler.ModuleType) (Module, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Module{}, err
	}
	if info.Size() > maxModuleBytes || !info.Mode().IsRegular() {
		return Module{}, fmt.Errorf("%s is not a file of up to %d bytes", path, maxModuleBytes)
	}
	data, err := os.ReadFile(path)
	return Module{Type: typ, Data: data}, err
}

// ruleFor tells what an imported file is, "" for a script.
func (b *Bundler) ruleFor(name string) wrangler.ModuleType {
	for _, r := range b.worker.Build.Rules {
		if makes(r, name) {
			return r.Type
		}
	}
	return ""
}

// ignored complains of a file that would be a module, did another rule not come first.
func (b *Bundler) ignored(name string) error {
	for _, r := range b.worker.Build.Ignored {
		if makes(r.Rule, name) {
			return fmt.Errorf("the rule that makes %s of %s is ignored behind that in %s:%d: set its fallthrough to true", r.Type, name, r.By.File, r.By.Line)
		}
	}
	return nil
}

// makes tells whether a rule makes a module of an imported file. A glob is for the import
// as it is written, and a star in it also for slashes: so wrangler has it. Or it is for a
// path, as it is without a bundler.
func makes(r wrangler.Rule, name string) bool {
	if r.Type == wrangler.ESModule || r.Type == wrangler.CommonJS {
		return false // these are bundled
	}
	name = filepath.ToSlash(name)
	if slices.ContainsFunc(r.Globs, func(glob string) bool { return matchText(glob, name) }) {
		return true
	}
	for strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		_, name, _ = strings.Cut(name, "/")
	}
	name = strings.TrimPrefix(name, "/")
	return slices.ContainsFunc(r.Globs, func(glob string) bool {
		ok, err := doublestar.Match(glob, name)
		return err == nil && ok
	})
}

// matchText tells whether a text is of a form in which stars stand for any text.
func matchText(form, text string) bool {
	parts := strings.Split(form, "*")
	if len(parts) == 1 {
		return form == text
	}
	first, last := parts[0], parts[len(parts)-1]
	rest, ok := strings.CutPrefix(text, first)
	for _, part := range parts[1 : len(parts)-1] {
		var found bool
		_, rest, found = strings.Cut(rest, part)
		ok = ok && found
	}
	return ok && strings.HasSuffix(rest, last)
}
