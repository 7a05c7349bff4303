package wrangler_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestConfigurations reads the configurations of testdata, which say what each means or
// what is wrong with it. Before a configuration, "file" writes one that lies beside it,
// and "dir" makes a directory. "project" looks for the configuration itself. "cron" tells
// of each line whether it is a cron trigger: TestWorkerCrons in e2e asks workerd the same.
func TestConfigurations(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		dir := t.TempDir()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				write(t, filepath.Join(dir, d.CmdArgs[0].Key), d.Input)
				return ""
			case "dir":
				if err := os.MkdirAll(filepath.Join(dir, d.CmdArgs[0].Key), 0o755); err != nil {
					t.Fatal(err)
				}
				return ""
			case "jsonc", "toml":
				file := filepath.Join(dir, "wrangler."+d.Cmd)
				write(t, file, d.Input)
				return load(t, dir, d, wrangler.Found{File: file})
			case "cron":
				return checkCrons(d.Input)
			case "project":
				found, err := wrangler.Find(dir)
				if err != nil {
					t.Fatal(err)
				}
				return load(t, dir, d, found)
			}
			t.Fatalf("%s: no such command", d.Pos)
			return ""
		})
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func checkCrons(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		line = strings.TrimSuffix(line, "\n")
		if err := wrangler.CheckCron(line); err != nil {
			fmt.Fprintf(&b, "%s: %v\n", line, err)
		} else {
			fmt.Fprintf(&b, "%s: ok\n", line)
		}
	}
	return b.String()
}

// load reads the configuration and shows what is not empty, or what is wrong.
func load(t *testing.T, dir string, d *datadriven.TestData, found wrangler.Found) string {
	t.Helper()
	o := wrangler.Options{Getenv: func(string) string { return "" }, Environ: func() []string { return []string{"FROM_OUTSIDE=outside"} }}
	d.MaybeScanArgs(t, "env", &o.Env)
	w, err := wrangler.Load(found, o)
	var text string
	if err != nil {
		text = err.Error()
	} else {
		text = show(w)
	}
	return strings.TrimSpace(strings.ReplaceAll(text, dir+string(filepath.Separator), "")) + "\n"
}

func show(w *wrangler.Worker) string {
	var b strings.Builder
	line := func(name string, v any) {
		if text := fmt.Sprintf("%+v", v); text != "" && text != "[]" && text != "<nil>" && text != "false" && text != "map[]" {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
	}
	line("name", w.Name)
	line("main", w.Main)
	line("date", w.CompatibilityDate)
	line("flags", w.CompatibilityFlags)
	for _, v := range w.Vars {
		line("var", fmt.Sprintf("%s %q json=%s secret=%t", v.Name, v.Text, v.JSON, v.Secret))
	}
	for _, kv := range w.KV {
		line("kv", fmt.Sprintf("%s id=%q line %d", kv.Binding, kv.ID, kv.Place.Line))
	}
	for _, s := range w.Services {
		line("service", fmt.Sprintf("%s to %s %s %s", s.Binding, s.Service, s.Entrypoint, s.Props))
	}
	for _, o := range w.Objects {
		line("object", fmt.Sprintf("%s is %s of %q", o.Binding, o.Class, o.Script))
	}
	line("classes", w.Classes)
	if w.Assets != nil {
		line("assets", fmt.Sprintf("%s %s %s %s", w.Assets.Directory, w.Assets.Binding, w.Assets.NotFound, w.Assets.RunWorkerFirst))
	}
	if w.Site != nil {
		line("site", fmt.Sprintf("%s %q %q", w.Site.Bucket, w.Site.Include, w.Site.Exclude))
	}
	for _, c := range w.Crons {
		line("cron", c.Expression)
	}
	line("version", w.Version)
	for _, b := range w.Blobs {
		line("blob", b)
	}
	line("define", w.Build.Define)
	line("alias", w.Build.Alias)
	line("no bundle", w.Build.NoBundle)
	line("platform", w.Build.Platform)
	if c := w.Build.Conditions; c != nil {
		line("conditions", fmt.Sprintf("%q", c))
	}
	for _, r := range w.Build.Rules {
		line("rule", fmt.Sprintf("%s %q", r.Type, r.Globs))
	}
	for _, n := range w.Notes {
		line("note", n.Error())
	}
	return b.String()
}

// TestHostileFiles holds that what no person writes is refused, or read, soon.
func TestHostileFiles(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for name, test := range map[string]struct{ file, text, want string }{
		"deep JSON":           {"wrangler.jsonc", `{"vars":{"A":` + deep, "deep in each other"},
		"deep behind strings": {"wrangler.jsonc", `{"vars":{"A":` + strings.Repeat(`["]]]]",`, 10_000), "deep in each other"},
		"deep in a comment":   {"wrangler.jsonc", `{/*` + deep + `*/}`, `"main" is missing`},
		"deep TOML":           {"wrangler.toml", "[vars]\nA = " + deep, "deep in each other"},
		"a long key":          {"wrangler.toml", strings.Repeat("a.", 50_000) + "a = 1", "deep in each other"},
		"large":               {"wrangler.toml", strings.Repeat("#", 300_000), "262144 are the most"},
		"many problems":       {"wrangler.toml", many(1000), "and 980 problems more"},
		"bytes":               {"wrangler.jsonc", "\xff\xfe\x00{", "not JSON"},
		"a directory":         {"wrangler.jsonc", "", "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), test.file)
			write(t, file, test.text)
			_, err := wrangler.Load(wrangler.Found{File: file}, wrangler.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%.300v, want %s", err, test.want)
			}
		})
	}
}

