package wrangler

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Filter returns what tells which files a site has, by their paths in the bucket.
func (s *Site) Filter() (has func(path string) bool, err error) {
	include, err := compilePatterns(s.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := compilePatterns(s.Exclude)
	return func(path string) bool {
		return (len(s.Include) == 0 || include.match(path)) && !exclude.match(path)
	}, err
}

// patterns are those of a .gitignore, as the npm package ignore has them that wrangler
// asks: capitals do not count, and "!" negates nothing in brackets.
type patterns []pattern

type pattern struct {
	expression *regexp.Regexp
	takesBack  bool
}

func compilePatterns(texts []string) (all patterns, err error) {
	for _, text := range texts {
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		rest, takesBack := strings.CutPrefix(text, "!")
		expression, err := translate(rest)
		if err != nil {
			return nil, fmt.Errorf("%.80q is no pattern: %w", text, err)
		}
		all = append(all, pattern{expression, takesBack})
	}
	return all, nil
}

// match tells whether a path, or that of a directory above it, is matched. Of the patterns
// for each the last counts.
func (all patterns) match(path string) bool {
	for i, c := range path {
		if c == '/' && all.matchOne(path[:i+1]) {
			return true
		}
	}
	return all.matchOne(path)
}

func (all patterns) matchOne(path string) bool {
	for _, p := range slices.Backward(all) {
		if p.expression.MatchString(path) {
			return !p.takesBack
		}
	}
	return false
}

// translate makes a regular expression of a pattern. Paths of directories end with a slash.
func translate(text string) (*regexp.Regexp, error) {
	rest, top := strings.CutPrefix(trimPattern(text), "/")
	b := &strings.Builder{}
	b.WriteString("(?i)")
	if below, deep := strings.CutPrefix(rest, "**/"); deep {
		b.WriteString("^(?:.*/)?")
		rest = below
	} else if top || strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
		b.WriteByte('^')
	} else {
		b.WriteString("(?:^|/)") // one without a slash is for any depth
	}
	for left := rest; left != ""; {
		n, err := translateOne(b, left)
		if err != nil {
			return nil, err
		}
		left = left[n:]
	}
	if !strings.HasSuffix(rest, "/") {
		b.WriteString("/?")
	}
	b.WriteByte('$')
	return regexp.Compile(b.String())
}

// trimPattern leaves out what an editor may have put around a pattern. A space at its end
// counts behind a backslash.
func trimPattern(text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	trimmed := strings.TrimRightFunc(text, unicode.IsSpace)
	if strings.HasSuffix(trimmed, `\`) && trimmed != text {
		trimmed += " "
	}
	return trimmed
}

// translateOne translates what a pattern begins with, and returns how long that is.
func translateOne(b *strings.Builder, text string) (n int, err error) {
	switch {
	case text == "/**":
		b.WriteString("/.+")
		return 3, nil
	case strings.HasPrefix(text, "/**/"):
		b.WriteString("(?:/[^/]+)*")
		return 3, nil
	case text == "/*":
		b.WriteString("/[^/]+")
		return 2, nil
	case text[0] == '*':
		b.WriteString("[^/]*")
		return len(text) - len(strings.TrimLeft(text, "*")), nil
	case text[0] == '?':
		b.WriteString("[^/]")
		return 1, nil
	case text[0] == '[':
		return translateClass(b, text)
	case text == `\*`: // ignore takes no notice of this backslash
		b.WriteString("[^/]*")
		return 2, nil
	case text == `\`:
		return 0, errors.New("nothing stands behind the backslash")
	case text[0] == '\\':
		n, text = 1, text[1:]
	}
	_, size := utf8.DecodeRuneInString(text)
	b.WriteString(regexp.QuoteMeta(text[:size]))
	return n + size, nil
}

// translateClass is translateOne for characters in brackets. A range that ends before it
// begins has none.
func translateClass(b *strings.Builder, text string) (n int, err error) {
	inside, _, closed := strings.Cut(text[1:], "]")
	if !closed {
		return 0, errors.New("a bracket is not closed")
	}
	class := ""
	for chars := []rune(inside); len(chars) > 0; {
		from, to, size := chars[0], chars[0], 1
		switch {
		case from == '\\' && len(chars) > 1:
			from, to, size = chars[1], chars[1], 2
		case len(chars) > 2 && chars[1] == '-':
			to, size = chars[2], 3
		}
		if from <= to {
			class += fmt.Sprintf(`\x{%x}-\x{%x}`, from, to)
		}
		chars = chars[size:]
	}
	if class == "" {
		class = `^\x{0}-\x{10ffff}` // not any
	}
	b.WriteString("[" + class + "]")
	return len(inside) + 2, nil
}
