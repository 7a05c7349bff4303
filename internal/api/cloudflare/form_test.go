package cloudflare_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

// shelf takes values in as a store would, and knows which it still has.
type shelf struct {
	limit int64
	kept  map[string]int // by content
}

func newShelf() *shelf { return &shelf{limit: godwit.MaxValueBytes, kept: map[string]int{}} }

func (s *shelf) upload(r io.Reader) (godwit.Value, error) {
	b, err := io.ReadAll(io.LimitReader(r, s.limit+1))
	if err != nil {
		return godwit.Value{}, fmt.Errorf("take value in: %w", &godwit.Error{Message: "upload", Err: err})
	}
	if int64(len(b)) > s.limit {
		n, _ := io.Copy(io.Discard, r)
		return godwit.Value{}, godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", int64(len(b))+n, s.limit)
	}
	s.kept[string(b)]++
	return godwit.Value{Inline: b}, nil
}

func (s *shelf) drop(v godwit.Value) {
	if s.kept[string(v.Inline)]--; s.kept[string(v.Inline)] == 0 {
		delete(s.kept, string(v.Inline))
	}
}

func TestRebuild(t *testing.T) {
	const twice, deep = "400 10047 Metadata fields contradict each other.", "400 10047 Metadata fields are nested too deep."
	for _, tt := range []struct {
		fields string // name=text, separated by spaces
		want   string
	}{
		{"metadata[a]=1", `{"a":"1"}`},
		{"metadata[b]=<&> metadata[a]=é", `{"b":"<&>","a":"é"}`},
		{"metadata[b][c][]=x metadata[b][c][]=y metadata[b][d]=z", `{"b":{"c":["x","y"],"d":"z"}}`},
		{"metadata[l][][x]=1 metadata[l][][y]=2 metadata[l][][x]=3", `{"l":[{"x":"1","y":"2"},{"x":"3"}]}`},
		{"metadata[]=a metadata[]=b", `["a","b"]`},
		{"metadata.a=1 metadata.b.c.0=x metadata.b.c.1=y", `{"a":"1","b":{"c":["x","y"]}}`},
		{"metadata.l.0.x=1 metadata.l.0.y=2 metadata.l.1.x=3", `{"l":[{"x":"1","y":"2"},{"x":"3"}]}`},
		{"metadata.1=a metadata.0=b", `{"1":"a","0":"b"}`},
		{"metadata[a]=1 metadata[a]=2", twice},
		{"metadata[a]=1 metadata[a][b]=2", twice},
		{"metadata[a][b]=1 metadata[a]=2", twice},
		{"metadata[a][]=1 metadata[a][b]=2", twice},
		{"metadata" + strings.Repeat("[a]", 33) + "=1", deep},
		{"metadata=1 metadatax=1 metadata[a=1 metadata[a]b=1 metadata]a[=1 xmetadata[a]=1", ``},
	} {
		var fields []string
		for _, f := range strings.Fields(tt.fields) {
			name, text, _ := strings.Cut(f, "=")
			fields = append(fields, name, text)
		}
		got, err := cloudflare.Rebuild(fields...)
		if err != nil {
			got = told(err)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.fields, got, tt.want)
		}
	}
}

// told is an error as a client sees it.
func told(err error) string {
	status, code, message := cloudflare.Problem(err, "")
	return fmt.Sprintf("%d %d %s", status, code, message)
}

func FuzzRebuild(f *testing.F) {
	f.Add("metadata[a][]", "1", "metadata[a][][b]", "2")
	f.Add("metadata.a.0", "\xff", "metadata.a.1", "")
	f.Add("metadata[]", "x", "metadata.", "y")
	f.Fuzz(func(t *testing.T, n1, t1, n2, t2 string) {
		got, err := cloudflare.Rebuild(n1, t1, n2, t2, n1+"[x]", t1, n2+".x", t2)
		if err == nil && got != "" && !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %s", got)
		}
		if status, _, _ := cloudflare.Problem(err, ""); err != nil && status != 400 {
			t.Errorf("status %d for %v", status, err)
		}
	})
}

// part writes a part of a form with boundary b.
func part(disposition, content string) string {
	return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n"
}

