package transfer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/transfer"
)

// TestLines holds what each line is taken for, or why it is not taken.
func TestLines(t *testing.T) {
	datadriven.RunTest(t, "testdata/lines", func(t *testing.T, d *datadriven.TestData) string {
		l := lines(t, d.Input+"\n")
		l.MaxValue = 100
		var out strings.Builder
		for b, err := range l.Batches(t.Context()) {
			for _, it := range b.Items {
				fmt.Fprintf(&out, "%d: %q = %q", it.Line, it.Key, it.Value)
				if it.Metadata != nil {
					fmt.Fprintf(&out, " metadata %s", it.Metadata)
				}
				if it.Expiration != 0 {
					fmt.Fprintf(&out, " expiration %d", it.Expiration)
				}
				if it.TTL != 0 {
					fmt.Fprintf(&out, " ttl %d", it.TTL)
				}
				out.WriteByte('\n')
			}
			if err != nil {
				fmt.Fprintf(&out, "%v\n", err)
			}
		}
		return out.String()
	})
}

// TestHostileLines holds the bounds that no page of text shows.
func TestHostileLines(t *testing.T) {
	for name, tt := range map[string]struct{ line, want string }{
		"long line":     {`{"key":"k","value":"` + strings.Repeat("x", 200_000) + `"}`, "line 1: the line is too long: the limit is 66136 bytes"},
		"endless line":  {strings.Repeat(" ", 200_000), "line 1: the line is too long"},
		"long value":    {`{"key":"k","value":"` + strings.Repeat(`\u0001`, 101) + `"}`, "line 1: the value has 101 bytes, the limit is 100"},
		"long key":      {`{"key":"` + strings.Repeat("k", 513) + `","value":""}`, "line 1: the key has 513 bytes, the limit is 512"},
		"metadata":      {`{"key":"k","value":"","metadata":"` + strings.Repeat("m", 1023) + `"}`, "line 1: the metadata has 1025 bytes, the limit is 1024"},
		"deep":          {`{"key":"k","value":"","metadata":` + strings.Repeat("[", 10_000) + `}`, `line 1: exceeded max depth at byte 10033`},
		"not UTF-8":     {"{\"key\":\"k\xff\",\"value\":\"\"}", `line 1: the field "key" is not Unicode: invalid UTF-8`},
		"value":         {"{\"key\":\"k\",\"value\":\"\xed\xa0\x80\\n\"}", `line 1: the field "value" is not Unicode: invalid UTF-8`},
		"in metadata":   {"{\"key\":\"k\",\"value\":\"\",\"metadata\":\"\xff\"}", `line 1: the field "metadata" is not UTF-8`},
		"control":       {"{\"key\":\"k\x01\",\"value\":\"\"}", `line 1: invalid character '\x01' in string (expecting non-control character) at byte 10`},
		"NUL":           {"\x00{}", `line 1: invalid character '\x00' at start of value at byte 1`},
		"long name":     {`{"` + strings.Repeat("n", 5000) + `":1}`, `line 1: the field "` + strings.Repeat("n", 64) + `..." is not known`},
		"byte order":    {"\ufeff{}", `line 1: invalid character '\ufeff' at start of value at byte 1`},
		"long number":   {`{"key":"k","value":"","expiration":1` + strings.Repeat("0", 100) + `}`, `line 1: the field "expiration" is too far in the future`},
		"a whole array": {`[{"key":"k","value":""}]`, `line 1: an array, and not one item a line: "godwit bulk put" takes it`},
	} {
		l := lines(t, tt.line+"\n"+`{"key":"after","value":""}`+"\n")
		l.MaxValue = 100
		var got error
		for b, err := range l.Batches(t.Context()) {
			got = err
			if len(b.Items) > 0 {
				t.Errorf("%s: took %+v", name, b.Items)
			}
		}
		if got == nil || !strings.HasPrefix(got.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, got, tt.want)
		}
	}
}

// TestCutOffLines cuts a line off anywhere: no part of an item is an item.
func TestCutOffLines(t *testing.T) {
	line := `{"key":"k\u00e9\n","value":"AAE=","base64":true,"metadata":{"a":["}",1]},"expiration":4105080000}`
	if _, err := transfer.DecodeLine([]byte(line)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < len(line); n++ {
		it, err := transfer.DecodeLine([]byte(line[:n]))
		if err == nil || err.Error() != "the line ends in the middle of an item" {
			t.Errorf("%s: got %+v, %v", line[:n], it, err)
		}
	}
}

// FuzzLine holds that a line which is taken is JSON, that it says what is taken for it,
// and that it comes back as it was.
func FuzzLine(f *testing.F) {
	text, err := os.ReadFile("testdata/lines")
	check(f, err)
	for line := range bytes.Lines(text) {
		f.Add(bytes.TrimSpace(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		it, err := transfer.DecodeLine(bytes.Clone(line))
		if err != nil {
			return
		}
		var std struct {
			Key           string          `json:"key"`
			Value         string          `json:"value"`
			Base64        bool            `json:"base64"`
			Metadata      json.RawMessage `json:"metadata"`
			Expiration    int64           `json:"expiration"`
			ExpirationTTL int64           `json:"expiration_ttl"`
		}
		if err := json.Unmarshal(line, &std); err != nil {
			t.Fatalf("%q is taken and no JSON: %v", line, err)
		}
		want := []byte(std.Value)
		if std.Base64 {
			if want, err = base64.StdEncoding.DecodeString(std.Value); err != nil {
				t.Fatal(err)
			}
		}
		if !utf8.ValidString(it.Key) || it.Key != std.Key || !bytes.Equal(it.Value, want) || it.Expiration != std.Expiration || it.TTL != std.ExpirationTTL {
			t.Fatalf("%q: got %+v, want %+v", line, it, std)
		}
		if (it.Metadata == nil) != (std.Metadata == nil || string(std.Metadata) == "null") {
			t.Fatalf("%q: metadata %s", line, it.Metadata)
		}
		it.TTL = 0 // which no export writes
		again, err := transfer.DecodeLine(bytes.TrimSuffix(transfer.AppendLine(nil, &it), []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(it, again); diff != "" {
			t.Errorf("%q does not come back:\n%s", line, diff)
		}
	})
}
