package workerd_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestTextCannotLeave holds that no text ends its literal, whatever is in it.
func TestTextCannotLeave(t *testing.T) {
	for text, want := range map[string]string{
		`plain`:               `"plain"`,
		`"), (name = "evil"`:  `"\"), (name = \"evil\""`,
		`\" embed "x`:         `"\\\" embed \"x"`,
		"line\nbreak\x00\x7f": `"line\x0abreak\x00\x7f"`,
		"ü":                   `"\xc3\xbc"`,
		`${x} # no comment`:   `"${x} # no comment"`,
	} {
		if got := workerd.TextLiteral(text); got != "(\n  x = "+want+");\n" {
			t.Errorf("%q: got %s", text, got)
		}
	}
}

// FuzzText holds the same of any text: between the quotes stand plain characters, and
// every quote is escaped.
func FuzzText(f *testing.F) {
	f.Add(`a"b\c`)
	f.Add("\xff\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := workerd.TextLiteral(text)
		inner := strings.TrimSuffix(strings.TrimPrefix(got, "(\n  x = \""), "\");\n")
		for i := 0; i < len(inner); i++ {
			switch c := inner[i]; {
			case c == '\\':
				i++
			case c == '"' || c < ' ' || c > '~':
				t.Fatalf("%q becomes %s", text, got)
			}
		}
	})
}

// TestConfig holds what a configuration is: for its owner alone, each binding with its
// own token, and no token of one Worker beside another's namespace.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	built := &bundle.Result{Modules: []bundle.Module{{Name: "a.js", Type: wrangler.ESModule, Data: []byte("export default {}")}}}
	kv := func(token, ns string) []workerd.KV {
		return []workerd.KV{{Binding: "KV", Address: "127.0.0.1:8788", Token: token, Namespace: ns}}
	}
	cfg := workerd.Config{Dir: dir, Socket: dir + "/s", Cache: dir + "/c", Objects: dir, DefaultDate: "2026-01-01", Workers: []workerd.Worker{
		{Worker: &wrangler.Worker{Name: "a", Main: "a.js", Vars: []wrangler.Var{{Name: "V", Text: `q"uote`}, {Name: "J", JSON: json.RawMessage(`{"a":"b"}`)}},
			Services: []wrangler.Service{{Binding: "B", Service: "b"}}}, Built: built, KV: kv("token-a", "ns-a")},
		{Worker: &wrangler.Worker{Name: "b", Main: "b.js"}, Built: built, KV: kv("token-b", "ns-b")},
	}}
	path, err := cfg.Write()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	squeezed := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{
		`value = "Bearer token-a"), ( name = "Godwit-Namespace", value = "ns-a")`,
		`value = "Bearer token-b"), ( name = "Godwit-Namespace", value = "ns-b")`,
		`name = "V", text = "q\"uote"`, `name = "J", json = "{\"a\":\"b\"}"`, `name = "B", service = ( name = "worker:b")`,
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("the configuration does not hold %s:\n%s", want, text)
		}
	}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, err := d.Info(); err == nil && !d.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestConfigOfALaterDate gives a Worker of a later date than workerd's the newest there is.
func TestConfigOfALaterDate(t *testing.T) {
	built := &bundle.Result{Modules: []bundle.Module{{Name: "a.js", Type: wrangler.ESModule}}}
	for date, want := range map[string]string{"": "2026-11-17", "2026-01-01": "2026-01-01", "2026-11-17": "2026-11-17", "2026-11-18": "2026-11-17"} {
		w := workerd.Worker{Worker: &wrangler.Worker{Name: "a", Main: "a.js", CompatibilityDate: date}, Built: built}
		path, err := (&workerd.Config{Dir: t.TempDir(), DefaultDate: "2026-11-17", Workers: []workerd.Worker{w}}).Write()
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `compatibilityDate = "`+want+`"`) {
			t.Errorf("of %q: not of %s:\n%s", date, want, text)
		}
	}
}

