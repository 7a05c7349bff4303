package feed_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// bounded is a centre with a namespace of each kind, and what was written to them.
func bounded(t *testing.T, change func(*feed.ServerConfig)) (s *served, open, eu, us *godwit.Namespace) {
	s = newServed(t, store.Config{}, change)
	create := func(title, j string) *godwit.Namespace {
		ns, err := s.catalog.CreateNamespace(context.Background(), title, j, godwit.RequestKey{})
		if err != nil {
			t.Fatal(err)
		}
		return ns
	}
	return s, create("open", ""), create("europe", "eu"), create("america", "us")
}

// clears clears a prefix of a namespace.
func (s *served) clears(ns *godwit.Namespace, prefix string) {
	s.t.Helper()
	if _, err := s.catalog.Clear(context.Background(), ns.ID, prefix, godwit.RequestKey{}); err != nil {
		s.t.Fatal(err)
	}
}

// keysOf are the keys that records name, those that they clear in brackets, and of the
// catalog no more.
func keysOf(records []godwit.Record) (keys []string) {
	for i := range records {
		_, cleared, clears := godwit.ClearedKeys(records[i].Key)
		switch {
		case records[i].Namespace != godwit.SystemNamespace:
			keys = append(keys, records[i].Key)
		case clears:
			keys = append(keys, "["+cleared+"]")
		}
	}
	slices.Sort(keys)
	return keys
}

// streamed is what comes until the Ready at the store's position.
func (s *served) streamed(st *feed.Stream) (all []godwit.Record) {
	s.t.Helper()
	for {
		f, err := st.Next()
		if err != nil {
			s.t.Fatalf("stream: %v", err)
		}
		switch f := f.(type) {
		case *feed.Records:
			for _, r := range f.Records {
				r.Key = strings.Clone(r.Key)
				all = append(all, r)
			}
			if f.Revision == s.store.Revision() && !f.Round {
				return all
			}
		case *feed.Ready:
			if f.Revision == s.store.Revision() {
				return all
			}
		case *feed.End:
			s.t.Fatalf("ended: %s", f.Message)
		}
	}
}

// TestJurisdictions: each follower is sent what is of the jurisdictions that it says,
// whichever way it comes: by batches, rounds, walks or places.
func TestJurisdictions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, open, eu, us := bounded(t, nil)
		write := func(n string) {
			s.propose(put(open.ID, "open"+n, "v"), put(eu.ID, "eu"+n, "v"), put(us.ID, "us"+n, "v"))
			s.clears(open, "o-"+n)
			s.clears(eu, "e-"+n)
			s.clears(us, "u-"+n)
		}
		write("1")
		cases := map[string]struct {
			says []string
			want []string // beside open's
		}{
			"none":      {nil, nil},
			"one":       {[]string{"eu"}, []string{"eu%", "[e-%]"}},
			"several":   {[]string{"us", "eu"}, []string{"eu%", "[e-%]", "us%", "[u-%]"}},
			"not there": {[]string{"fedramp"}, nil},
			"all":       {feed.AllJurisdictions(), []string{"eu%", "[e-%]", "us%", "[u-%]"}},
		}
		want := func(name string, n ...string) (keys []string) {
			for _, n := range n {
				for _, k := range append([]string{"open%", "[o-%]"}, cases[name].want...) {
					keys = append(keys, strings.Replace(k, "%", n, 1))
				}
			}
			slices.Sort(keys)
			return keys
		}
		streams := map[string]*feed.Stream{}
		for name, tc := range cases {
			streams[name] = s.follow(feed.FollowRequest{After: s.base, Jurisdictions: tc.says})
			if diff := cmp.Diff(want(name, "1"), keysOf(s.streamed(streams[name]))); diff != "" {
				t.Errorf("%s: a round (-want +got):\n%s", name, diff)
			}
			for _, heads := range []bool{false, true} {
				walked := s.walk(feed.WalkRequest{Heads: heads, Jurisdictions: tc.says}, 1, func() {})
				if diff := cmp.Diff(want(name, "1"), keysOf(walked)); diff != "" {
					t.Errorf("%s: a walk (-want +got):\n%s", name, diff)
				}
			}
		}
		write("2")
		for name := range cases {
			if diff := cmp.Diff(want(name, "2"), keysOf(s.streamed(streams[name]))); diff != "" {
				t.Errorf("%s: batches (-want +got):\n%s", name, diff)
			}
		}
	})
}

// TestDeletedNamespaceStaysBound: what was written to a namespace goes to nobody else
// though it was deleted before it went.
func TestDeletedNamespaceStaysBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, open, eu, _ := bounded(t, nil)
		none := s.follow(feed.FollowRequest{After: s.position()})
		one := s.follow(feed.FollowRequest{After: s.position(), Jurisdictions: []string{"eu"}})
		skip[*feed.Ready](t, none)
		skip[*feed.Ready](t, one)
		synctest.Wait() // both are served from batches
		s.propose(put(eu.ID, "secret", "v"))
		s.clears(eu, "secre")
		s.propose(put(open.ID, "open", "v"))
		if err := s.catalog.DeleteNamespace(t.Context(), eu.ID, godwit.RequestKey{}); err != nil {
			t.Fatal(err)
		}
		if got := keysOf(s.streamed(none)); !slices.Equal(got, []string{"open"}) {
			t.Errorf("one that is for none got %q", got)
		}
		if got := keysOf(s.streamed(one)); !slices.Equal(got, []string{"[secre]", "open", "secret"}) {
			t.Errorf("one that is for it got %q", got)
		}
	})
}

