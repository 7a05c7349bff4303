package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// titleForgotten is longer than a client takes a title for the namespace's that it was.
const titleForgotten = 5100 * time.Millisecond

// TestTransferOfOneNamespace gives titles to other namespaces while a transfer is under
// way: all of it is of the namespaces that had them in the beginning.
func TestTransferOfOneNamespace(t *testing.T) {
	const token = "root-token-of-the-tests"
	n, err := node.Open(t.Context(), node.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", RootToken: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	cl, err := client.New(n.APIURL(), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	const keys = 25_000 // of several pages, and of several requests that write
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	var text strings.Builder
	for i := range keys {
		fmt.Fprintf(&text, `{"key":"k%06d","value":"v"}`+"\n", i)
	}
	if err := os.WriteFile(in, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, args ...string) {
		t.Helper()
		p := program{stdin: os.Stdin, stdout: os.Stderr, stderr: os.Stderr}
		if code := p.run(t.Context(), append(args, "--token", token, "--quiet")); code != 0 {
			t.Fatalf("%s: code %d", args[0], code)
		}
	}
	for _, title := range []string{"exported", "copied"} {
		run(t, "import", title, in, "--url", n.APIURL())
	}
	for _, title := range []string{"imported", "target", "new imported", "new exported", "new copied", "new target"} {
		if _, err := cl.CreateNamespace(t.Context(), title, client.NamespaceOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("at once", func(t *testing.T) {
		t.Run("import", func(t *testing.T) {
			t.Parallel()
			url := swapping(t, n.APIURL(), cl, "/bulk$", "imported")
			run(t, "import", "imported", in, "--concurrency", "1", "--url", url)
		})
		t.Run("export", func(t *testing.T) {
			t.Parallel()
			url := swapping(t, n.APIURL(), cl, "/keys$", "exported")
			run(t, "export", "exported", "--output", out, "--url", url)
		})
		t.Run("copy", func(t *testing.T) {
			t.Parallel()
			url := swapping(t, n.APIURL(), cl, "/keys$", "copied", "target")
			run(t, "copy", "copied", "target", "--concurrency", "1", "--url", url)
		})
	})
	for _, title := range []string{"imported", "target"} {
		if got, err := cl.KV("old "+title).Count(t.Context(), client.CountOptions{}); err != nil || got.Keys != keys {
			t.Errorf("%s: %d keys of %d, %v", title, got.Keys, keys, err)
		}
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != text.String() {
		t.Errorf("exported %d bytes of %d, %v", len(got), text.Len(), err)
	}
}

// swapping is a way to a node. Upon the first request whose path is like that, titles are
// given to the namespaces called "new ..." in place of those that have them; the answer
// comes once clients have forgotten whose they were.
func swapping(t *testing.T, nodeURL string, cl *client.Client, path string, titles ...string) string {
	t.Helper()
	target, err := url.Parse(nodeURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, like := httputil.NewSingleHostReverseProxy(target), regexp.MustCompile(path)
	var once sync.Once
	proxy.ModifyResponse = func(res *http.Response) error {
		if like.MatchString(res.Request.URL.Path) {
			once.Do(func() {
				for _, title := range titles {
					for _, names := range [][2]string{{title, "old " + title}, {"new " + title, title}} {
						if _, err := cl.RenameNamespace(t.Context(), names[0], names[1]); err != nil {
							t.Error(err)
						}
					}
				}
				time.Sleep(titleForgotten)
			})
		}
		return nil
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	return srv.URL
}
