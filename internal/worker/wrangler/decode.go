package wrangler

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bounds of names and lists.
const (
	maxNameBytes = 255
	maxItems     = 1000
)

// decoder makes a Worker of a tree.
type decoder struct {
	*problems
	w     *Worker
	top   *node
	env   string
	made  bool           // by a build, for one environment
	own   *node          // the environment's table; nil: none is asked for, or bare
	bare  bool           // one is asked for of a file without any
	bound map[string]int // the line of each binding
}

func (d *decoder) decode() {
	d.bound = map[string]int{}
	if d.table("the file", d.top); d.err() != nil {
		return
	}
	d.findEnvironment()
	d.checkKeys()
	d.identity()
	d.bindings()
	d.objects()
	d.files()
	d.build()
	d.needMain()
}

// needMain complains where something needs a Worker's source, and none is named.
func (d *decoder) needMain() {
	switch a := d.w.Assets; {
	case d.w.Main != "" || d.err() != nil:
	case a == nil:
		d.add(d.top.line, `"main" is missing: it names the Worker's source`)
	case a.Binding != "":
		d.add(a.Place.Line, `assets.binding: there is no Worker to bind to: "main" is missing`)
	case a.RunWorkerFirst != nil && string(a.RunWorkerFirst) != "false":
		d.add(a.Place.Line, `assets.run_worker_first: there is no Worker to run: "main" is missing`)
	case len(d.w.Crons) > 0:
		d.note(d.w.Crons[0].Place.Line, `triggers.crons: there is no Worker to run: "main" is missing`)
		d.w.Crons = nil
	}
}

// findEnvironment looks up the environment that is asked for.
func (d *decoder) findEnvironment() {
	if d.made {
		d.checkBuilt()
		return
	}
	all := d.top.get("env")
	if all != nil && !d.expect("env", all, tableKind) || d.env == "" {
		return
	}
	if d.bare = all == nil; d.bare {
		d.note(0, fmt.Sprintf("there is no environment %q: the file has none, and its top is taken", d.env))
		return
	}
	if d.own = all.get(d.env); d.own != nil {
		d.table("env."+d.env, d.own)
		return
	}
	var known []string
	for _, m := range all.members {
		known = append(known, m.name)
	}
	there := "it has none"
	if len(known) > 0 {
		there = "it has " + strings.Join(known, ", ")
	}
	d.add(all.line, "there is no environment %q: %s", d.env, there)
}

// field returns what holds for a key in the environment, nil if nothing does.
func (d *decoder) field(name string) *node {
	if d.own == nil {
		return d.top.get(name)
	}
	if n := d.own.get(name); n != nil && !ofTheTop[name] {
		return n
	}
	if notInherited[name] {
		return nil
	}
	return d.top.get(name)
}

