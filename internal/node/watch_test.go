package node_test

import (
	"context"
	"fmt"
	"iter"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/porttest"
	"github.com/godwitkv/godwit/internal/store"
)

func connect(t *testing.T, n *node.Node, token string) *client.Client {
	t.Helper()
	c, err := client.New(n.APIURL(), token)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// watching returns what reads the next event of a watch, as kind and key.
func watching(t *testing.T, n *node.Node, token, ns string, o client.WatchOptions) (next func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	pull, stop := iter.Pull2(connect(t, n, token).KV(ns).Watch(ctx, o))
	t.Cleanup(func() {
		cancel()
		stop()
	})
	return func() string {
		t.Helper()
		e, err, _ := pull()
		if err != nil {
			return fmt.Sprint("error: ", err)
		}
		return strings.TrimSpace(string(e.Kind) + " " + e.Key)
	}
}

func wantEvents(t *testing.T, next func() string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(); got != w {
			t.Fatalf("got event %q, want %q", got, w)
		}
	}
}

// TestWatchAtAnEdge watches what an edge carries, at the edge, and what it does
// not, upstream; and ends both when their token is revoked.
func TestWatchAtAnEdge(t *testing.T) {
	centre := openReady(t, config())
	root := connect(t, centre, rootToken)
	for _, title := range []string{"carried", "elsewhere"} {
		_, err := root.CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		must(t, err)
	}
	token, err := root.CreateToken(t.Context(), client.TokenSpec{Permission: "write"})
	must(t, err)
	cfg := edgeConfig(centre.APIURL())
	cfg.Namespaces = []string{"carried"}
	edge := openReady(t, cfg)
	for _, ns := range []string{"carried", "elsewhere"} {
		next := watching(t, edge, token.Secret, ns, client.WatchOptions{})
		wantEvents(t, next, "ready")
		_, err := connect(t, edge, token.Secret).KV(ns).Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
		must(t, err)
		wantEvents(t, next, "put k")
		defer func() {
			if got := next(); !strings.HasPrefix(got, "error: Authentication error") {
				t.Errorf("%s: after the token was revoked: %s", ns, got)
			}
		}()
	}
	must(t, root.RevokeToken(t.Context(), token.ID))
}

// TestWatchSurvivesItsCentre: an edge's watch goes on while the centre is away,
// and tells what comes once it is back.
func TestWatchSurvivesItsCentre(t *testing.T) {
	cfg := config()
	cfg.FS = store.NewMemFS()
	cfg.Listen = porttest.Free(t) // where the edge looks for it again
	centre := openReady(t, cfg)
	_, err := connect(t, centre, rootToken).CreateNamespace(t.Context(), "ns", client.NamespaceOptions{})
	must(t, err)
	edge := openReady(t, edgeConfig(centre.APIURL()))
	next := watching(t, edge, rootToken, "ns", client.WatchOptions{})
	wantEvents(t, next, "ready")
	must(t, centre.Close())
	centre = openReady(t, cfg)
	_, err = connect(t, centre, rootToken).KV("ns").Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
	must(t, err)
	got := next()
	for got == "ready" { // it has caught up in rounds
		got = next()
	}
	if got != "put k" {
		t.Errorf("got %s", got)
	}
}

// TestWatchesDoNotHoldUpAStop: nor does one whose client has gone silent, or one
// that is passed on.
func TestWatchesDoNotHoldUpAStop(t *testing.T) {
	cfg := config()
	cfg.DrainTimeout = time.Minute
	centre := openReady(t, cfg)
	for _, title := range []string{"carried", "elsewhere"} {
		_, err := connect(t, centre, rootToken).CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		must(t, err)
	}
	ecfg := edgeConfig(centre.APIURL())
	ecfg.DrainTimeout, ecfg.Namespaces = time.Minute, []string{"carried"}
	edge := openReady(t, ecfg)
	for _, n := range []*node.Node{edge, centre} {
		for _, ns := range []string{"carried", "elsewhere"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(n.APIURL(), "http://"))
			must(t, err)
			defer conn.Close()
			write(t, conn, "GET /godwit/v1/namespaces/"+ns+"/watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+rootToken+"\r\n\r\n")
			buf := make([]byte, 4096)
			for text := ""; !strings.Contains(text, "event: ready"); {
				k, err := conn.Read(buf)
				must(t, err)
				text += string(buf[:k])
			}
		}
		began := time.Now()
		must(t, n.Close())
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the stop took %v", took)
		}
	}
}