// TestLog reads what workerd says.
func TestLog(t *testing.T) {
	type told struct {
		Level, Text string
		Own, Told   bool
	}
	for text, want := range map[string]told{
		`{"timestamp":1,"level":"log","message":"hi\nthere"}`:                                                                         {"log", "hi\nthere", false, true},
		`{"level":"info","source":"a.c++:1","message":"uncaught exception; source = Uncaught (in promise); stack = Error: x\n at y"}`: {"error", "Uncaught (in promise) Error: x\n at y", false, true},
		`{"level":"info","source":"a.c++:1","message":"uncaught exception; exception = a/jsg/b:1: failed: jsg.Error: x"}`:             {"info", "uncaught exception; exception = a/jsg/b:1: failed: jsg.Error: x", true, false},
		`{"level":"error","source":"a.rs:1","message":"Uncaught exception: a: failed: remote.jsg.Error: x"}`:                          {"error", "Uncaught exception: a: failed: remote.jsg.Error: x", true, false},
		`{"level":"warning","source":"a.rs:1","message":"disk"}`:                                                                      {"warning", "disk", true, true},
		`{"not":"a line"}`: {"error", `{"not":"a line"}`, true, true},
		`plain`:            {"error", "plain", true, true},
		``:                 {"error", "", true, false},
	} {
		line, ok := workerd.ParseLine(text, "stderr")
		if diff := cmp.Diff(want, told{line.Level, line.Text, line.Own, ok}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// TestLongLines reads lines that are longer than what is read at once, and one that nobody
// would want to keep.
func TestLongLines(t *testing.T) {
	const most = 1 << 20
	said := func(message string) string { return `{"timestamp":1,"level":"log","message":"` + message + `"}` }
	long, plain := strings.Repeat("A", 100_000), strings.Repeat("p", most)
	longest := plain[:most-len(`{"timestamp":1,"level":"log","message":"`)]
	log := []string{said("before"), said(long), plain, plain + "more", said(longest + "more"), said("after")}
	want := []workerd.Line{
		{Level: "log", Text: "before"}, {Level: "log", Text: long},
		{Level: "error", Text: plain, Own: true},
		{Level: "error", Text: plain + "\n[the line goes on for 4 bytes]", Own: true},
		{Level: "log", Text: longest + "\n[the line goes on for 6 bytes]"},
		{Level: "log", Text: "after"},
	}
	got := workerd.Read(strings.NewReader(strings.Join(log, "\n") + "\n"))
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %.60q… of %d bytes, own: %t; want %.60q… of %d", i, got[i].Text, len(got[i].Text), got[i].Own, want[i].Text, len(want[i].Text))
		}
	}
}

// TestWhole cuts a line anywhere in its message.
func TestWhole(t *testing.T) {
	const begin = `{"timestamp":1,"level":"log","message":"`
	line := begin + `a\n\u00e9é\\\"\ud83d\ude00\\\\n`
	for n := len(begin); n <= len(line); n++ {
		if l, ok := workerd.ParseLine(workerd.Whole(line[:n]), "stderr"); !ok || l.Own || l.Level != "log" {
			t.Errorf("%s: %+v", line[:n], l)
		}
	}
	for _, text := range []string{"plain", `{"level":`, "{", ""} {
		if got := workerd.Whole(text); got != text {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}

// TestFind finds the program where package managers put it, and never a script that
// would only start it.
func TestFind(t *testing.T) {
	program := filepath.Join("@cloudflare", "workerd-"+workerd.Platform(), "bin", "workerd")
	for name, paths := range map[string][]string{
		"npm":                   {"node_modules/" + program},
		"pnpm, workerd":         {"node_modules/.pnpm/workerd@1/node_modules/" + program, "node_modules/.pnpm/workerd@1/node_modules/workerd/package.json", "node_modules/workerd -> .pnpm/workerd@1/node_modules/workerd"},
		"pnpm, wrangler alone":  {"node_modules/.pnpm/workerd@1/node_modules/" + program, "node_modules/.pnpm/workerd@1/node_modules/workerd/package.json", "node_modules/.pnpm/wrangler@4/node_modules/wrangler/package.json", "node_modules/.pnpm/wrangler@4/node_modules/workerd -> ../../workerd@1/node_modules/workerd", "node_modules/wrangler -> .pnpm/wrangler@4/node_modules/wrangler"},
		"in a directory above":  {"../node_modules/" + program},
		"nested below wrangler": {"node_modules/wrangler/package.json", "node_modules/wrangler/node_modules/" + program},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "project")
			for _, p := range paths {
				place(t, dir, p)
			}
			got, err := workerd.Find(dir)
			if err != nil || !strings.HasSuffix(got, program) {
				t.Errorf("found %s, %v", got, err)
			}
		})
	}
	t.Run("nowhere", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := workerd.Find(t.TempDir()); !errors.Is(err, workerd.ErrMissing) || !strings.Contains(err.Error(), "npm install workerd") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a script", func(t *testing.T) {
		dir := t.TempDir()
		place(t, dir, "node_modules/workerd/bin/workerd")
		script := filepath.Join(dir, "node_modules", "workerd", "bin", "workerd")
		if err := os.WriteFile(script, []byte("#!/usr/bin/env node\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := workerd.Program(script); !errors.Is(err, workerd.ErrMissing) {
			t.Errorf("a script without its program: %v", err)
		}
		place(t, dir, "node_modules/"+program)
		if got, err := workerd.Program(script); err != nil || !strings.HasSuffix(got, program) {
			t.Errorf("a script beside its program: %s, %v", got, err)
		}
	})
}

// place makes a file, or a link: "from -> to".
func place(t *testing.T, dir, what string) {
	t.Helper()
	from, to, link := strings.Cut(what, " -> ")
	path := filepath.Join(dir, filepath.FromSlash(from))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if link {
		err = os.Symlink(filepath.FromSlash(to), path)
	} else {
		err = os.WriteFile(path, []byte("\x7fELF"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}
