package doctest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Check holds what came out of a block's commands to what the page shows: each line of
// it is one that came, in that order; others may come between. What differs from run to
// run is not compared, and "…" stands for anything. (A comment behind a command would
// not do: zsh takes it for arguments.)
func (b Block) Check(got string) error {
	if b.JSON {
		return checkJSON(b.Output, got)
	}
	lines := strings.Split(normal(got), "\n")
	for line := range strings.Lines(b.Output) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if lines = behind(lines, pattern(line)); lines == nil {
			return fmt.Errorf("the line %q did not come out, where it should", strings.TrimSpace(line))
		}
	}
	return nil
}

// behind returns the lines behind the first that matches, or nil.
func behind(lines []string, p *regexp.Regexp) []string {
	for i, line := range lines {
		if p.MatchString(line) {
			return append([]string{}, lines[i+1:]...)
		}
	}
	return nil
}

// pattern matches a line, or a text, that a page shows.
func pattern(shown string) *regexp.Regexp {
	parts := strings.Split(normal(strings.TrimSpace(shown)), "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`^\s*` + strings.Join(parts, ".*") + `\s*$`)
}

// varying is what no two runs have alike, each with what is put in its place.
var varying = []struct {
	what  *regexp.Regexp
	stand string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "ID"},
	{regexp.MustCompile(`\b[1-9]\d{15}\b`), "REVISION"},
	{regexp.MustCompile(`\b[1-9]\d{12}\b`), "MILLISECONDS"},
	{regexp.MustCompile(`\b[1-4]\d{9}\b`), "SECONDS"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ns|µs|ms|s|m|h)\b`), "SPAN"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "NUMBER"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

func normal(s string) string {
	for _, v := range varying {
		s = v.what.ReplaceAllString(s, v.stand)
	}
	return s
}

// checkJSON looks for a JSON value in what came out that is the one shown.
func checkJSON(shown, got string) error {
	var want any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		return fmt.Errorf("the page shows what is no JSON: %w", err)
	}
	for i := range len(got) {
		if got[i] != '{' && got[i] != '[' {
			continue
		}
		var v any
		if json.NewDecoder(strings.NewReader(got[i:])).Decode(&v) == nil && like(want, v) {
			return nil
		}
	}
	return fmt.Errorf("no such JSON came out:\n%s", shown)
}

// like compares two JSON values as [Block.Check] does texts.
func like(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name, v := range w {
			if other, ok := g[name]; !ok || !like(v, other) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !like(w[i], g[i]) {
				return false
			}
		}
		return true
	case string:
		g, ok := got.(string)
		return ok && pattern(w).MatchString(normal(g))
	case float64:
		g, ok := got.(float64)
		return ok && normal(fmt.Sprintf("%.0f", w)) == normal(fmt.Sprintf("%.0f", g))
	}
	return reflect.DeepEqual(want, got)
}
