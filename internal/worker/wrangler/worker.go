package wrangler

import (
	"encoding/json"
	"slices"
)

// Worker is what a configuration says of one Worker, in one environment.
type Worker struct {
	File string // the configuration
	Dir  string // where it lies, absolute: paths in it are relative to it
	Env  string // the environment, "" for none

	Name               string
	Main               string // absolute; "": assets alone
	CompatibilityDate  string // "": the newest that workerd knows
	CompatibilityFlags []string

	Vars     []Var // secrets too
	KV       []KV
	Services []Service
	Objects  []Object
	Classes  []Class
	Deleted  []Deleted
	Assets   *Assets
	Site     *Site
	Crons    []Cron
	Version  string // the binding that tells of the version; "": none
	Blobs    []Blob

	Build Build

	// Notes are what the reader of a log may want to know of: settings that say
	// nothing here.
	Notes []Problem
	// Files are those that were read, or would have been had they been there.
	Files []string

	beside       string   // the directory of secrets
	required     []string // secrets that the configuration names; nil: it names none
	secretsPlace Place
}

// Build is how a Worker's modules are made.
type Build struct {
	NoBundle   bool
	BaseDir    string // absolute
	Rules      []Rule
	Ignored    []Ignored
	Define     map[string]string
	Alias      map[string]string
	Minify     bool
	KeepNames  bool
	JSXFactory string
	JSXFragment,
	TSConfig string // absolute, or ""
	Conditions []string // of packages' exports; nil: those of workerd
	Platform   string   // "browser", "node" or "neutral"; "": the first
}

// Place is where something stands.
type Place struct {
	File string
	Line int
}

// Problem makes a complaint of something at p.
func (p Place) Problem(text string) Problem { return Problem{p.File, p.Line, text} }

// Var is a text or a JSON value that the Worker finds in its environment.
type Var struct {
	Name   string
	Text   string
	JSON   json.RawMessage // in place of Text, if it is not nil
	Secret bool
}

// KV is a binding to a namespace.
type KV struct {
	Binding string
	ID      string // as it is written; "": none
	Place   Place
}

// Service is a binding to another Worker, or to this one.
type Service struct {
	Binding    string
	Service    string
	Entrypoint string
	Props      json.RawMessage // nil: none
	Place      Place
}

// Object is a binding to a class of Durable Objects.
type Object struct {
	Binding string
	Class   string
	Script  string // the Worker that has the class; "": this one
	Place   Place
}

// Class is a class of Durable Objects of this Worker.
type Class struct {
	Name string
	SQL  bool
}

// Deleted is a class of Durable Objects that this Worker is to have no more.
type Deleted struct {
	Name  string
	Place Place
}

// Cron is a time at which the Worker is to run.
type Cron struct {
	Expression string
	Place      Place
}

// Assets are files that are served without the Worker, or by its leave.
type Assets struct {
	Directory      string // absolute
	Binding        string // "": none
	HTMLHandling   string
	NotFound       string
	BasePath       string
	RunWorkerFirst json.RawMessage // true, false or a list of patterns; nil: none
	Place          Place
}

// Site is a Workers Site: files that the Worker reads from KV.
type Site struct {
	Bucket           string // absolute
	Include, Exclude []string
	Place            Place
}

// Blob is a file that a Worker of the old form finds in a variable.
type Blob struct {
	Binding string
	Path    string // absolute
	Type    ModuleType
}

// ModuleType is what becomes of a file that is imported.
type ModuleType string

// What a rule may say.
const (
	ESModule     ModuleType = "ESModule"
	CommonJS     ModuleType = "CommonJS"
	Text         ModuleType = "Text"
	Data         ModuleType = "Data"
	CompiledWasm ModuleType = "CompiledWasm"
)

var moduleTypes = []string{string(ESModule), string(CommonJS), string(Text), string(Data), string(CompiledWasm)}

// Rule says what files are, by their paths.
type Rule struct {
	Type  ModuleType
	Globs []string
	more  bool  // another rule for the type may follow
	meant bool  // that none follows is written out
	place Place // zero: it is one of wrangler's own
}

// Ignored is a rule that does not count, since another of its type lets none follow.
type Ignored struct {
	Rule
	By Place // the other
}

// HasFlag tells whether a compatibility flag is set.
func (w *Worker) HasFlag(name string) bool { return slices.Contains(w.CompatibilityFlags, name) }
