package godwit_test

import (
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

func TestValidateKey(t *testing.T) {
	long := strings.Repeat("k", godwit.MaxKeyBytes)
	for _, tc := range []struct {
		key     string
		want    godwit.Code // CodeInternal: none
		message string
	}{
		{key: "a"}, {key: "..."}, {key: "a/."}, {key: "./a"}, {key: "../x"}, {key: "/"}, {key: "//"}, {key: " "},
		{key: "\x00"}, {key: "%"}, {key: "?#%2F"}, {key: "é€𝄞"}, {key: "\u2028"}, {key: "\x7f\t\r\n"}, {key: long},
		{key: strings.Repeat("é", godwit.MaxKeyBytes/2)},
		{"", godwit.CodeInvalidKey, "Key names must not be empty"},
		{".", godwit.CodeInvalidKey, `Illegal key name ".". Please use a different name.`},
		{"..", godwit.CodeInvalidKey, `Illegal key name "..". Please use a different name.`},
		{long + "k", godwit.CodeKeyTooLong, "UTF-8 encoded length of 513 exceeds key length limit of 512."},
		{strings.Repeat("é", 257), godwit.CodeKeyTooLong, "UTF-8 encoded length of 514 exceeds key length limit of 512."},
		{"\xff", godwit.CodeInvalidKey, "Could not URL-decode key name"},
		{"a\xed\xa0\x80", godwit.CodeInvalidKey, "Could not URL-decode key name"}, // a lone surrogate
		{"a\xc3", godwit.CodeInvalidKey, "Could not URL-decode key name"},
	} {
		for form, err := range map[string]error{
			"string": godwit.ValidateKey(tc.key), "bytes": godwit.ValidateKey([]byte(tc.key)),
		} {
			switch {
			case tc.want == godwit.CodeInternal && err != nil:
				t.Errorf("%s %q: %v", form, tc.key, err)
			case tc.want != godwit.CodeInternal && (err == nil || godwit.CodeOf(err) != tc.want):
				t.Errorf("%s %q: %v, want code %d", form, tc.key, err, tc.want)
			case err != nil && err.Error() != tc.message:
				t.Errorf("%s %q: %q, want %q", form, tc.key, err, tc.message)
			}
		}
	}
}

func TestValidateKeyAllocatesNothing(t *testing.T) {
	key := []byte("some/ordinary/key")
	if n := testing.AllocsPerRun(100, func() { _ = godwit.ValidateKey(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestValidatePrefix(t *testing.T) {
	for prefix, want := range map[string]bool{
		"": true, ".": true, "..": true, "\xff": true,
		strings.Repeat("p", 512): true, strings.Repeat("p", 513): false,
	} {
		if err := godwit.ValidatePrefix(prefix); (err == nil) != want || err != nil && godwit.CodeOf(err) != godwit.CodeKeyTooLong {
			t.Errorf("%d bytes: %v, want %v", len(prefix), err, want)
		}
	}
}