// checkKeys complains of keys that nobody knows, and of those that ask for what is
// not there.
func (d *decoder) checkKeys() {
	for _, table := range []*node{d.top, d.own} {
		if table == nil {
			continue
		}
		for _, m := range table.members {
			d.checkKey(m, table == d.own)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unsupported)) {
		if n := d.field(name); !n.empty() {
			d.add(d.lineOf(name), "%s: godwit has no %s", name, unsupported[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(noted)) {
		if n := d.field(name); !n.empty() {
			d.note(d.lineOf(name), name+": "+noted[name])
		}
	}
}

func (d *decoder) checkKey(m member, inEnv bool) {
	known := understood[m.name] || ofNoConsequence[m.name] || noted[m.name] != "" || unsupported[m.name] != ""
	switch {
	case !known:
		d.add(m.line, "%q is no key of a Worker's configuration%s", m.name, didYouMean(m.name))
	case inEnv && ofTheTop[m.name]:
		d.add(m.line, "%s may only stand at the top of the file", m.name)
	case !inEnv && d.own != nil && notInherited[m.name] && !m.value.blank() && d.own.get(m.name) == nil:
		d.note(m.line, m.name+" is not inherited: the environment "+d.env+" has none")
	}
}

// lineOf is where a key stands, in the environment or at the top.
func (d *decoder) lineOf(name string) int {
	for _, table := range []*node{d.own, d.top} {
		if table == nil {
			continue
		}
		for _, m := range table.members {
			if m.name == name {
				return m.line
			}
		}
	}
	return 0
}

func (d *decoder) note(line int, text string) {
	if len(d.w.Notes) < maxProblems {
		d.w.Notes = append(d.w.Notes, Problem{d.file, line, text})
	}
}

func (d *decoder) place(n *node) Place { return Place{d.file, n.line} }

var (
	workerName = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_-]*$`)
	notWorker  = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
	flagName   = regexp.MustCompile(`^[a-z0-9_]+$`)
)

// identity reads what the Worker is called and what it is.
func (d *decoder) identity() {
	d.w.Name = d.text("name")
	switch {
	case d.w.Name == "":
		d.w.Name = strings.Trim(notWorker.ReplaceAllString(filepath.Base(d.w.Dir), "-"), "-")
		if d.w.Name == "" {
			d.w.Name = "worker"
		}
	case !workerName.MatchString(d.w.Name) || len(d.w.Name) > maxNameBytes:
		d.add(d.lineOf("name"), "name: %.80q is not up to %d letters, digits, \"-\" and \"_\"", d.w.Name, maxNameBytes)
	}
	if d.bare || d.own != nil && d.own.get("name") == nil {
		d.w.Name += "-" + d.env
	}
	if d.w.Main = withExtension(d.path("main")); filepath.Ext(d.w.Main) == ".py" {
		d.add(d.lineOf("main"), "main: godwit runs no Python Workers")
	}
	d.w.CompatibilityDate = d.text("compatibility_date")
	if date := d.w.CompatibilityDate; date != "" && !isDate(date) {
		d.add(d.lineOf("compatibility_date"), "compatibility_date: %.40q is no day of the form 2026-01-31", date)
	}
	d.w.CompatibilityFlags = d.texts("compatibility_flags", d.field("compatibility_flags"))
	for _, flag := range d.w.CompatibilityFlags {
		if !flagName.MatchString(flag) {
			d.add(d.lineOf("compatibility_flags"), "compatibility_flags: %.80q is no flag", flag)
		}
	}
}

func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// sources are the extensions that a source may be named without, in esbuild's order.
var sources = []string{".tsx", ".ts", ".jsx", ".js"}

// withExtension returns the file that is named without its extension, or path itself.
func withExtension(path string) string {
	if path == "" || filepath.Ext(path) != "" {
		return path
	}
	for _, ext := range sources {
		if isFile(path + ext) {
			return path + ext
		}
	}
	return path
}

// expect complains of a value that is not of its kind.
func (d *decoder) expect(what string, n *node, want kind) bool {
	if n.kind == want {
		return true
	}
	d.add(n.line, "%s is %v, not %v", what, n.kind, want)
	return false
}

// text returns a string, "" if the key is not there.
func (d *decoder) text(name string) string { return d.string(name, d.field(name)) }

func (d *decoder) string(what string, n *node) string {
	if n == nil || !d.expect(what, n, stringKind) {
		return ""
	}
	if strings.ContainsRune(n.text, 0) {
		d.add(n.line, "%s holds a NUL", what)
		return ""
	}
	return n.text
}

func (d *decoder) truth(name string) bool {
	n := d.field(name)
	return n != nil && d.expect(name, n, boolKind) && n.truth
}

func (d *decoder) texts(what string, n *node) (all []string) {
	for _, item := range d.list(what, n) {
		all = append(all, d.string(what, item))
	}
	return all
}

func (d *decoder) list(what string, n *node) []*node {
	if n == nil || !d.expect(what, n, listKind) {
		return nil
	}
	if len(n.items) > maxItems {
		d.add(n.line, "%s has %d items; %d are the most", what, len(n.items), maxItems)
		return nil
	}
	return n.items
}

// table returns the members of a table.
func (d *decoder) table(what string, n *node) []member {
	if n == nil || !d.expect(what, n, tableKind) {
		return nil
	}
	if len(n.members) > maxItems {
		d.add(n.line, "%s has %d entries; %d are the most", what, len(n.members), maxItems)
		return nil
	}
	return n.members
}

// only complains of members that are not known.
func (d *decoder) only(what string, n *node, known ...string) {
	for _, m := range d.table(what, n) {
		if !slices.Contains(known, m.name) {
			d.add(m.line, "%q is no key of %s", m.name, what)
		}
	}
}

// path returns an absolute path, "" if the key is not there.
func (d *decoder) path(name string) string { return d.abs(d.text(name)) }

func (d *decoder) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.w.Dir, path)
}

// bind takes a name in the Worker's environment, once.
func (d *decoder) bind(what string, n *node) string {
	name := d.string(what, n)
	switch first, taken := d.bound[name]; {
	case n == nil || name == "":
		return name
	case len(name) > maxNameBytes:
		d.add(n.line, "%s: %.80q is longer than %d bytes", what, name, maxNameBytes)
	case taken:
		d.add(n.line, "%s: the name %q is bound in line %d already", what, name, first)
	default:
		d.bound[name] = n.line
	}
	return name
}
