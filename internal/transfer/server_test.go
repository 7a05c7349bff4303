package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// TestLargeValueOfTheList exports by a way on which pages and values are answered by
// different nodes: the one that is asked for values is behind, unless it is told up to
// where it has to be.
func TestLargeValueOfTheList(t *testing.T) {
	n := open(t)
	c := connect(t, n)
	_, err := c.CreateNamespace(t.Context(), "from", client.NamespaceOptions{})
	check(t, err)
	revision, err := c.KV("from").Put(t.Context(), "fresh", bytes.NewReader(make([]byte, 100_000)), client.PutOptions{})
	check(t, err)
	u, err := url.Parse(n.APIURL())
	check(t, err)
	proxy, transport := httputil.NewSingleHostReverseProxy(u), &http.Transport{}
	proxy.Transport = transport
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/values/") && r.Header.Get("Godwit-Min-Revision") != revision {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"success":false,"errors":[{"code":10009,"message":"get: 'key not found'"}]}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { srv.Close(); transport.CloseIdleConnections() })
	b, err := client.New(srv.URL, rootToken)
	check(t, err)
	t.Cleanup(b.Close)
	if _, counts := write(t, &transfer.Server{KV: b.KV("from"), Strong: true}); counts.Keys.Load() != 1 {
		t.Errorf("exported %d keys, want 1", counts.Keys.Load())
	}
}

// TestValueThatBreaksOff is read again from its source, from its beginning.
func TestValueThatBreaksOff(t *testing.T) {
	c := serve(t, "to")
	for _, size := range []int{100, 300_000} {
		value, broken, opened := bytes.Repeat([]byte("v"), size), errors.New("the source hung up"), 0
		item := transfer.Item{Key: "k", Open: func(context.Context) (*transfer.Large, error) {
			r := io.Reader(bytes.NewReader(value))
			if opened++; opened < 3 {
				r = io.MultiReader(bytes.NewReader(value[:size-1]), iotest.ErrReader(broken))
			}
			return &transfer.Large{ReadCloser: io.NopCloser(r), Size: int64(size)}, nil
		}}
		target := &transfer.ServerTarget{KV: c.KV("to"), Progress: new(transfer.Progress), Now: now}
		check(t, target.Write(t.Context(), []transfer.Item{item}))
		if got := contents(t, c.KV("to"))["k"].Value; got != string(value) || opened != 3 {
			t.Errorf("%d bytes after %d openings", len(got), opened)
		}
		opened = -10
		if err := target.Write(t.Context(), []transfer.Item{item}); !errors.Is(err, broken) || opened != -7 {
			t.Errorf("after %d openings: %v", opened+10, err)
		}
	}
}
