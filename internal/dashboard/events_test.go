package dashboard_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/node"
)

// TestEventsFromUpstream: what an upstream answers in place of events is no page of the
// edge's, and has none of its headers.
func TestEventsFromUpstream(t *testing.T) {
	centre := openNode(t)
	to, err := url.Parse(centre.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0)}
	status, kind := 0, ""
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/watch") {
			proxy.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		for name, value := range map[string]string{
			"Content-Type": kind, "Content-Security-Policy": "default-src * 'unsafe-inline'", "X-Content-Type-Options": "",
			"X-Frame-Options": "ALLOWALL", "Set-Cookie": "godwit-evil=1; Path=/", "Location": "https://evil.example/",
		} {
			h.Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<script>alert(document.domain)</script>")
	}))
	t.Cleanup(between.Close)
	here, there := namespace(t, centre, "here"), namespace(t, centre, "there")
	edge := openNode(t, edgeOf(centre), func(cfg *node.Config) {
		cfg.Namespaces, cfg.Upstreams = []string{here}, []string{between.URL}
	})
	b := signedIn(t, edge, rootToken)
	for _, tc := range []struct {
		status     int
		kind       string
		want       int
		wantKind   string
		handedDown bool
	}{
		{200, "text/html", 502, "", false},
		{200, "", 502, "", false},
		{302, "text/event-stream", 502, "", false},
		{500, "text/html", 502, "", false},
		{404, "application/json", 404, "application/json", true},
		{200, "text/event-stream; charset=utf-8", 200, "text/event-stream", true},
	} {
		status, kind = tc.status, tc.kind
		got := b.get("/dashboard/live/events" + q(there))
		if got.status != tc.want || got.header.Get("Content-Type") != tc.wantKind || strings.Contains(got.body, "script") != tc.handedDown {
			t.Errorf("%d %q: got %d %q %q", tc.status, tc.kind, got.status, got.header.Get("Content-Type"), got.body)
		}
		for _, name := range []string{"Set-Cookie", "Location"} {
			if text := got.header.Get(name); text != "" {
				t.Errorf("%d %q: %s is %q", tc.status, tc.kind, name, text)
			}
		}
		if text := got.header.Get("X-Frame-Options"); text == "ALLOWALL" {
			t.Errorf("%d %q: X-Frame-Options is %q", tc.status, tc.kind, text)
		}
	}
}
