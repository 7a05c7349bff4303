package client_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
)

// pageText is a page as a server writes it.
func pageText(t testing.TB, keys []client.Scanned, cursor string, escape bool) []byte {
	t.Helper()
	var rows []map[string]any
	for _, k := range keys {
		row := map[string]any{
			"name": k.Name, "revision": k.Revision, "created": k.Created.UnixMilli(), "modified": k.Modified.UnixMilli(),
			"size": k.Size, "later": []any{map[string]any{"a\"]": nil}, 1.5, true},
		}
		switch {
		case k.ValueOmitted:
			row["value_omitted"] = true
		case utf8.Valid(k.Value):
			row["value"] = string(k.Value)
		default:
			row["value"], row["base64"] = base64.StdEncoding.EncodeToString(k.Value), true
		}
		if k.Metadata != nil {
			row["metadata"] = k.Metadata
		}
		if !k.Expiration.IsZero() {
			row["expiration"] = k.Expiration.Unix()
		}
		rows = append(rows, row)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escape)
	if err := enc.Encode(map[string]any{"keys": rows, "list_complete": cursor == "", "cursor": cursor}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzPage(f *testing.F) {
	f.Add("k", []byte("v"), `{"a":[1,2.50,{"b":"}"}],"c":null}`, int64(1795485010), true)
	f.Add("é\u2028<&>\"\\\x00\n🤓", []byte("line\nwith \"quotes\" \\ and \u2029🤓"), `"\"\\u0041"`, int64(0), false)
	f.Add("", []byte{0xff, 0}, "null", int64(0), false)
	f.Add(`\ud83d\ude00`, []byte{}, "0", int64(1), true)
	f.Fuzz(func(t *testing.T, name string, value []byte, metadata string, expiration int64, escape bool) {
		_, _ = client.DecodePage([]byte(metadata)) // whatever it is, it ends
		if !utf8.ValidString(name) || !json.Valid([]byte(metadata)) || expiration < 0 || expiration > 1<<40 {
			return
		}
		k := client.Scanned{Details: client.Details{
			Name: name, Revision: "17", Created: time.UnixMilli(5), Modified: time.UnixMilli(1 << 40), Size: int64(len(value)),
		}, Value: append([]byte{}, value...)}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(metadata)); err != nil {
			t.Fatal(err)
		}
		if compact.String() != "null" && !escape { // an encoder that escapes changes metadata too
			k.Metadata = compact.Bytes()
		}
		if expiration != 0 {
			k.Expiration = time.Unix(expiration, 0)
		}
		omitted := client.Scanned{Details: client.Details{Name: "omitted", Created: time.UnixMilli(0), Modified: time.UnixMilli(0)}, ValueOmitted: true}
		want := &client.ScannedPage{Keys: []client.Scanned{k, omitted, k}, Cursor: name}
		got, err := client.DecodePage(pageText(t, want.Keys, want.Cursor, escape))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestDecodePageRefuses wants no page of what is none: a proxy's answer, or one that
// was cut off.
func TestDecodePageRefuses(t *testing.T) {
	whole := string(pageText(t, []client.Scanned{{Details: client.Details{Name: "a\nb", Metadata: []byte(`{"a":["\""]}`)}, Value: []byte("x")}}, "c", false))
	if _, err := client.DecodePage([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	for n := range len(strings.TrimSpace(whole)) {
		if page, err := client.DecodePage([]byte(whole[:n])); err == nil {
			t.Errorf("%s: got %+v", whole[:n], page)
		}
	}
	for _, text := range []string{
		"<html>", "[]", `"keys"`, `{"keys":{}}`, `{"keys":[1]}`, `{"keys":[{"size":"1"}]}`, `{"keys":[{"size":1.5}]}`,
		`{"keys":[{"name":"\x"}]}`, `{"keys":[{"name":"\u12"}]}`, `{"keys":[{"value":"=","base64":true}]}`,
		`{"x":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + "}", `{"x":]}`, `{"x" 1}`,
	} {
		if page, err := client.DecodePage([]byte(text)); err == nil {
			t.Errorf("%.40s: got %+v", text, page)
		}
	}
}

func BenchmarkDecodePage(b *testing.B) {
	var keys []client.Scanned
	for i := range 10_000 {
		keys = append(keys, client.Scanned{Details: client.Details{Name: fmt.Sprintf("k%09d", i), Revision: "1795481410868102"}, Value: bytes.Repeat([]byte("v"), 288)})
	}
	text := pageText(b, keys, "", false)
	scratch := make([]byte, len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		copy(scratch, text)
		if _, err := client.DecodePage(scratch); err != nil {
			b.Fatal(err)
		}
	}
}
