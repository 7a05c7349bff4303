package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// TestFollowsAfterReset has the node answer the first watch that too much has happened since:
// Caddy is told of what there is, and of what comes, all the same.
func TestFollowsAfterReset(t *testing.T) {
	kv := namespace(t)
	loaded := make(chan string, 1)
	admin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		config, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		loaded <- string(config)
	}))
	defer admin.Close()

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- follow(ctx, kv, caddy{admin: admin.Listener.Addr().String(), listen: "127.0.0.1:0"}) }()
	for _, place := range []string{"https://example.org/waders", "https://example.org/gulls"} {
		if _, err := kv.Put(t.Context(), "birds.example", strings.NewReader(place), client.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for config := ""; !strings.Contains(config, place); {
			select {
			case config = <-loaded:
			case err := <-ended:
				t.Fatalf("it follows no more: %v", err)
			}
		}
	}
	stop()
	for {
		select {
		case <-loaded: // one more
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		}
	}
}

// namespace is one at a node that takes the first watch for one that goes on from the
// distant past.
func namespace(t *testing.T) *client.KV {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	at, err := url.Parse(n.APIURL())
	if err != nil {
		t.Fatal(err)
	}
	var first sync.Once
	between := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at)
		if strings.HasSuffix(r.In.URL.Path, "/watch") {
			first.Do(func() { r.Out.Header.Set("Last-Event-ID", "1") })
		}
	}})
	t.Cleanup(between.Close)
	c, err := client.New(between.URL, n.NewRootToken())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.CreateNamespace(t.Context(), "redirects", client.NamespaceOptions{}); err != nil {
		t.Fatal(err)
	}
	return c.KV("redirects")
}
