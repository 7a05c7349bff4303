package workerd

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// Bounds of what _headers and _redirects may say, as Cloudflare has them.
const (
	maxRuleChars   = 2000
	maxHeaderRules = 100
	maxStatic      = 2000 // redirects of one path
	maxDynamic     = 100  // redirects with a wildcard or a placeholder, and those behind one
	maxNotes       = 20   // of a file
)

// AssetNotes tells of lines of _headers and _redirects that workerd passes over without a
// word, in the words of wrangler.
func AssetNotes(a *wrangler.Assets) []wrangler.Problem {
	headers, redirects := assetNotes{file: filepath.Join(a.Directory, "_headers")}, assetNotes{file: filepath.Join(a.Directory, "_redirects")}
	for n, line := range headers.lines() {
		if !headers.header(n+1, line) {
			break
		}
	}
	headers.endRule()
	seen := map[string]bool{}
	for n, line := range redirects.lines() {
		if !redirects.redirect(n+1, line, a.HTMLHandling != "none", seen) {
			break
		}
	}
	return append(headers.few(), redirects.few()...)
}

// assetNotes goes through one file.
type assetNotes struct {
	file  string
	notes []wrangler.Problem

	// Of _headers:
	rules   int
	rule    int  // the line of the path that headers are for; 0: none
	filled  bool // it has some
	skipped bool // the path is wrong

	// Of _redirects:
	static, dynamic int
}

func (a *assetNotes) lines() []string {
	text, _ := readAssetFile(a.file) // one that cannot be read is told of elsewhere
	return strings.Split(text, "\n")
}

func (a *assetNotes) note(line int, text string) {
	a.notes = append(a.notes, wrangler.Problem{File: a.file, Line: line, Text: "passed over: " + text})
}

func (a *assetNotes) few() []wrangler.Problem {
	if more := len(a.notes) - maxNotes; more > 0 {
		return append(a.notes[:maxNotes], wrangler.Problem{File: a.file, Text: fmt.Sprintf("%d lines more are passed over", more)})
	}
	return a.notes
}

// blank tells whether a line says nothing, or too much.
func (a *assetNotes) blank(n int, line string) bool {
	long := utf8.RuneCountInString(line) > maxRuleChars
	if long && line[0] != '#' {
		a.note(n, fmt.Sprintf("it exceeds the maximum allowed length of %d.", maxRuleChars))
	}
	return line == "" || line[0] == '#' || long
}

var (
	aPath       = regexp.MustCompile(`^(\S+://|/)`)
	anURL       = regexp.MustCompile(`^https:///*([^/]+)`)
	aPort       = regexp.MustCompile(`:\d+$`)
	splat       = regexp.MustCompile(`:splat(\W|$)`)
	placeholder = regexp.MustCompile(`:[A-Za-z]\w*|\*`)
	anIndex     = regexp.MustCompile(`/index(.html)?$`)
)

// header takes a line of _headers, and tells whether the next counts.
func (a *assetNotes) header(n int, line string) bool {
	line = strings.TrimSpace(line)
	switch {
	case a.blank(n, line):
	case aPath.MatchString(line):
		return a.path(n, line)
	case a.skipped:
	default:
		if text := a.pair(line); text != "" {
			a.note(n, text)
		}
	}
	return true
}

// path takes one that headers are for.
func (a *assetNotes) path(n int, path string) bool {
	if a.rules >= maxHeaderRules {
		a.note(n, fmt.Sprintf("Maximum number of rules supported is %d. Skipping remaining lines of file.", maxHeaderRules))
		return false
	}
	a.endRule()
	text := wrongURL(path)
	switch wildcards := strings.Count(path, "*"); {
	case text != "":
	case wildcards > 1:
		text = fmt.Sprintf("Only one wildcard is allowed per rule. Use a named placeholder (e.g. :project) instead. Skipping %s.", path)
	case wildcards > 0 && splat.MatchString(path):
		text = fmt.Sprintf("Cannot combine a wildcard * with a :splat placeholder because wildcards are converted to :splat at runtime. Skipping %s.", path)
	}
	if a.skipped = text != ""; a.skipped {
		a.note(n, text)
		return true
	}
	a.rule, a.filled = n, false
	return true
}

