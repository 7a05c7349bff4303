package client_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// BenchmarkPut sends values from what can be rewound and from what cannot, to a server
// that does nothing with them.
func BenchmarkPut(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Godwit-Revision", "1")
	}))
	b.Cleanup(server.Close)
	c, err := client.New(server.URL, "token", client.WithAccount(id))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	for _, size := range []int{100, 10_000, 25 << 20} {
		value := strings.Repeat("v", size)
		for name, source := range map[string]func() io.Reader{
			"seeker": func() io.Reader { return strings.NewReader(value) },
			"buffer": func() io.Reader { return bytes.NewBufferString(value) },
			"stream": func() io.Reader { return stream{strings.NewReader(value)} },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.KV(id).Put(b.Context(), "k", source(), client.PutOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
