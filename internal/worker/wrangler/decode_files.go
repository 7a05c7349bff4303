package wrangler

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// files reads assets and Workers Sites.
func (d *decoder) files() {
	d.assets()
	d.site()
}

func (d *decoder) assets() {
	n := d.field("assets")
	if n == nil {
		return
	}
	d.only("assets", n, "directory", "binding", "html_handling", "not_found_handling", "base_path", "run_worker_first", "experimental_serve_directly")
	if n.kind != tableKind {
		return
	}
	a := &Assets{
		Directory:    d.abs(d.string("assets.directory", n.get("directory"))),
		Binding:      d.bind("assets.binding", n.get("binding")),
		HTMLHandling: d.choice("assets.html_handling", n.get("html_handling"), "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"),
		NotFound:     d.choice("assets.not_found_handling", n.get("not_found_handling"), "single-page-application", "404-page", "none"),
		BasePath:     d.string("assets.base_path", n.get("base_path")),
		Place:        d.place(n),
	}
	if first := n.get("run_worker_first"); first != nil {
		if first.kind != boolKind {
			d.runWorkerFirst(first)
		}
		a.RunWorkerFirst = json.RawMessage(first.appendJSON(nil))
	}
	d.directory("assets", "directory", n, a.Directory)
	d.w.Assets = a
}

// directory wants one to be there.
func (d *decoder) directory(what, key string, n *node, path string) {
	if path == "" {
		d.add(n.line, "%s: %q is missing", what, key)
		return
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		d.add(n.get(key).line, "%s.%s: there is no directory %s", what, key, path)
	}
}

func (d *decoder) choice(what string, n *node, choices ...string) string {
	s := d.string(what, n)
	if s != "" && !slices.Contains(choices, s) {
		d.add(n.line, "%s: %.80q is none of %q", what, s, choices)
	}
	return s
}

func (d *decoder) site() {
	n := d.field("site")
	if n == nil {
		return
	}
	d.only("site", n, "bucket", "include", "exclude", "entry-point")
	if n.kind != tableKind {
		return
	}
	if old := n.get("entry-point"); old != nil {
		d.add(old.line, `site.entry-point: name the Worker's source with "main"`)
	}
	s := &Site{
		Bucket:  d.abs(d.string("site.bucket", n.get("bucket"))),
		Include: d.patterns("site.include", n.get("include")), Exclude: d.patterns("site.exclude", n.get("exclude")),
		Place: d.place(n),
	}
	if first, taken := d.bound["__STATIC_CONTENT"]; taken {
		d.add(n.line, "site: the name __STATIC_CONTENT is bound in line %d already", first)
	}
	d.bound["__STATIC_CONTENT"] = n.line
	d.directory("site", "bucket", n, s.Bucket)
	d.w.Site = s
}

func (d *decoder) patterns(what string, n *node) []string {
	all := d.texts(what, n)
	for i, p := range all {
		if _, err := compilePatterns([]string{p}); err != nil {
			d.add(n.items[i].line, "%s: %v", what, err)
		}
	}
	return all
}

func (d *decoder) globs(what string, n *node) []string {
	globs := d.texts(what, n)
	for i, g := range globs {
		if !doublestar.ValidatePattern(g) {
			d.add(n.items[i].line, "%s: %.80q is no pattern", what, g)
		}
	}
	return globs
}

// build reads how the modules are made.
func (d *decoder) build() {
	b := &d.w.Build
	b.NoBundle, b.Minify = d.truth("no_bundle"), d.truth("minify")
	b.KeepNames = d.field("keep_names") == nil || d.truth("keep_names")
	b.JSXFactory, b.JSXFragment = d.text("jsx_factory"), d.text("jsx_fragment")
	b.TSConfig, b.BaseDir = d.path("tsconfig"), d.path("base_dir")
	if b.BaseDir == "" && d.w.Main != "" {
		b.BaseDir = filepath.Dir(d.w.Main)
	}
	b.Define, b.Alias = d.words("define"), d.words("alias")
	d.rules()
	if custom := d.field("build"); custom != nil {
		d.only("build", custom, "command", "cwd", "watch_dir", "watch_paths", "upload")
		if c := custom.get("command"); !c.empty() && c.text != "" {
			d.add(c.line, "build.command: godwit runs no command: run it yourself, and let main name what it makes")
		}
	}
	if d.truth("find_additional_modules") && !b.NoBundle {
		d.add(d.lineOf("find_additional_modules"), "find_additional_modules: godwit finds modules that are not imported only with no_bundle")
	}
}

func (d *decoder) words(key string) map[string]string {
	words := map[string]string{}
	for _, m := range d.table(key, d.field(key)) {
		words[m.name] = d.string(key+"."+m.name, m.value)
	}
	return words
}

var defaultRules = []Rule{
	{Type: Text, Globs: []string{"**/*.txt", "**/*.html", "**/*.sql"}},
	{Type: Data, Globs: []string{"**/*.bin"}},
	{Type: CompiledWasm, Globs: []string{"**/*.wasm"}},
}

// rules reads the rules and adds wrangler's own. The first of a type is the only one,
// unless it lets others follow.
func (d *decoder) rules() {
	var all []Rule
	for _, n := range d.list("rules", d.field("rules")) {
		d.only("rules", n, "type", "globs", "fallthrough")
		typ := d.string("rules.type", n.get("type"))
		if !slices.Contains(moduleTypes, typ) {
			d.add(n.line, "rules: godwit has no modules of type %.40q, only %q", typ, moduleTypes)
			continue
		}
		if n.get("globs") == nil {
			d.add(n.line, `rules: "globs" is missing`)
		}
		more := n.get("fallthrough")
		all = append(all, Rule{
			Type: ModuleType(typ), Globs: d.globs("rules.globs", n.get("globs")),
			more: more != nil && more.truth, meant: more != nil, place: d.place(n),
		})
	}
	if d.w.Build.NoBundle {
		all = append(all, Rule{Type: ESModule, Globs: []string{"**/*.js", "**/*.mjs"}}, Rule{Type: CommonJS, Globs: []string{"**/*.cjs"}})
	}
	last := map[ModuleType]Rule{}
	for _, r := range append(all, defaultRules...) {
		if by, ok := last[r.Type]; ok {
			d.ignore(r, by)
			continue
		}
		if !r.more {
			last[r.Type] = r
		}
		d.w.Build.Rules = append(d.w.Build.Rules, r)
	}
}

// ignore passes over a rule that another lets not follow, and says so: the other may have
// been meant to add to it.
func (d *decoder) ignore(r, by Rule) {
	if own := r.place == (Place{}); own && (r.Type == ESModule || r.Type == CommonJS) {
		return // for want of another
	}
	d.w.Build.Ignored = append(d.w.Build.Ignored, Ignored{r, by.place})
	if !by.meant {
		d.note(by.place.Line, fmt.Sprintf("rules: the rule that makes %s of %s is ignored behind this one: set fallthrough to true to have it too, or to false if you mean it so",
			r.Type, strings.Join(r.Globs, ", ")))
	}
}

// Module tells what a file is by the rules, "" if none is for it. The path is
// relative to the base directory.
func (b *Build) Module(path string) ModuleType {
	path = filepath.ToSlash(path)
	for _, r := range b.Rules {
		for _, g := range r.Globs {
			if ok, err := doublestar.Match(g, path); err == nil && ok {
				return r.Type
			}
		}
	}
	return ""
}
