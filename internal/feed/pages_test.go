package feed_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// walk reads a walk, cutting it off and going on every few pages, and returns all
// records. busy is called between pages.
func (s *served) walk(q feed.WalkRequest, pagesEach int, busy func()) (records []godwit.Record) {
	s.t.Helper()
	c := s.client(rootToken)
	for {
		st, err := c.Walk(s.t.Context(), q)
		if err != nil {
			s.t.Fatal(err)
		}
		next[*feed.Hello](s.t, st)
		for range pagesEach {
			p := next[*feed.Page](s.t, st)
			if p.Heads != q.Heads || p.Revision == 0 {
				s.t.Errorf("page %+v", p)
			}
			records = append(records, p.Records...)
			if p.Done {
				wantEnd(s.t, st, feed.EndDone)
				return records
			}
			last := records[len(records)-1]
			q.After = &store.Place{Namespace: last.Namespace, Key: last.Key}
			busy()
		}
		_ = st.Close()
	}
}

// TestWalk holds that a walk tells of each entry once, in order, whether it is cut
// off or not, and whatever is written meanwhile.
func TestWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		spaces := []godwit.NamespaceID{s.namespace("a").ID, s.namespace("b").ID, s.namespace("c").ID}
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range 3000 {
			s.propose(put(spaces[i%3], fmt.Sprintf("%d-%d", rng.Uint32(), i), strings.Repeat("v", rng.IntN(800))))
		}
		all, _ := s.at(s.store.Revision())
		slices.SortFunc(spaces, func(a, b godwit.NamespaceID) int { return bytes.Compare(a[:], b[:]) })
		idle := func() {}
		for name, tc := range map[string]struct {
			q     feed.WalkRequest
			pages int
			keep  func(store.Place) bool
		}{
			"all":          {feed.WalkRequest{}, 1 << 30, func(store.Place) bool { return true }},
			"in pieces":    {feed.WalkRequest{}, 2, func(store.Place) bool { return true }},
			"one":          {feed.WalkRequest{Namespaces: []string{"b"}}, 1, func(p store.Place) bool { return p.Namespace == s.resolve("b") }},
			"the first":    {feed.WalkRequest{Namespaces: []string{spaces[0].String()}}, 3, func(p store.Place) bool { return p.Namespace == spaces[0] }},
			"first, last":  {feed.WalkRequest{Namespaces: []string{spaces[2].String(), spaces[0].String()}}, 2, func(p store.Place) bool { return p.Namespace != spaces[1] }},
			"from between": {feed.WalkRequest{After: &store.Place{Namespace: spaces[0], Key: "5"}}, 2, func(p store.Place) bool { return behind(p, store.Place{Namespace: spaces[0], Key: "5"}) }},
		} {
			got, want := content{}, content{}
			records := s.walk(tc.q, tc.pages, idle)
			for i := range records {
				got.apply(&records[i])
			}
			for p, r := range all {
				if tc.keep(p) || p.Namespace == godwit.SystemNamespace && tc.q.After == nil {
					want[p] = r
				}
			}
			if diff := got.differs(want); diff != "" || len(records) != len(want) {
				t.Errorf("%s: %d records for %d entries; %s", name, len(records), len(want), diff)
			}
			if !slices.IsSortedFunc(records, compareRecords) {
				t.Errorf("%s: out of order", name)
			}
		}
		i := 0
		records := s.walk(feed.WalkRequest{Heads: true}, 1, func() {
			i++
			s.propose(put(spaces[1], fmt.Sprint("new-", i), "v"), put(spaces[1], anyKey(all, spaces[1]), "changed"))
		})
		seen := make(map[store.Place]bool)
		for i := range records {
			r := &records[i]
			p := store.Place{Namespace: r.Namespace, Key: r.Key}
			if seen[p] || r.Value.Inline != nil || r.Metadata != nil {
				t.Errorf("head %+v, seen before: %t", r, seen[p])
			}
			seen[p] = true
		}
		for p := range all {
			if !seen[p] {
				t.Errorf("%v was left out", p)
			}
		}
	})
}

