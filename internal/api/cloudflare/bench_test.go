package cloudflare_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

func BenchmarkREST(b *testing.B) {
	env := apitest.Open(b)
	h := handler(env)
	ns := kvPath + "/" + env.Namespace(b, "books").ID.String()
	var items []string
	for i := range 10_000 {
		items = append(items, fmt.Sprintf(`{"key":"key-%05d","value":%q,"metadata":{"a":1}}`, i, strings.Repeat("v", 288)))
	}
	bulk := "[" + strings.Join(items, ",") + "]"
	serve := func(b *testing.B, method, uri, body string) {
		r := httptest.NewRequest(method, uri, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+apitest.RootToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%d: %.200s", w.Code, w.Body)
		}
	}
	for _, bb := range []struct{ name, method, path, body string }{
		{"bulk-put-10000", "PUT", "/bulk", bulk},
		{"list-1000", "GET", "/keys", ""},
		{"get", "GET", "/values/key-00001", ""},
		{"put", "PUT", "/values/key-00001", "v"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve(b, bb.method, ns+bb.path, bb.body)
			}
		})
	}
}

func BenchmarkReadString(b *testing.B) {
	for name, text := range map[string]string{
		"plain":   strings.Repeat("godwit! ", 1<<17),
		"escapes": strings.Repeat(`godwit!\n`, 1<<17),
		"unicode": strings.Repeat("漢字 é ", 1<<17),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := cloudflare.ReadString(strings.NewReader(`"`+text+`"`), 32<<10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
