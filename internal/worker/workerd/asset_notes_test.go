package workerd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestAssetNotes holds which lines of _headers and _redirects are told of. Each is one that
// wrangler warns of.
func TestAssetNotes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"_headers": `A: before
/a
  X-One: 1
  ! X-Two
  X-Three
  X Four: 4
  : 5
  X-Six:
# a comment
/empty
/a/*/b/*
  X-Seven: 7
/b/*/:splat
https://example.com:8080/c
ftp://example.com
https://example.com/d
  X-Eight: https://example.com
`,
		"_redirects": `# a comment
/a /b
/a /c 301
/d /e 404
/f
/g /h 301 x
/i /j 302 # a comment
https://example.com/k /l
/m http://example.com
/n example
/o/* /o/index.html
/p/ /p/index.html
/q https://example.com/q 200
/r https://example.com:8080/r
r/* /s/:splat
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := `_headers:1: Path should come before header (a: before)
_headers:5: Expected a colon-separated header pair (e.g. name: value)
_headers:6: Header name cannot include spaces
_headers:7: No header name specified
_headers:8: No header value specified
_headers:10: No headers specified
_headers:11: Only one wildcard is allowed per rule. Use a named placeholder (e.g. :project) instead. Skipping /a/*/b/*.
_headers:13: Cannot combine a wildcard * with a :splat placeholder because wildcards are converted to :splat at runtime. Skipping /b/*/:splat.
_headers:14: Specifying ports is not supported. Skipping absolute URL https://example.com:8080/c.
_headers:15: URLs should either be relative (e.g. begin with a forward-slash), or use HTTPS (e.g. begin with "https://").
_redirects:3: Ignoring duplicate rule for path /a.
_redirects:4: Valid status codes are 200, 301, 302 (default), 303, 307, or 308. Got 404.
_redirects:5: Expected exactly 2 or 3 whitespace-separated tokens. Got 1.
_redirects:6: Expected exactly 2 or 3 whitespace-separated tokens. Got 4.
_redirects:8: Only relative URLs are allowed. Skipping absolute URL https://example.com/k.
_redirects:9: URLs should either be relative (e.g. begin with a forward-slash), or use HTTPS (e.g. begin with "https://").
_redirects:10: URLs should either be relative (e.g. begin with a forward-slash), or use HTTPS (e.g. begin with "https://").
_redirects:11: Infinite loop detected in this rule and has been ignored. This will cause a redirect to strip ` + "`.html` or `/index`" + ` and end up triggering this rule again.
_redirects:12: Infinite loop detected in this rule and has been ignored. This will cause a redirect to strip ` + "`.html` or `/index`" + ` and end up triggering this rule again.
_redirects:13: Proxy (200) redirects can only point to relative paths. Got https://example.com/q
`
	var got strings.Builder
	for _, note := range workerd.AssetNotes(&wrangler.Assets{Directory: dir}) {
		note.File = filepath.Base(note.File)
		got.WriteString(strings.Replace(note.Error(), "passed over: ", "", 1) + "\n")
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	put := strings.Repeat("/a/* /b\n", 200)
	if err := os.WriteFile(filepath.Join(dir, "_redirects"), []byte(put), 0o600); err != nil {
		t.Fatal(err)
	}
	notes := workerd.AssetNotes(&wrangler.Assets{Directory: dir})
	if last := notes[len(notes)-1]; len(notes) != 31 || !strings.HasSuffix(last.Error(), "_redirects: 80 lines more are passed over") {
		t.Errorf("%d notes, the last: %v", len(notes), last)
	}
}
