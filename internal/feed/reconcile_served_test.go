package feed_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// cutting breaks walks off within a frame after so many; 0: never.
type cutting struct {
	*served
	frames int
	walks  int
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Set("Authorization", "Bearer "+rootToken)
	if strings.HasSuffix(r.URL.Path, "/walk") && r.Method == http.MethodGet {
		c.walks++
		if c.frames > 0 {
			cut := &cutWriter{ResponseWriter: w, left: c.frames}
			defer cut.end()
			w = cut
		}
	}
	c.front(c.server).ServeHTTP(w, r)
}

// cutWriter lets so many writes through, and half of the next one.
type cutWriter struct {
	http.ResponseWriter
	left int
	cut  bool
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if w.left--; w.left >= 0 {
		return w.ResponseWriter.Write(b)
	}
	if !w.cut {
		w.cut = true
		_, _ = w.ResponseWriter.Write(b[:len(b)/2])
		_ = http.NewResponseController(w.ResponseWriter).Flush()
	}
	return 0, io.ErrClosedPipe
}

// end breaks the connection off.
func (w *cutWriter) end() {
	if w.cut {
		panic(http.ErrAbortHandler)
	}
}

// Unwrap is for http.ResponseController.
func (w *cutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// followTo follows a stream until it is ready at or behind a revision.
func (c *twin) followTo(r godwit.Revision) {
	c.t.Helper()
	l := c.Lineage()
	e, _ := l.At(c.Revision())
	s, err := c.client.Follow(c.t.Context(), feed.FollowRequest{
		After: godwit.Position{Epoch: e.ID, Revision: c.Revision()}, Namespaces: c.namespaces, MaxValue: c.maxValue,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	for c.Revision() < r || c.Mixed() {
		f, err := s.Next()
		if err != nil {
			c.t.Fatal(err)
		}
		c.commit(func(tx *store.Tx) error { return c.take(tx, f) })
	}
}

// take applies a frame.
func (c *twin) take(tx *store.Tx, f feed.Frame) error {
	switch f := f.(type) {
	case *feed.Records:
		tx.Advance(f.Time)
		for i := range f.Records {
			if err := tx.CatchUp(&f.Records[i]); err != nil {
				return err
			}
		}
		if !f.Round {
			return tx.Reach(f.Revision)
		}
	case *feed.Ready:
		tx.Advance(f.Time)
		return tx.Reach(f.Revision)
	case *feed.End:
		return f
	}
	return nil
}

// TestReconcileWithServer copies from a server that is written to all the while,
// whose walks are cut off again and again, and follows it from there.
func TestReconcileWithServer(t *testing.T) {
	rng := rand.New(rand.NewPCG(20, 20))
	s := newServed(t, store.Config{}, nil)
	one, two := s.namespace("one"), s.namespace("two")
	for _, ns := range []*godwit.Namespace{one, two} {
		var txs []godwit.Transaction
		for i := range 3000 {
			value := make([]byte, rng.IntN(300)) // that cannot be compressed
			for j := range value {
				value[j] = byte(rng.Uint32())
			}
			txs = append(txs, writes(ns.ID, fmt.Sprintf("key-%05d", i), value))
		}
		s.propose(txs...)
	}
	upstream := &cutting{served: s}
	clk := newClock()
	c := newTwin(t, clk, upstream)
	churn := func(n int) {
		for range n {
			key := fmt.Sprintf("key-%05d", rng.IntN(5000))
			if rng.IntN(3) == 0 {
				s.propose(deletes(one.ID, key))
			} else {
				s.propose(put(one.ID, key, fmt.Sprint("churned ", rng.Int())))
			}
		}
	}
	for round, frames := range []int{3, 2, 0} {
		upstream.frames, upstream.walks = frames, 0
		done, err := c.run()
		for tries := 0; err != nil; tries++ {
			if godwit.CodeOf(err) != godwit.CodeUnavailable || tries == 100 {
				t.Fatal(err)
			}
			churn(20)
			done, err = c.run()
		}
		if frames > 0 && upstream.walks < 2 {
			t.Errorf("round %d: %d walks", round, upstream.walks)
		}
		c.settle(done)
		c.followTo(s.store.Revision())
		c.wantSame(s)
		churn(200)
		if round == 1 {
			if err := s.catalog.DeleteNamespace(t.Context(), two.ID, godwit.RequestKey{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (c *twin) wantSame(s *served) {
	c.t.Helper()
	now := c.clock.Now().Unix()
	a, ra, err := s.store.Digest(context.Background(), now)
	if err != nil {
		c.t.Fatal(err)
	}
	b, rb, err := c.Digest(context.Background(), now)
	if err != nil {
		c.t.Fatal(err)
	}
	if a != b || ra != rb {
		c.t.Errorf("digest %x at %d, want %x at %d", b[:4], rb, a[:4], ra)
	}
	c.healthy()
}

// TestReconcilePartsWithServer: what the filter and the token leave out is left
// out of the walk, of what is fetched and of the stream alike.
func TestReconcilePartsWithServer(t *testing.T) {
	s := newServed(t, store.Config{}, nil)
	one, two := s.namespace("one"), s.namespace("two")
	for i := range 300 {
		s.propose(put(one.ID, fmt.Sprintf("key-%05d", i), strings.Repeat("v", i*10)), put(two.ID, fmt.Sprintf("key-%05d", i), "other"))
	}
	secret, token := s.token(godwit.PermissionReplicate, one.ID)
	for name, tt := range map[string]struct {
		namespaces []string
		token      string
		maxValue   int64
	}{
		"by id":        {[]string{one.ID.String()}, rootToken, 0},
		"by title":     {[]string{"one"}, rootToken, 1000},
		"by the token": {nil, secret, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTwin(t, newClock(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Authorization", "Bearer "+tt.token)
				s.front(s.server).ServeHTTP(w, r)
			}))
			c.namespaces, c.maxValue = tt.namespaces, tt.maxValue
			for range 2 {
				done := c.reconcile()
				if len(done.Hello.Carries.Namespaces) != 1 || done.Hello.Carries.Namespaces[0] != one.ID {
					t.Errorf("carries %v", done.Hello.Carries)
				}
				c.followTo(s.store.Revision())
				c.wantPart(s, one.ID, catalog.NamespaceKey(one.ID), "account", "token/"+token.ID)
				s.propose(put(one.ID, "key-00005", strings.Repeat("n", 5000)), deletes(one.ID, "key-00006"), put(two.ID, "more", "x"))
			}
		})
	}
}

// wantPart holds that the twin has one namespace as the server has it, nothing of
// others, and some rows of the catalog.
func (c *twin) wantPart(s *served, ns godwit.NamespaceID, rows ...string) {
	c.t.Helper()
	up := node{t: c.t, Store: s.store}
	f := feed.Filter{Namespaces: []godwit.NamespaceID{ns}, MaxValue: c.maxValue}
	want, got := up.content(f), c.content(feed.Filter{})
	for at, w := range want {
		if !strings.HasPrefix(at, godwit.SystemNamespace.String()) && got[at] != w {
			c.t.Errorf("%s: got %q, want %q", at, got[at], w)
		}
	}
	for at, g := range got {
		if want[at] != g {
			c.t.Errorf("%s: got %q, want %q", at, g, want[at])
		}
	}
	for _, row := range rows {
		if got[fmt.Sprintf("%s/%q", godwit.SystemNamespace, row)] == "" {
			c.t.Errorf("%s is missing", row)
		}
	}
	c.healthy()
}