// endRule ends that of the last path.
func (a *assetNotes) endRule() {
	if a.rule > 0 && a.filled {
		a.rules++
	} else if a.rule > 0 {
		a.note(a.rule, "No headers specified")
	}
	a.rule = 0
}

// pair takes a header, and tells what is wrong with it, "" for nothing.
func (a *assetNotes) pair(line string) string {
	name, value, paired := strings.Cut(line, ":")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case !paired && a.rule == 0:
		return "Expected a path beginning with at least one forward-slash"
	case !paired && !strings.HasPrefix(line, "! "):
		return "Expected a colon-separated header pair (e.g. name: value)"
	case paired && strings.Contains(name, " "):
		return "Header name cannot include spaces"
	case paired && name == "":
		return "No header name specified"
	case paired && value == "":
		return "No header value specified"
	case a.rule == 0:
		return fmt.Sprintf("Path should come before header (%s: %s)", name, value)
	}
	a.filled = true
	return ""
}

// wrongURL tells what is wrong with what is neither a path nor an address, "" for nothing.
func wrongURL(url string) string {
	host := anURL.FindStringSubmatch(url)
	switch {
	case host != nil && aPort.MatchString(host[1]):
		return fmt.Sprintf("Specifying ports is not supported. Skipping absolute URL %s.", url)
	case host == nil && !strings.HasPrefix(url, "/"):
		return `URLs should either be relative (e.g. begin with a forward-slash), or use HTTPS (e.g. begin with "https://").`
	}
	return ""
}

var redirectCodes = []int{200, 301, 302, 303, 307, 308}

// redirect takes a line of _redirects, and tells whether the next counts.
func (a *assetNotes) redirect(n int, line string, html bool, seen map[string]bool) bool {
	line = strings.TrimSpace(line)
	if a.blank(n, line) {
		return true
	}
	var words []string
	for i, word := range strings.Fields(line) {
		if i > 0 && word[0] == '#' {
			break
		}
		words = append(words, word)
	}
	if len(words) < 2 || len(words) > 3 {
		a.note(n, fmt.Sprintf("Expected exactly 2 or 3 whitespace-separated tokens. Got %d.", len(words)))
		return true
	}
	from, to, code := words[0], words[1], append(words, "302")[2]
	if anURL.MatchString(from) {
		a.note(n, fmt.Sprintf("Only relative URLs are allowed. Skipping absolute URL %s.", from))
		return true
	}
	if text := a.count(from); text != "" {
		a.note(n, text)
		return a.dynamic <= maxDynamic
	}
	if text := wrongRedirect(from, to, code, html, seen); text != "" {
		a.note(n, text)
	}
	return true
}

// count counts redirects, and tells that one is too many.
func (a *assetNotes) count(from string) string {
	if a.dynamic == 0 && !placeholder.MatchString(from) {
		if a.static++; a.static > maxStatic {
			return fmt.Sprintf("Maximum number of static rules supported is %d. Skipping line.", maxStatic)
		}
		return ""
	}
	if a.dynamic++; a.dynamic > maxDynamic {
		return fmt.Sprintf("Maximum number of dynamic rules supported is %d. Skipping remaining lines of file.", maxDynamic)
	}
	return ""
}

// wrongRedirect tells what is wrong with a redirect, "" for nothing.
func wrongRedirect(from, to, code string, html bool, seen map[string]bool) string {
	status, err := strconv.Atoi(code)
	elsewhere := anURL.MatchString(to)
	path, _, _ := strings.Cut(from, "?")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	switch {
	case !elsewhere && !strings.HasPrefix(to, "/"):
		return wrongURL(to)
	case err != nil || !slices.Contains(redirectCodes, status):
		return fmt.Sprintf("Valid status codes are 200, 301, 302 (default), 303, 307, or 308. Got %s.", code)
	case !elsewhere && anIndex.MatchString(to) && (strings.HasSuffix(path, "/*") || html && strings.HasSuffix(path, "/")):
		return "Infinite loop detected in this rule and has been ignored. This will cause a redirect to strip `.html` or `/index` and end up triggering this rule again."
	case seen[path]:
		return fmt.Sprintf("Ignoring duplicate rule for path %s.", path)
	case status == 200 && elsewhere:
		return fmt.Sprintf("Proxy (200) redirects can only point to relative paths. Got %s", to)
	}
	seen[path] = true
	return ""
}