func anyKey(c content, ns godwit.NamespaceID) string {
	for p := range c {
		if p.Namespace == ns {
			return p.Key
		}
	}
	return ""
}

func (s *served) resolve(title string) godwit.NamespaceID {
	s.t.Helper()
	ns, err := s.catalog.Resolve(s.t.Context(), []byte(title))
	if err != nil {
		s.t.Fatal(err)
	}
	return ns.ID
}

func behind(p, other store.Place) bool {
	return compareRecords(recordAt(p), recordAt(other)) > 0
}

func recordAt(p store.Place) godwit.Record {
	return godwit.Record{Mutation: godwit.Mutation{Namespace: p.Namespace, Key: p.Key}}
}

func compareRecords(a, b godwit.Record) int {
	if c := bytes.Compare(a.Namespace[:], b.Namespace[:]); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

// TestWalksAreBounded holds that only so many go on at once, and that one whose
// receiver stalls does not hold its place for ever.
func TestWalksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.MaxReconciles = 2 })
		ns := s.namespace("a").ID
		for i := range 20 {
			s.propose(put(ns, fmt.Sprint(i), strings.Repeat(fmt.Sprint(i), 60<<10)))
		}
		c := s.client(rootToken)
		for range 2 {
			st, err := c.Walk(t.Context(), feed.WalkRequest{})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
		}
		if _, err := c.Walk(t.Context(), feed.WalkRequest{}); godwit.CodeOf(err) != godwit.CodeTooManyRequests {
			t.Errorf("a third walk: %v", err)
		}
		time.Sleep(25 * time.Second)
		if n := s.metric("godwit_feed_walks"); n != 0 {
			t.Errorf("%v walks go on that nobody reads", n)
		}
		s.walk(feed.WalkRequest{}, 1000, func() {})
	})
}

// TestPlaces holds what is answered about places.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{InlineBytes: 1 << 20}, nil)
		a, b := s.namespace("a").ID, s.namespace("b").ID
		tx := put(a, "with", "value")
		tx.Mutations[0].Metadata, tx.Mutations[0].Expiration = []byte(`{"m":1}`), time.Now().Unix()+1000
		s.propose(tx, put(a, "long", strings.Repeat("l", 100)), put(b, "other", "value"))
		for i := range 8 {
			s.propose(put(a, fmt.Sprint("large-", i), strings.Repeat("x", 900<<10)))
		}
		ask := func(query string, places ...store.Place) *feed.Page {
			t.Helper()
			r := httptest.NewRequest(http.MethodPost, feed.Prefix+"/walk"+query, bytes.NewReader(feed.AppendPlaces(nil, places)))
			r.Header.Set("Authorization", "Bearer "+rootToken)
			w := httptest.NewRecorder()
			s.front(s.server).ServeHTTP(w, r)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != feed.ContentType {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			f, err := feed.ReadFrame(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			return f.(*feed.Page)
		}
		p := ask("?namespaces=a&max_value=50", store.Place{Namespace: a, Key: "absent"}, store.Place{Namespace: a, Key: "long"}, store.Place{Namespace: a, Key: "with"})
		if len(p.Records) != 2 || !p.Done || p.Revision != s.store.Revision() || p.Records[0].Value.Blob.Size != 100 {
			t.Fatalf("got %+v", p)
		}
		all, _ := s.at(s.store.Revision())
		if diff := cmp.Diff(all[store.Place{Namespace: a, Key: "with"}], p.Records[1]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if p := ask("?namespaces=a", store.Place{Namespace: b, Key: "other"}); len(p.Records) != 0 || !p.Done {
			t.Errorf("of a namespace that was not asked for: %+v", p)
		}
		var large []store.Place
		for i := range 8 {
			large = append(large, store.Place{Namespace: a, Key: fmt.Sprint("large-", i)})
		}
		if p := ask("", large...); p.Done || len(p.Records) != 5 {
			t.Errorf("%d records of %d bytes each, done %t", len(p.Records), 900<<10, p.Done)
		}
		s.server.Suspend()
		if got := s.status(http.MethodPost, "/walk", "\x00"); got != http.StatusServiceUnavailable {
			t.Errorf("suspended: status %d", got)
		}
	})
}
