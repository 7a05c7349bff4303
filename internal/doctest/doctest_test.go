package doctest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/doctest"
)

func page(lines ...string) string { return strings.ReplaceAll(strings.Join(lines, "\n"), "'''", "```") }

func TestParse(t *testing.T) {
	got, err := doctest.Parse(page(
		"# A page", "", "<!-- setup", "godwit namespace create birds", "-->", "'''sh", "godwit get birds a", "'''", "", "'''text", "x", "'''",
		"Words.", "", "'''json", `{"not":"its output"}`, "'''", "",
		"1. In a list:", "", "   '''sh", "   cat <<E", "     deep", "   E", "   '''", "", "<!-- not run: it takes hours -->", "'''console", "make hay", "'''",
		"", "'''json", "{}", "'''", "<!-- run until: ready: yes -->", "", "'''bash", "sleep 1", "'''", "'''js", "f()", "'''", "'''text", "no output", "'''",
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []doctest.Block{
		{Line: 4, Commands: "godwit namespace create birds\n", Hidden: true},
		{Line: 7, Commands: "godwit get birds a\n", Output: "x\n"},
		{Line: 22, Commands: "cat <<E\n  deep\nE\n"},
		{Line: 29, Commands: "make hay\n", NotRun: "it takes hours", Output: "{}\n", JSON: true},
		{Line: 38, Commands: "sleep 1\n", Until: "ready: yes"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no language":       page("'''", "x", "'''"),
		"no end":            page("'''sh", "x"),
		"setup without end": page("<!-- setup", "x"),
		"note without end":  page("<!-- not run: x", "-->"),
		"note, no reason":   page("<!-- not run -->", "'''sh", "x", "'''"),
		"misspelt note":     page("<!-- runs: x -->", "'''sh", "x", "'''"),
		"note for a text":   page("<!-- not run: x -->", "'''text", "x", "'''"),
		"note for words":    page("<!-- not run: x -->", "words", "'''sh", "x", "'''"),
		"note at the end":   page("<!-- not run: x -->"),
		"two notes":         page("<!-- not run: x -->", "<!-- run until: y -->", "'''sh", "x", "'''"),
	} {
		if got, err := doctest.Parse(text); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		shown, got string
		json, ok   bool
	}{
		"the same":          {shown: "a\nb\n", got: "a\nb\n", ok: true},
		"lines between":     {shown: "a\nb\n", got: "log\na\nlog\nb\nlog\n", ok: true},
		"another order":     {shown: "a\nb\n", got: "b\na\n"},
		"a line is missing": {shown: "a\nb\n", got: "a\n"},
		"part of a line":    {shown: "a\n", got: "ab\n"},
		"anything":          {shown: "a…d\n", got: "abcd\n", ok: true},
		"spaces":            {shown: "a b\n", got: "a \t b  \n", ok: true},
		"revision":          {shown: "1795481410868107 put\n", got: "1812345678901234 put\n", ok: true},
		"no revision":       {shown: "1795481410868107 put\n", got: "17 put\n"},
		"time":              {shown: "at 2026-01-02T15:04:05Z\n", got: "at 2027-11-30T00:00:00.123Z\n", ok: true},
		"span":              {shown: "lag 4ms\n", got: "lag 1.5s\n", ok: true},
		"id":                {shown: "0f2ac74b498b48028cb68387c421e279\n", got: "ffffffffffffffffffffffffffffffff\n", ok: true},
		"JSON":              {shown: `{"a":["…",1795481410],"b":true}`, got: `x {"b": true, "a": ["q", 1800000000]}`, json: true, ok: true},
		"JSON, more":        {shown: `{"a":1}`, got: `{"a":1,"b":2}`, json: true},
		"JSON, other":       {shown: `{"a":1}`, got: `{"a":2}`, json: true},
		"JSON, inside":      {shown: `{"a":1}`, got: `[{"a":1}]`, json: true, ok: true},
		"no JSON":           {shown: `{"a":1}`, got: `a 1`, json: true},
		"the page's is not": {shown: `{"a"`, got: `{"a"`, json: true},
	} {
		b := doctest.Block{Output: test.shown, JSON: test.json}
		if err := b.Check(test.got); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScript(t *testing.T) {
	blocks := []doctest.Block{
		{Commands: "x=1; echo one\n"},
		{Commands: "echo never\n", NotRun: "a test of that"},
		{Commands: "echo warming up; echo \"it's on $x\"; sleep 100\n", Until: "it's on"},
		{Commands: "stop\n", Hidden: true},
		{Commands: "echo 'two\n\nlines'\nfalse\n"},
		{Commands: "echo never\n"},
	}
	run := func() (map[int]string, bool) {
		out, _ := exec.CommandContext(t.Context(), "bash", "-eu", "-o", "pipefail", "-c", doctest.Script(blocks)).Output()
		return doctest.Outputs(string(out))
	}
	want := map[int]string{0: "one\n", 2: "warming up\nit's on 1\n", 3: "", 4: "two\n\nlines\n"}
	if got, ended := run(); ended || !cmp.Equal(got, want) {
		t.Errorf("ended %v, outputs %+v", ended, got)
	}
	blocks[4].Commands, blocks[5].Commands = ":\n", "echo three\n"
	if got, ended := run(); !ended || got[5] != "three\n" {
		t.Errorf("ended %v, outputs %+v", ended, got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(page("<!-- setup", "a", "-->", "'''sh", "b", "'''", "'''json", "{}", "'''"))
	f.Add(page("<!-- run until: x -->", "'''sh", "b", "'''"))
	f.Fuzz(func(t *testing.T, text string) {
		blocks, err := doctest.Parse(text)
		if err != nil {
			return
		}
		for _, b := range blocks {
			if b.Line < 1 || b.Line > strings.Count(text, "\n")+1 {
				t.Errorf("line %d of %d", b.Line, strings.Count(text, "\n")+1)
			}
			_ = b.Check(text)
		}
	})
}
