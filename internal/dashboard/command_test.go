package dashboard_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/dashboard"
)

func TestParseCommand(t *testing.T) {
	type parsed = dashboard.Parsed
	none := map[string]string{}
	for text, want := range map[string]parsed{
		"get a/b":                             {"get", []string{"a/b"}, none, "get a/b"},
		"  GET\ta/b \n":                       {"get", []string{"a/b"}, none, "get a/b"},
		`getwithmetadata "a \"b\" \u00e9"`:    {"getWithMetadata", []string{`a "b" é`}, none, `getWithMetadata "a \"b\" é"`},
		`get 'a \b"c'`:                        {"get", []string{`a \b"c`}, none, `get "a \\b\"c"`},
		`get a"b c"'d e'f`:                    {"get", []string{"ab cd ef"}, none, `get "ab cd ef"`},
		`get ""`:                              {"get", []string{""}, none, `get ""`},
		"get -- --prefix":                     {"get", []string{"--prefix"}, none, `get "--prefix"`},
		`get "--prefix"`:                      {"get", []string{"--prefix"}, none, `get "--prefix"`},
		"put k secret --metadata={\"a\":1}":   {}, // quotes are taken away, as in a shell
		`put k 'my "secret"' --ttl 60`:        {"put", []string{"k", `my "secret"`}, map[string]string{"ttl": "60"}, "put k"},
		`put --metadata='{"a":1}' k v`:        {"put", []string{"k", "v"}, map[string]string{"metadata": `{"a":1}`}, "put k"},
		"list":                                {"list", nil, none, "list"},
		"list --prefix=a --limit 5 --reverse": {"list", nil, map[string]string{"prefix": "a", "limit": "5", "reverse": "1"}, "list --prefix=a --limit=5 --reverse"},
		"put k \"two\nlines\"":                {"put", []string{"k", "two\nlines"}, none, "put k"},
	} {
		got, err := dashboard.Parse(text)
		if want.Verb == "" {
			if err != nil || got.Flags["metadata"] != "{a:1}" {
				t.Errorf("%q: %+v, %v", text, got, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestParseCommandRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"": "Type a command", "   ": "Type a command", "drop everything": "no command", `"get" k`: "no command", "get": "Write it as: get KEY",
		"get a b": "in quotes", "put k": "put KEY VALUE", "get 'a": "not closed", `get "a`: "not closed", `get "\x"`: "as in JSON", "get k --loud": "no --loud",
		"list --prefix": "wants TEXT", "list --reverse=1": "takes no value", "list --limit 1 --limit 2": "given twice", "get \xff": "UTF-8",
		"get " + strings.Repeat("k", 65<<10): "64 KiB", `get "a\`: "not closed",
	} {
		if got, err := dashboard.Parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: got %+v, %v", text, got, err)
		}
	}
}

// FuzzCommand holds that whatever is parsed is, as a history keeps it, parsed as the
// same again, and that values are in no history.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		"get a/b", `getWithMetadata "a \"b\" \u00e9"`, `put k 'my value' --metadata '{"a":1}' --ttl=60`, "list --prefix=a --limit 5 --reverse",
		"get -- --x", `delete 'a'"b"c`, "count", "versions k --limit 2", "help", "get \u2028", "undelete '",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := dashboard.Parse(text)
		if err != nil {
			return
		}
		if got.Verb == "put" {
			if want := "put " + dashboard.QuoteWord(got.Args[0]); got.History != want {
				t.Fatalf("the history has %q, want %q", got.History, want)
			}
			return
		}
		again, err := dashboard.Parse(got.History)
		if err != nil {
			t.Fatalf("%q: %v", got.History, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
