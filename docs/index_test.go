package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryPageIsReachable follows the links from the index: a page that nobody leads to is
// read by nobody.
func TestEveryPageIsReachable(t *testing.T) {
	all := pages(t)
	index := filepath.Join(root, "docs", "README.md")
	reached := map[string]bool{index: true}
	for next := []string{index}; len(next) > 0; {
		page := next[0]
		next = next[1:]
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(all[page], ""), -1) {
			file, _, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(page), file)
			if _, isPage := all[target]; file != "" && isPage && !reached[target] {
				reached[target] = true
				next = append(next, target)
			}
		}
	}
	for page := range all {
		noPage := strings.Contains(page, "/internal/") || strings.Contains(page, "/testdata/") // notes beside files
		if !reached[page] && !noPage {
			t.Errorf("%s cannot be reached from %s", page, index)
		}
	}
}

var cited = regexp.MustCompile(`\*\*([0-9][0-9.,]*)\*\*`)

// TestComparisonCitesFigures holds that every figure on the page stands among those that
// were measured.
func TestComparisonCitesFigures(t *testing.T) {
	measured := read(t, "performance.md")
	found := cited.FindAllStringSubmatch(read(t, "comparison.md"), -1)
	for _, m := range found {
		if !regexp.MustCompile(`\| ` + regexp.QuoteMeta(m[1]) + ` \|`).MatchString(measured) {
			t.Errorf("comparison.md cites %s, which is no figure of performance.md", m[1])
		}
	}
	if len(found) < 5 {
		t.Errorf("comparison.md cites %d figures: nothing is tested", len(found))
	}
}
