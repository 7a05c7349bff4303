package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/godwitkv/godwit/internal/jsontext"
)

func TestAppend(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"plain", `"plain"`},
		{`a"b\c/d`, `"a\"b\\c/d"`},
		{"\x00\b\f\n\r\t\x1f\x7f", "\"\\u0000\\b\\f\\n\\r\\t\\u001f\x7f\""},
		{"<script>&'\u2028", "\"<script>&'\u2028\""},
		{"é漢🤓", `"é漢🤓"`},
		// What a browser's decoder makes of broken UTF-8.
		{"\xff", "\"\uFFFD\""},
		{"\xe6\xbc", "\"\uFFFD\""},
		{"\xe6\xbcx", "\"\uFFFDx\""},
		{"\xf0\x9f\xa4\"", "\"\uFFFD\\\"\""},
		{"\xed\xa0\x80x", "\"\uFFFD\uFFFD\uFFFDx\""},
		{"\xc0\x80", "\"\uFFFD\uFFFD\""},
		{"\xf5\x80\x80\x80", "\"\uFFFD\uFFFD\uFFFD\uFFFD\""},
		{"a\xf0\x90\x80é", "\"a\uFFFDé\""},
	} {
		if got := string(jsontext.Append(nil, c.in)); got != c.want {
			t.Errorf("Append(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

// FuzzAppend checks that what is written reads back, also when it was
// written in pieces.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{"", "a\"\\\n\x00", "é漢🤓", "\xff\xf0\x9f", "<>&\u2028", "\xed\xa0\x80", "\x80\x80\x80\x80\x80\x80"} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, in string, size int) {
		whole := jsontext.Append(nil, in)
		if utf8.ValidString(in) && jsontext.EscapedLen([]byte(in)) != len(whole)-len(`""`) {
			t.Fatalf("%q escaped is %q, which is told to have %d bytes", in, whole, jsontext.EscapedLen([]byte(in)))
		}
		var back string
		if err := json.Unmarshal(whole, &back); err != nil || !utf8.Valid(whole) {
			t.Fatalf("%q became %q: %v", in, whole, err)
		}
		if utf8.ValidString(in) && back != in {
			t.Fatalf("%q came back as %q", in, back)
		}
		if size < 1 {
			return
		}
		var pieces strings.Builder
		for rest := []byte(in); len(rest) > 0; {
			n := jsontext.Cut(rest, size)
			if n < 1 || n > len(rest) {
				t.Fatalf("cut %q at %d: %d", rest, size, n)
			}
			piece := jsontext.Append(nil, string(rest[:n]))
			pieces.Write(piece[1 : len(piece)-1])
			rest = rest[n:]
		}
		if size >= utf8.UTFMax && `"`+pieces.String()+`"` != string(whole) {
			t.Fatalf("%q in pieces of %d: %q, want %q", in, size, pieces.String(), whole)
		}
	})
}
