package dashboard_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/dashboard"
)

// TestFormatIsBounded holds that a small text of deep nesting is not made into
// gigabytes of spaces.
func TestFormatIsBounded(t *testing.T) {
	n := openNode(t)
	b := signedIn(t, n, rootToken)
	ns := namespace(t, n, "birds")
	deep := strings.Repeat("[", 2000) + "1" + strings.Repeat("]", 2000)
	got := b.post("/dashboard/key/save"+q(ns), "key", "k", "text", deep, "do", "format")
	b.contains(got, 413, "would be over 256 KiB", deep)
	got = b.post("/dashboard/key/save"+q(ns), "key", "k", "text", `{"a":[1]}`, "do", "format")
	b.contains(got, 200, "  &#34;a&#34;: [\n    1\n  ]")
}

func TestIndentedSize(t *testing.T) {
	for _, text := range []string{
		`{}`, `[ ]`, `1`, `"a"`, `[[],{}, [ [] ]]`, ` {"a" : [1, -2.5e3, true,null] , "b":{ "c":"d"}} `,
		`["\\", "\"", "[{,:]}", "\\\"", ""]`, `{"a":{},"b":[{}],"":[[[]]]}`, "[\n\t1\r\n]", `["é\u00e9"]`,
		strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(strings.TrimSpace(text)), "", "  "); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := dashboard.IndentedSize(text); got != int64(b.Len()) {
			t.Errorf("%s: got %d, want %d", text, got, b.Len())
		}
	}
}