// TestJurisdictionsRefused: nobody is given less than it is for, nor told so in other
// words.
func TestJurisdictionsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var own feed.Filter
		s, open, eu, _ := bounded(t, func(c *feed.ServerConfig) { c.Carries = func() feed.Filter { return own } })
		refused := func(carries, says, names []string, want string) {
			t.Helper()
			own = feed.Filter{Jurisdictions: carries}
			st := s.follow(feed.FollowRequest{After: s.position(), Jurisdictions: says, Namespaces: names})
			if want == "" {
				skip[*feed.Ready](t, st)
				return
			}
			if end := wantEnd(t, st, feed.EndRefused); !strings.Contains(end.Message, want) {
				t.Errorf("it says %q, want %q", end.Message, want)
			}
		}
		refused(nil, []string{"eu"}, nil, "")
		refused([]string{"eu"}, []string{"eu"}, nil, "")
		refused([]string{"eu"}, nil, nil, "")
		refused([]string{"eu"}, feed.AllJurisdictions(), nil, "")
		refused([]string{}, []string{"eu"}, nil, "this node does not carry namespaces of jurisdiction eu")
		refused([]string{"us"}, []string{"us", "eu"}, nil, "this node does not carry namespaces of jurisdiction eu")
		refused(nil, nil, []string{eu.ID.String()}, "is of jurisdiction eu, which the follower may not carry")
		refused(nil, nil, []string{"europe"}, "start it with --jurisdiction eu")
		refused(nil, []string{"eu"}, []string{"europe"}, "")
		refused([]string{}, nil, []string{open.ID.String()}, "")
		own = feed.Filter{}
		for query, want := range map[string]int{
			"jurisdictions=eu": 200, "jurisdictions=": 200, "jurisdictions=mars": 400, "jurisdictions=eu,": 400,
			"jurisdictions=" + strings.Repeat("eu,", 20) + "eu": 400,
		} {
			if got := s.status("POST", "/walk?"+query, "\x00"); got != want {
				t.Errorf("%s: status %d, want %d", query, got, want)
			}
		}
	})
}

// TestPlacesAreBound: who names the place of a key is not given it.
func TestPlacesAreBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, eu, _ := bounded(t, nil)
		s.propose(put(eu.ID, "secret", "value of the secret"))
		places := "\x01" + string(eu.ID[:]) + "\x06secret"
		if page := s.places("", places); strings.Contains(page, "secret") {
			t.Errorf("one that is for none got %q", page)
		}
		if page := s.places("jurisdictions=eu", places); !strings.Contains(page, "value of the secret") {
			t.Errorf("one that is for it got %q", page)
		}
	})
}

// TestViewWaitsForWhatIsTold: a relay's store shows a commit before the feed is told of
// it. Nothing is sent of what the feed cannot know the jurisdiction of yet.
func TestViewWaitsForWhatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.Context(), store.Config{Dir: "/data", FS: store.NewMemFS(), DiskReserve: -1, CacheBytes: 1 << 20, Follower: true})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		c, err := catalog.Open(t.Context(), catalog.Config{Source: st, Account: testAccount, Follower: true, RootToken: rootToken, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		server := feed.NewServer(feed.ServerConfig{
			Store: st, Reader: st, Uploader: st, Catalog: func() *catalog.Catalog { return c },
			Limits: godwit.DefaultLimits(), Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		})
		st.SetOnCommit(server.Committed)
		eu := godwit.Namespace{ID: godwit.NamespaceID{7}, Title: "europe", Jurisdiction: "eu"}
		row, err := json.Marshal(eu)
		if err != nil {
			t.Fatal(err)
		}
		tx := st.Begin()
		for i, m := range []godwit.Mutation{
			{Op: godwit.OpPut, Key: catalog.NamespaceKey(eu.ID), Value: godwit.Value{Inline: row}},
			{Op: godwit.OpPut, Namespace: eu.ID, Key: "secret", Value: godwit.Value{Inline: []byte("value of the secret")}},
		} {
			if err := tx.Apply(&godwit.Record{Mutation: m, Revision: godwit.Revision(i + 1), Created: 1, Modified: 1}); err != nil {
				t.Fatal(err)
			}
		}
		shown, err := tx.Commit(store.NoSync)
		if err != nil {
			t.Fatal(err)
		}
		w, done := httptest.NewRecorder(), make(chan struct{})
		go func() {
			defer close(done)
			r := httptest.NewRequest("POST", feed.Prefix+"/walk", strings.NewReader("\x01"+string(eu.ID[:])+"\x06secret"))
			server.ServeHTTP(w, r, &catalog.Principal{Token: &godwit.Token{ID: "root"}, Root: true})
		}()
		synctest.Wait() // it has answered, or waits
		if err := shown.Wait(); err != nil {
			t.Fatal(err)
		}
		<-done
		if got := w.Body.String(); w.Code != 200 || strings.Contains(got, "secret") {
			t.Errorf("one that is for none got %d %q", w.Code, got)
		}
	})
}
