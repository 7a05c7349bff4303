package feed_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// circle passes on to its own node all that it is asked, but not for ever.
type circle struct {
	godwit.Reader
	store *store.Store
	next  *feed.Client
	asked atomic.Int64
}

func (c *circle) count() error {
	if c.asked.Add(1) > 100 {
		return errors.New("there is no end to it")
	}
	return nil
}

func (c *circle) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if err := c.count(); err != nil {
		return nil, err
	}
	return c.next.Propose(ctx, godwit.CredentialOf(ctx), txs, func(b godwit.Blob) (io.ReadCloser, error) {
		return c.store.OpenValue(ctx, godwit.NamespaceID{}, &godwit.Entry{Value: godwit.Value{Blob: b}})
	})
}

func (c *circle) Barrier(ctx context.Context) (godwit.Revision, error) {
	if err := c.count(); err != nil {
		return 0, err
	}
	return c.next.Barrier(ctx)
}

func (c *circle) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	if err := c.count(); err != nil {
		return nil, err
	}
	return c.next.List(ctx, ns, q, opts)
}

// TestCircle: what is passed on in a circle of nodes ends, and whoever asked is told.
func TestCircle(t *testing.T) {
	c := new(circle)
	s := newServed(t, store.Config{InlineBytes: 1024}, func(cfg *feed.ServerConfig) { cfg.Log, cfg.Reader = c, c })
	ns := s.namespace("site").ID
	c.Reader, c.store, c.next = s.store, s.store, s.client(rootToken)
	ctx := godwit.WithCredential(t.Context(), rootToken)
	large, err := s.store.Upload(ctx, strings.NewReader(strings.Repeat("v", 1<<20)), 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	tx := put(ns, "large", "")
	tx.Mutations[0].Value = large
	for name, ask := range map[string]func() error{
		"a write":       func() error { _, err := c.Propose(ctx, []godwit.Transaction{put(ns, "k", "v")}); return err },
		"a large write": func() error { _, err := c.Propose(ctx, []godwit.Transaction{tx}); return err },
		"a barrier":     func() error { _, err := c.Barrier(ctx); return err },
		"a read":        func() error { _, err := c.List(ctx, ns, godwit.ListQuery{Limit: 1}, godwit.ReadOptions{}); return err },
	} {
		c.asked.Store(0)
		err := ask()
		if godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(godwit.MessageOf(err), "in a circle") {
			t.Errorf("%s: %v", name, err)
		}
		if n := c.asked.Load(); n != 17 {
			t.Errorf("%s: asked %d times, want 17: once by the client, and passed on 16 times", name, n)
		}
	}
}

// TestHops: a node that passes nothing on takes any count, and what is none is told.
func TestHops(t *testing.T) {
	s := newServed(t, store.Config{}, nil)
	ns := s.namespace("site").ID
	for hops, want := range map[string]int{"": 200, "1": 200, "16": 200, "17": 200, "-1": 400, "many": 400, "99999999999999999999": 400} {
		r := httptest.NewRequest("GET", feed.Prefix+"/list?limit=1&namespace="+ns.String(), http.NoBody)
		r.Header.Set("Authorization", "Bearer "+rootToken)
		r.Header.Set("Godwit-Hops", hops)
		w := httptest.NewRecorder()
		s.front(s.server).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: got %d %s", hops, w.Code, w.Body)
		}
	}
}
