package dashboard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

// TestTextThatPlaysTricks: in what is looked at, characters that cannot be seen, or turn
// what is around them, stand as their codes; what is written with others stays as it is.
func TestTextThatPlaysTricks(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	const plain = "café\u00a0na\u200cme\n\t👩\u200d🚒 ❤\ufe0f"
	put(t, n, ns, "k", "if access == \"user\u202e \u2066// admin\u2069 \u2066\" { allow\u200b() }\u009b31m"+plain)
	reader, _ := token(t, n, godwit.PermissionRead)
	b := signedIn(t, n, reader)
	for name, page := range map[string]answer{
		"key": b.get("/dashboard/key" + q(ns, "k")), "console": b.run(ns, "get k"),
	} {
		b.contains(page, 200, plain)
		for _, c := range []rune{'\u202e', '\u2066', '\u200b', '\u009b'} {
			if strings.ContainsRune(page.body, c) || !strings.Contains(page.body, fmt.Sprintf(`\u{%x}`, c)) {
				t.Errorf("%s: %U stands as it is", name, c)
			}
		}
	}
	for _, c := range []rune{'\u3164', '\u115f', '\u034f', '\ufe00'} {
		put(t, n, ns, "admin"+string(c), "x")
		b.contains(b.get("/dashboard/keys"+q(ns)), 200, fmt.Sprintf(`>admin\u{%x}</a>`, c))
	}
}
