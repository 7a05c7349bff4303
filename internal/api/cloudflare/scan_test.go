package cloudflare_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

var texts = []string{
	`""`, `"a"`, `"é漢🤓"`, `"\u00e9\ud83e\udd13"`, `"\ud800x"`, `"\ud800\ud800\udc00"`, `"\"\\\/\b\f\n\r\t"`,
	`"\u12"`, `"\x"`, "\"\n\"", "\"\xff\"", "\"\xe6\xbc\"", `"a`, `"a\`, `"\u`, ``, `1`, `"a" "b"`, `"\ud83e\u`, "\"\xed\xa0\x80\"",
}

// FuzzString compares the strings read with what the standard library reads,
// whatever the pieces they arrive and are read in.
func FuzzString(f *testing.F) {
	for i, s := range texts {
		f.Add(s, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		var want string
		werr := json.Unmarshal([]byte(text), &want)
		if werr == nil && strings.TrimSpace(text) == "null" {
			return
		}
		valid := strings.ToValidUTF8(text, "") == text
		for _, one := range []bool{false, true} {
			got, err := cloudflare.ReadString(reader(text, one), int(size)+1)
			if (err == nil) != (werr == nil && valid) {
				t.Fatalf("%q: error %v; the standard library: %v", text, err, werr)
			}
			if err == nil && got != want {
				t.Fatalf("%q: %q, want %q", text, got, want)
			}
		}
	})
}

// FuzzSkip checks that what is skipped is JSON, by the standard library's word.
func FuzzSkip(f *testing.F) {
	for _, s := range append(texts, `{}`, `[]`, `{"a":[1,-2.5e+3,true,false,null,{"b":""}]}`, `[1,]`, `{"a"}`, `{,}`, `01`, `-`, `1e`, `nul`, `truefalse`, `[[[`, ` 1 `) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := cloudflare.SkipJSON(reader(text, false))
		want := json.Valid([]byte(text)) && strings.ToValidUTF8(text, "") == text
		if deep := strings.Count(text, "[")+strings.Count(text, "{") > 500; deep || len(text) > 1000 {
			return // bounds of ours
		}
		if (err == nil) != want {
			t.Errorf("%q: error %v, want valid: %v", text, err, want)
		}
	})
}

func TestSkipBounds(t *testing.T) {
	for name, text := range map[string]string{
		"deep list":   strings.Repeat("[", 1_000_000),
		"deep object": strings.Repeat(`{"a":`, 1_000_000),
		"long number": strings.Repeat("9", 1_000_000),
	} {
		if err := cloudflare.SkipJSON(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := cloudflare.SkipJSON(strings.NewReader(`"` + strings.Repeat("x", 10<<20) + `"`)); err != nil {
		t.Errorf("long string: %v", err)
	}
}

// reader returns a reader of text, which may give one byte at a time.
func reader(text string, one bool) io.Reader {
	if one {
		return iotest.OneByteReader(strings.NewReader(text))
	}
	return strings.NewReader(text)
}
