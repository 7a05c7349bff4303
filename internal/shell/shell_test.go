package shell_test

import (
	"os/exec"
	"testing"

	"github.com/godwitkv/godwit/internal/shell"
)

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"/a/b-c_d.e": "/a/b-c_d.e", "http://a:1/b": "http://a:1/b", "/a b": "'/a b'", "it's": `'it'\''s'`, "$x": "'$x'", "": "''",
		"$(echo x)": "'$(echo x)'", "`echo x`": "'`echo x`'", "~": "'~'", "*": "'*'", "a\nb": "'a\nb'", `\`: `'\'`, "é": "'é'",
	} {
		got := shell.Quote(word)
		if got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
		if read, err := exec.Command("sh", "-c", "printf %s "+got).Output(); err != nil || string(read) != word {
			t.Errorf("%s: a shell reads %q, %v", got, read, err)
		}
	}
}