func TestForm(t *testing.T) {
	value, closing := part(`name="value"`, "v"), "--b--\r\n"
	for _, tt := range []struct{ name, body, want string }{
		{"value", value + closing, `value "v" metadata ""`},
		{"empty value", part(`name="value"`, "") + closing, `value "" metadata ""`},
		{"value as a file", part(`name="value"; filename="blob"`+"\r\nContent-Type: application/octet-stream", "\x00\r\n") + closing, `value "\x00\r\n" metadata ""`},
		{"quoted-printable is verbatim", part("name=\"value\"\r\nContent-Transfer-Encoding: quoted-printable", "=41") + closing, `value "=41" metadata ""`},
		{"metadata after", value + part(`name="metadata"`, `{"a": 1}`) + closing, `value "v" metadata "{\"a\":1}"`},
		{"metadata before", part(`name="metadata"`, `{"a":1}`) + value + closing, `value "v" metadata "{\"a\":1}"`},
		{"metadata as a file", part("name=\"metadata\"; filename=\"metadata\"\r\nContent-Type: application/json", `0`) + value + closing, `value "v" metadata "0"`},
		{"null metadata", value + part(`name="metadata"`, ` null `) + closing, `value "v" metadata ""`},
		{"flattened", part(`name="metadata[a][]"`, `x`) + value + part(`name="metadata[b]"`, "y") + closing, `value "v" metadata "{\"a\":[\"x\"],\"b\":\"y\"}"`},
		{"unknown parts", part(`name="other"`, strings.Repeat("x", 1000)) + value + part(`name=""`, "") + closing, `value "v" metadata ""`},
		{"preamble and epilogue", "hello\r\n" + value + closing + "\r\nbye", `value "v" metadata ""`},
		{"bad metadata", value + part(`name="metadata"`, `{a}`) + closing, `400 10047 Metadata is not valid JSON.`},
		{"empty metadata", value + part(`name="metadata"`, ``) + closing, `value "v" metadata ""`},
		{"empty metadata and fields", part(`name="metadata"`, ``) + part(`name="metadata.a"`, `x`) + value + closing, `value "v" metadata "{\"a\":\"x\"}"`},
		{"blank metadata", value + part(`name="metadata"`, ` `) + closing, `400 10047 Metadata is not valid JSON.`},
		{"long metadata", value + part(`name="metadata"`, `"`+strings.Repeat("x", 1023)+`"`) + closing, `413 10047 Metadata length of 1025 exceeds limit of 1024.`},
		{"huge metadata", part(`name="metadata"`, `"`+strings.Repeat("x", 1<<20)+`"`) + value + closing, `413 10047 Metadata length of over 65536 exceeds limit of 1024.`},
		{"huge fields", value + strings.Repeat(part(`name="metadata[]"`, strings.Repeat("x", 1000)), 100) + closing, `413 10047 Metadata length of over 65536 exceeds limit of 1024.`},
		{"huge unknown part", part(`name="x"`, strings.Repeat("x", 2<<20)) + value + closing, `413 10024 The form's other parts exceed the limit of 1048576 bytes.`},
		{"too many parts", strings.Repeat(part(`name="x"`, ""), 3000) + closing, `400 10012 a form of more than 2048 parts`},
		{"two values", value + value + closing, `400 10012 a form with more than one value`},
		{"two metadata", part(`name="metadata"`, "1") + part(`name="metadata"`, "2") + closing, `400 10012 a form with more than one metadata`},
		{"no parts", closing, `no value, metadata ""`},
		{"empty body", "", `400 10012 the form ends before its closing boundary`},
		{"cut in the value", "--b\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nhalf", `400 10012 the form ends before its closing boundary`},
		{"cut after the value", value, `400 10012 the form ends before its closing boundary`},
		{"cut in a header", "--b\r\nContent-Dis", `400 10012 malformed multipart/form-data`},
		{"cut at the end of a header", value + "--b\r\nContent-Disposition: form-data; name=\"metadata\"", `400 10012 the form ends before its closing boundary`},
		{"cut after a header's line", value + "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n", `400 10012 the form ends before its closing boundary`},
		{"cut before a header", value + "--b\r\n", `400 10012 the form ends before its closing boundary`},
		{"long header", value + part(`name="`+strings.Repeat("x", 70_000)+`"`, "") + closing, `400 10012 the head of a part of the form is over 65536 bytes`},
		{"garbage header", "--b\r\n\x00\x01\r\n\r\nx\r\n" + closing, `400 10012 malformed multipart/form-data`},
		{"value too large", part(`name="value"`, strings.Repeat("x", 101)) + closing, `413 10024 Value length of 101 exceeds limit of 100.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf()
			s.limit = 100
			f, err := cloudflare.ReadForm(strings.NewReader(tt.body), "b", s.upload)
			got := fmt.Sprintf("value %q metadata %q", f.Value.Inline, f.Metadata)
			if err != nil {
				got = told(err)
			} else if !f.HasValue {
				got = fmt.Sprintf("no value, metadata %q", f.Metadata)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFormBoundary(t *testing.T) {
	for _, tt := range []struct {
		contentType, boundary string
		form, bad             bool
	}{
		{"multipart/form-data; boundary=x", "x", true, false},
		{`Multipart/Form-Data ; boundary="a b"`, "a b", true, false},
		{"multipart/form-data", "", true, true},
		{"multipart/form-data; boundary=", "", true, true},
		{"multipart/form-data; boundary", "", true, true},
		{"multipart/mixed; boundary=x", "", false, false},
		{"application/x-www-form-urlencoded", "", false, false},
		{"", "", false, false},
		{";;;", "", false, false},
	} {
		boundary, form, err := cloudflare.FormBoundary(tt.contentType)
		if boundary != tt.boundary || form != tt.form || (err != nil) != tt.bad {
			t.Errorf("%q: %q %v %v", tt.contentType, boundary, form, err)
		}
	}
}

// FuzzForm checks that a body gets a form or a 4xx, and that its value, if it is
// whole, is what stood in it.
func FuzzForm(f *testing.F) {
	f.Add([]byte(part(`name="value"`, "v")+part(`name="metadata"`, "1")+"--b--"), "b")
	f.Add([]byte(part(`name="metadata[a]"`, "v")+"--b--\r\n\r\n"), "b")
	f.Add([]byte("--b\r\n\r\n"), "b")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		if boundary == "" {
			return
		}
		form, err := cloudflare.ReadForm(strings.NewReader(string(body)), boundary, newShelf().upload)
		if err != nil {
			if status, _, _ := cloudflare.Problem(err, ""); status < 400 || status > 499 {
				t.Errorf("status %d for %v", status, err)
			}
			return
		}
		if !strings.Contains(string(body), string(form.Value.Inline)) {
			t.Errorf("value %q is not in the body", form.Value.Inline)
		}
		if form.Metadata != nil && !json.Valid(form.Metadata) {
			t.Errorf("metadata %q is not JSON", form.Metadata)
		}
	})
}

var errBroken = errors.New("connection reset")