// TestByteOrderMark reads files as some editors write them: behind a mark that is no part
// of them.
func TestByteOrderMark(t *testing.T) {
	for name, text := range map[string]string{"wrangler.jsonc": `{"main": "a.js"}`, "wrangler.toml": `main = "a.js"`} {
		file := filepath.Join(t.TempDir(), name)
		write(t, file, "\ufeff"+text)
		w, err := wrangler.Load(wrangler.Found{File: file}, wrangler.Options{})
		if err != nil || filepath.Base(w.Main) != "a.js" {
			t.Errorf("%s: %v, main is %q", name, err, w.Main)
		}
	}
}

// TestLineEnds reads secrets as editors on Windows write them, and what npm's dotenv makes of
// a text whose quote does not end.
func TestLineEnds(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "wrangler.toml"), "main = 'a.js'\n")
	write(t, filepath.Join(dir, ".dev.vars"), "A=a\r\nKEY=\"begin\r\nend\"\r\n# B=b\r\nC=c\rD=\"un\\nclosed\r\n")
	w, err := wrangler.Load(wrangler.Found{File: filepath.Join(dir, "wrangler.toml")}, wrangler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range w.Vars {
		got[v.Name] = v.Text
	}
	want := map[string]string{"A": "a", "KEY": "begin\nend", "C": "c", "D": "\"un\nclosed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "wrong%d = 1\n", i)
	}
	return b.String()
}

// TestFind looks for a project's configuration as wrangler does.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	if _, err := wrangler.Find(dir); err == nil || !strings.Contains(err.Error(), "no wrangler.json, wrangler.jsonc, wrangler.toml in") {
		t.Errorf("an empty directory: %v", err)
	}
	for _, name := range []string{"wrangler.toml", "wrangler.jsonc", "wrangler.json"} {
		write(t, filepath.Join(dir, name), "")
		if got, err := wrangler.Find(dir); err != nil || got.File != filepath.Join(dir, name) {
			t.Errorf("found %+v, %v, want %s", got, err, name)
		}
	}
}

// TestProject looks above a directory as wrangler does.
func TestProject(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	for _, dir := range []string{"a/b/c", "a/.wrangler/deploy", ".wrangler/deploy"} {
		if err := os.MkdirAll(path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(path("a", "b"), path("link")); err != nil {
		t.Fatal(err)
	}
	deep := path("a", "b", "c")
	want := func(dir, want, failure string) {
		t.Helper()
		got, err := wrangler.Project(dir)
		if got != want || (err == nil) != (failure == "") || err != nil && !strings.Contains(err.Error(), failure) {
			t.Errorf("of %s: %s, %v, want %s %s", dir, got, err, want, failure)
		}
	}
	want(deep, "", "no wrangler.json, wrangler.jsonc, wrangler.toml in "+deep+" or above it")
	write(t, path("a", ".wrangler", "deploy", "config.json"), "{}")
	want(deep, path("a"), "")
	write(t, path("a", "b", "wrangler.toml"), "")
	want(deep, "", path("a", ".wrangler", "deploy", "config.json")+" does not lie beside the configuration in "+path("a", "b"))
	write(t, path("a", "wrangler.jsonc"), "")
	want(deep, path("a"), "")
	want(path("link"), path("a"), "")
	want(path("a"), path("a"), "")
	if err := os.RemoveAll(path("a", ".wrangler")); err != nil {
		t.Fatal(err)
	}
	write(t, path("wrangler.json"), "")
	want(deep, root, "")
	t.Chdir(root)
	want(".", ".", "")
}

// FuzzLoad reads any text as a configuration in both languages, and as secrets: it says
// what is wrong, or what it means, and ends.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","main":"a.ts","kv_namespaces":[{"binding":"KV","id":"1"}],"env":{"p":{"vars":{"A":1}}},}`,
		"name = \"x\"\nmain = \"a\"\n[[kv_namespaces]]\nbinding = \"KV\"\n[env.p.vars]\nA = 1979-05-27\n",
		"A=b\nexport B='c\nd' # e\nC=\"$A ${B:-x}\"\n", "/*", `{"a":"\ud800"}`, "a.b.c = [[1], {x = 1}]",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"wrangler.jsonc", "wrangler.toml"} {
			file := filepath.Join(dir, name)
			write(t, file, text)
			write(t, filepath.Join(dir, ".dev.vars"), text)
			for _, env := range []string{"", "p"} {
				w, err := wrangler.Load(wrangler.Found{File: file}, wrangler.Options{Env: env})
				if err == nil && w.Main == "" && w.Assets == nil {
					t.Errorf("a Worker without anything to run: %+v", w)
				}
			}
		}
	})
}
