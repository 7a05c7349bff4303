package feed_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// TestTailIsEncodedOnce holds that however many follow, a batch is filtered and
// compressed once for each filter, and that nobody at the tail gets rounds.
func TestTailIsEncodedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const followers, batches = 300, 20
		s := newServed(t, store.Config{}, nil)
		a, b := s.namespace("a").ID, s.namespace("b").ID
		value := strings.Repeat("value ", 1000)
		var ready, done sync.WaitGroup
		for i := range followers {
			q := feed.FollowRequest{After: s.position()}
			if i%2 == 0 {
				q.Namespaces = []string{"a"}
			}
			st := s.follow(q)
			ready.Add(1)
			done.Go(func() {
				skip[*feed.Ready](t, st)
				ready.Done()
				for n := range batches {
					r := skip[*feed.Records](t, st)
					if want := 1 + i%2; r.Round || len(r.Records) != want {
						t.Errorf("follower %d, batch %d: %d records, want %d", i, n, len(r.Records), want)
					}
				}
			})
		}
		ready.Wait()
		for range batches {
			both := put(a, "key", value)
			both.Mutations = append(both.Mutations, put(b, "key", value).Mutations...)
			s.propose(both)
		}
		done.Wait()
		if got := s.metric("godwit_feed_batches_encoded_total"); got != 2*batches {
			t.Errorf("encoded %v times, want %d for each of two filters", got, batches)
		}
		if got := s.metric("godwit_feed_rounds_total"); got != 0 {
			t.Errorf("%v rounds at the tail", got)
		}
		if got := s.metric("godwit_feed_followers"); got != followers {
			t.Errorf("%v followers, want %d", got, followers)
		}
	})
}

// TestNobodyFollows holds that a commit costs next to nothing when nobody has
// followed for a while, and that who comes then misses nothing.
func TestNobodyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		ns := s.namespace("a").ID
		st := s.follow(feed.FollowRequest{After: s.position()})
		skip[*feed.Ready](t, st)
		position := s.position()
		s.propose(put(ns, "k", "1"))
		skip[*feed.Records](t, st)
		_ = st.Close()
		synctest.Wait()
		s.propose(put(ns, "k", "2"))
		if s.metric("godwit_feed_ring_bytes") == 0 {
			t.Error("nothing is kept for a follower that left just now")
		}
		time.Sleep(11 * time.Second)
		s.propose(put(ns, "k", "3"))
		if n := s.metric("godwit_feed_ring_bytes"); n != 0 {
			t.Errorf("%v bytes are kept for nobody", n)
		}
		c := &store.Committed{Prev: 1, Revision: 2, Exact: true, Records: make([]godwit.Record, 100)}
		if n := testing.AllocsPerRun(100, func() { s.server.Committed(c) }); n != 0 {
			t.Errorf("a commit allocates %v times for nobody", n)
		}
		s.server.Committed(&store.Committed{Prev: 2, Revision: s.store.Revision(), Exact: true})
		st = s.follow(feed.FollowRequest{After: position})
		if r := skip[*feed.Records](t, st); !r.Round || string(r.Records[0].Value.Inline) != "3" {
			t.Errorf("got %+v, want a round with the last value", r)
		}
	})
}

// TestPositions walks where a follower may stand.
func TestPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inexact atomic.Bool
		s := newServed(t, store.Config{Retention: time.Minute}, func(c *feed.ServerConfig) {
			c.Exact = func() bool { return !inexact.Load() }
		})
		ns := s.namespace("a").ID
		relay := s.relay()
		early := s.position()
		s.propose(put(ns, "k", "1"))
		s.propose(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: "k"}}})
		here := s.position()
		at := func(id godwit.EpochID, r godwit.Revision) feed.FollowRequest {
			return feed.FollowRequest{After: godwit.Position{Epoch: id, Revision: r}}
		}
		unknown := godwit.EpochID{0xee}
		for name, tc := range map[string]struct {
			q            feed.FollowRequest
			owner, relay feed.EndReason // 0: the stream goes on
		}{
			"at the tail":          {at(here.Epoch, here.Revision), 0, 0},
			"behind":               {at(here.Epoch, early.Revision), 0, 0},
			"nowhere":              {feed.FollowRequest{}, feed.EndTooOld, feed.EndTooOld},
			"of an unknown epoch":  {at(unknown, early.Revision), feed.EndTooOld, feed.EndTooOld},
			"unknown and ahead":    {at(unknown, here.Revision+5), feed.EndTooOld, feed.EndAhead},
			"before its own epoch": {at(here.Epoch, 5), feed.EndTooOld, feed.EndTooOld},
			"ahead":                {at(here.Epoch, here.Revision+1), feed.EndDiverged, feed.EndAhead},
			"of another cluster":   {feed.FollowRequest{After: here, Cluster: strings.Repeat("ab", 16)}, feed.EndRefused, feed.EndRefused},
			"of this cluster":      {feed.FollowRequest{After: here, Cluster: s.store.Cluster()}, 0, 0},
		} {
			for _, owner := range []bool{true, false} {
				st, want := s.follow(tc.q), tc.owner
				if !owner {
					st, want = openStream(t, relay, tc.q), tc.relay
				}
				if h := next[*feed.Hello](t, st); h.Owner != owner || h.Cluster != s.store.Cluster() || h.Account != testAccount ||
					!slices.Equal(h.Lineage, s.store.Lineage()) || h.Revision != here.Revision || h.Location != "test" {
					t.Errorf("%s, owner %t: hello %+v", name, owner, h)
				}
				if want != 0 {
					wantEnd(t, st, want)
				} else if r := skip[*feed.Ready](t, st); r.Revision != here.Revision {
					t.Errorf("%s, owner %t: ready at %d, want %d", name, owner, r.Revision, here.Revision)
				}
			}
		}
		time.Sleep(2 * time.Minute)
		if err := s.store.Sweep(context.Background()); err != nil || s.store.Purged() <= early.Revision {
			t.Fatalf("sweep: %v; purged up to %d", err, s.store.Purged())
		}
		wantEnd(t, s.follow(feed.FollowRequest{After: early}), feed.EndTooOld)
		inexact.Store(true)
		wantEnd(t, s.follow(feed.FollowRequest{After: here}), feed.EndSuspended)
	})
}

// TestNewEpoch holds that a follower learns of an epoch before it gets what is of
// it, and that a position beyond the end of an earlier one is off the lineage.
func TestNewEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		ns := s.namespace("a").ID
		was := s.position()
		st := s.follow(feed.FollowRequest{After: was})
		skip[*feed.Ready](t, st)
		time.Sleep(time.Second)
		epoch, err := s.store.OpenEpoch()
		if err != nil {
			t.Fatal(err)
		}
		f, err := st.Next()
		for _, ok := f.(*feed.Heartbeat); ok; _, ok = f.(*feed.Heartbeat) {
			f, err = st.Next()
		}
		h, ok := f.(*feed.Hello)
		if !ok {
			t.Fatalf("got %T %+v, %v; want a hello", f, f, err)
		}
		if h.Lineage[len(h.Lineage)-1] != epoch || len(h.Lineage) != 2 {
			t.Errorf("lineage %v, want %v at its end", h.Lineage, epoch)
		}
		if r := next[*feed.Records](t, st); r.Revision != epoch.First || len(r.Records) != 0 {
			t.Errorf("got %+v, want an empty batch up to %d", r, epoch.First)
		}
		s.propose(put(ns, "k", "v"))
		if r := skip[*feed.Records](t, st); r.Prev != epoch.First {
			t.Errorf("goes on from %d, want %d", r.Prev, epoch.First)
		}
		skip[*feed.Ready](t, s.follow(feed.FollowRequest{After: was}))
		beyond := godwit.Position{Epoch: was.Epoch, Revision: epoch.First}
		wantEnd(t, s.follow(feed.FollowRequest{After: beyond}), feed.EndDiverged)
	})
}

// TestSuspend holds that who is suspended ends its streams and takes none until
// it resumes, and that followers go on where they were.
func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		ns := s.namespace("a").ID
		st := s.follow(feed.FollowRequest{After: s.position()})
		r := skip[*feed.Ready](t, st)
		s.server.Suspend()
		wantEnd(t, st, feed.EndSuspended)
		s.propose(put(ns, "k", "v"))
		again := feed.FollowRequest{After: godwit.Position{Epoch: s.base.Epoch, Revision: r.Revision}}
		wantEnd(t, s.follow(again), feed.EndSuspended)
		walk, err := s.client(rootToken).Walk(t.Context(), feed.WalkRequest{})
		if err != nil {
			t.Fatal(err)
		}
		wantEnd(t, walk, feed.EndSuspended)
		_ = walk.Close()
		s.server.Resume()
		st = s.follow(again)
		if got := skip[*feed.Records](t, st); string(got.Records[0].Value.Inline) != "v" {
			t.Errorf("got %+v", got)
		}
		closed := make(chan error, 1)
		go func() { closed <- s.server.Close(t.Context()) }()
		wantEnd(t, st, feed.EndClosing)
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		wantEnd(t, s.follow(again), feed.EndClosing)
	})
}

// TestInexactCommits holds that what a relay takes in while it catches up is never
// sent as part of the log.
func TestInexactCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		ns := s.namespace("a").ID
		st := s.follow(feed.FollowRequest{After: s.position()})
		skip[*feed.Ready](t, st)
		tx := s.store.Begin()
		last := tx.Revision()
		for _, r := range []godwit.Record{record(ns, "late", last+7), record(ns, "later", last+9)} {
			if err := tx.CatchUp(&r); err != nil {
				t.Fatal(err)
			}
		}
		commitTx(t, tx)
		tx = s.store.Begin()
		if err := tx.Reach(last + 9); err != nil {
			t.Fatal(err)
		}
		commitTx(t, tx)
		r := skip[*feed.Records](t, st)
		if !r.Round || r.Prev != last || len(r.Records) != 2 {
			t.Errorf("got %+v, want a round", r)
		}
		if got := skip[*feed.Ready](t, st); got.Revision != last+9 {
			t.Errorf("ready at %d, want %d", got.Revision, last+9)
		}
	})
}

func commitTx(t *testing.T, tx *store.Tx) {
	t.Helper()
	c, err := tx.Commit(store.Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func record(ns godwit.NamespaceID, key string, r godwit.Revision) godwit.Record {
	return godwit.Record{Mutation: put(ns, key, "v").Mutations[0], Revision: r, Created: 1, Modified: 1}
}

// TestRevocation holds that a stream ends within 2 s of its token's end, whether
// its follower reads or not.
func TestRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		ns := s.namespace("a").ID
		secret, token := s.token(godwit.PermissionReplicate)
		reads := openStream(t, s.client(secret), feed.FollowRequest{After: s.position()})
		skip[*feed.Ready](t, reads)
		stalls := openStream(t, s.client(secret), feed.FollowRequest{After: s.position()})
		skip[*feed.Ready](t, stalls)
		s.propose(put(ns, "large", strings.Repeat("x", 1<<20))) // more than is read ahead
		if err := s.catalog.RevokeToken(context.Background(), token.ID); err != nil {
			t.Fatal(err)
		}
		revoked := time.Now()
		wantEnd(t, reads, feed.EndRevoked)
		if took := time.Since(revoked); took > 2*time.Second {
			t.Errorf("the stream went on for %s", took)
		}
		time.Sleep(2*time.Second - time.Since(revoked))
		synctest.Wait()
		if n := s.metric("godwit_feed_followers"); n != 0 {
			t.Errorf("%v followers are left", n)
		}
	})
}

// TestExpiredAndRotated holds the same of a token that expires and of a root token
// that is replaced.
func TestExpiredAndRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		secret, _, err := s.catalog.CreateToken(t.Context(), godwit.Token{
			Permission: godwit.PermissionReplicate, Expires: time.Now().Add(time.Minute).Unix(),
		})
		if err != nil {
			t.Fatal(err)
		}
		expires := openStream(t, s.client(secret), feed.FollowRequest{After: s.position()})
		start := time.Now()
		wantEnd(t, expires, feed.EndRevoked)
		if took := time.Since(start); took < 59*time.Second || took > 62*time.Second {
			t.Errorf("a token of a minute was good for %s", took)
		}
		root := s.follow(feed.FollowRequest{After: s.position()})
		skip[*feed.Ready](t, root)
		s.catalog.SetRootToken("another-root-token-of-tests")
		wantEnd(t, root, feed.EndRevoked)
	})
}

// TestSlowReaders holds that a follower that takes nothing in is ended, that one
// that is slow is served on in rounds, and that neither costs more than the ring.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ring = 256 << 10
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.RingBytes = ring })
		ns := s.namespace("a").ID
		stalls, slow := s.follow(feed.FollowRequest{After: s.position()}), s.follow(feed.FollowRequest{After: s.position()})
		skip[*feed.Ready](t, stalls)
		skip[*feed.Ready](t, slow)
		var last godwit.Revision
		for i := range 200 {
			last = s.propose(put(ns, fmt.Sprint(i), fmt.Sprint(i)+strings.Repeat("\x00\xff", 10_000)))
			if n := s.metric("godwit_feed_ring_bytes"); n > ring {
				t.Fatalf("the ring takes %v bytes, and may take %d", n, ring)
			}
		}
		seen := make(map[string]bool)
		for done := false; !done; time.Sleep(300 * time.Millisecond) {
			f, err := slow.Next()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *feed.Records:
				for i := range f.Records {
					seen[f.Records[i].Key] = true
				}
			case *feed.Ready:
				done = f.Revision == last
			}
		}
		if len(seen) != 200 {
			t.Errorf("the slow follower saw %d of 200 keys", len(seen))
		}
		for start := time.Now(); time.Since(start) < 25*time.Second; {
			next[*feed.Heartbeat](t, slow)
		}
		if n := s.metric("godwit_feed_followers"); n != 1 {
			t.Errorf("%v followers are left, want the one that reads", n)
		}
		if n := s.ended("slow"); n != 1 {
			t.Errorf("%v streams ended as slow, want 1", n)
		}
	})
}

// TestHeartbeats holds that they come each second, at once for a ping, and say how
// old what was sent may be.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var age atomic.Int64
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) {
			c.Age = func() time.Duration { return time.Duration(age.Load()) }
		})
		st := s.follow(feed.FollowRequest{After: s.position()})
		session := next[*feed.Hello](t, st).Session
		next[*feed.Ready](t, st)
		age.Store(int64(5 * time.Second))
		skip[*feed.Heartbeat](t, st)
		start := time.Now()
		for i := range 3 {
			h := next[*feed.Heartbeat](t, st)
			if d := time.Since(start); d != time.Duration(i+1)*time.Second || h.Age != 5*time.Second || h.Ping != 0 {
				t.Errorf("heartbeat %d after %s: %+v", i, d, h)
			}
		}
		time.Sleep(300 * time.Millisecond)
		start = time.Now()
		report(t, s.client(rootToken), feed.Report{Session: session, Ping: 7}, true)
		h := next[*feed.Heartbeat](t, st)
		if time.Since(start) != 0 || h.Ping != 7 || h.Clock != start.UnixMilli() || h.Revision != s.store.Revision() {
			t.Errorf("after %s: %+v", time.Since(start), h)
		}
	})
}

// TestHeartbeatsWaitForData holds that a ping is echoed only behind all that was
// there when it came, however much that is.
func TestHeartbeatsWaitForData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		ns := s.namespace("a").ID
		st := s.follow(feed.FollowRequest{After: s.position()})
		session := next[*feed.Hello](t, st).Session
		next[*feed.Ready](t, st)
		var upTo godwit.Revision
		for i := range 100 {
			upTo = s.propose(put(ns, fmt.Sprint(i), strings.Repeat("x", 40<<10)))
		}
		report(t, s.client(rootToken), feed.Report{Session: session, Ping: 1}, true)
		var sent godwit.Revision
		for {
			f, err := st.Next()
			if err != nil {
				t.Fatal(err)
			}
			if r, ok := f.(*feed.Records); ok {
				sent = r.Revision
			}
			if h, ok := f.(*feed.Heartbeat); ok && h.Ping == 1 {
				break
			}
		}
		if sent != upTo || s.metric("godwit_feed_rounds_total") != 0 {
			t.Errorf("the ping was echoed at %d, and %d was there before it", sent, upTo)
		}
	})
}

func report(t *testing.T, c *feed.Client, r feed.Report, want bool) {
	t.Helper()
	if err := c.Report(t.Context(), r); (err == nil) != want {
		t.Errorf("report: %v", err)
	}
}

// TestReports holds what becomes of what followers say of themselves.
func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		secret, _ := s.token(godwit.PermissionReplicate)
		reader, _ := s.token(godwit.PermissionRead)
		st := openStream(t, s.client(secret), feed.FollowRequest{After: s.position()})
		session := next[*feed.Hello](t, st).Session
		if got := s.server.Followers(); len(got) != 1 || got[0].ID != "" || got[0].StalenessMS != -1 {
			t.Errorf("before a report: %+v", got)
		}
		deep := feed.Node{NodeInfo: feed.NodeInfo{ID: "bottom"}}
		for range 20 {
			deep = feed.Node{NodeInfo: feed.NodeInfo{ID: "relay"}, Followers: []feed.Node{deep}}
		}
		many := make([]feed.Node, 5000)
		good := feed.Report{Session: session, Ping: 1, Follower: feed.NodeInfo{ID: "a", Location: strings.Repeat("x", 1000)}, Followers: append([]feed.Node{deep}, many...)}
		report(t, s.client(secret), good, true)
		got := s.server.Followers()
		if len(got) != 1 || got[0].ID != "a" || len(got[0].Location) > 256 || count(got) > 4100 || depth(got) > 10 {
			t.Errorf("%d nodes, %d deep; location of %d bytes", count(got), depth(got), len(got[0].Location))
		}
		report(t, s.client(secret), feed.Report{Session: session, Ping: 2, Followers: make([]feed.Node, 90_000)}, true)
		if got := s.server.Followers(); count(got) != 1+4096 {
			t.Errorf("%d of many nodes are kept", count(got))
		}
		for name, tc := range map[string]struct {
			token  string
			report feed.Report
		}{
			"no such stream": {secret, feed.Report{Session: session + 1}},
			"another's":      {rootToken, feed.Report{Session: session}},
			"may not follow": {reader, feed.Report{Session: session}},
		} {
			if err := s.client(tc.token).Report(t.Context(), tc.report); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		_ = st.Close()
		synctest.Wait()
		if got := s.server.Followers(); len(got) != 0 {
			t.Errorf("followers that left: %+v", got)
		}
	})
}

// TestReportsOfACopyUnderWay: who is being copied to stands in the tree as it
// reports, and takes no follower's place.
func TestReportsOfACopyUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.MaxFollowers = 1 })
		space := s.namespace("site").ID
		for i := range 40 { // more than lies between the two ends unread
			s.propose(put(space, fmt.Sprint(i), strings.Repeat("v", 60_000)))
		}
		c := s.client(rootToken)
		walk, err := c.Walk(t.Context(), feed.WalkRequest{})
		if err != nil {
			t.Fatal(err)
		}
		session := next[*feed.Hello](t, walk).Session
		report(t, c, feed.Report{Session: session, Ping: 1, Follower: feed.NodeInfo{ID: "new", Progress: "first copy"}}, true)
		if got := s.server.Followers(); len(got) != 1 || got[0].ID != "new" || got[0].Progress != "first copy" {
			t.Errorf("tree: %+v", got)
		}
		follower := openStream(t, c, feed.FollowRequest{After: s.position()})
		next[*feed.Hello](t, follower)
		if got := s.server.Followers(); len(got) != 2 {
			t.Errorf("%d nodes in the tree, want 2", len(got))
		}
		_, _ = walk.Close(), follower.Close()
		synctest.Wait()
		if got := s.server.Followers(); len(got) != 0 {
			t.Errorf("those that left: %+v", got)
		}
	})
}

func count(nodes []feed.Node) (n int) {
	for i := range nodes {
		n += 1 + count(nodes[i].Followers)
	}
	return n
}

func depth(nodes []feed.Node) (d int) {
	for i := range nodes {
		d = max(d, 1+depth(nodes[i].Followers))
	}
	return d
}

// TestRedirect holds who is sent on when there are too many followers, and where
// to: to who shares its token, or may do everything anyway. A node hands on the
// credentials of its clients to whom it follows, not only its own.
func TestRedirect(t *testing.T) {
	const replicate, admin = godwit.PermissionReplicate, godwit.PermissionAdmin
	limited, all := []string{"a"}, []string(nil)
	type token struct {
		permission godwit.Permission // "": the root token
		namespaces []string
	}
	relay := feed.NodeInfo{URL: "http://relay", Ready: true}
	for name, tc := range map[string]struct {
		follower token
		comer    *token        // nil: it has the follower's
		relay    feed.NodeInfo // what the follower tells of itself
		own      string        // the comer's URL
		filter   []string      // the follower's
		want     feed.EndReason
	}{
		"to one of its token":            {token{replicate, all}, nil, relay, "", nil, feed.EndRedirect},
		"to one of its limited token":    {token{replicate, limited}, nil, relay, "", nil, feed.EndRedirect},
		"to one of another token":        {token{replicate, all}, &token{replicate, all}, relay, "", nil, feed.EndRefused},
		"to one that can do less":        {token{replicate, all}, &token{admin, all}, relay, "", nil, feed.EndRefused},
		"to one that can do more":        {token{admin, all}, &token{replicate, all}, relay, "", nil, feed.EndRedirect},
		"to one that can do more of one": {token{admin, limited}, &token{replicate, limited}, relay, "", nil, feed.EndRefused},
		"to the root token's":            {token{}, &token{replicate, limited}, relay, "", nil, feed.EndRedirect},
		"from the root token to another": {token{admin, all}, &token{}, relay, "", nil, feed.EndRefused},
		"to itself":                      {token{replicate, all}, nil, relay, "http://relay", nil, feed.EndRefused},
		"to one that has no URL":         {token{replicate, all}, nil, feed.NodeInfo{Ready: true}, "", nil, feed.EndRefused},
		"to one that is not ready":       {token{replicate, all}, nil, feed.NodeInfo{URL: "http://relay"}, "", nil, feed.EndRefused},
		"to one that carries less":       {token{replicate, all}, nil, relay, "", limited, feed.EndRefused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.MaxFollowers = 1 })
				a := s.namespace("a").ID
				secretOf := func(of token) string {
					switch {
					case of.permission == "":
						return rootToken
					case of.namespaces != nil:
						secret, _ := s.token(of.permission, a)
						return secret
					}
					secret, _ := s.token(of.permission)
					return secret
				}
				first := secretOf(tc.follower)
				second := first
				if tc.comer != nil {
					second = secretOf(*tc.comer)
				}
				st := openStream(t, s.client(first), feed.FollowRequest{After: s.position(), Namespaces: tc.filter})
				report(t, s.client(first), feed.Report{Session: next[*feed.Hello](t, st).Session, Follower: tc.relay}, true)
				end := wantEnd(t, openStream(t, s.client(second), feed.FollowRequest{After: s.position(), URL: tc.own}), tc.want)
				if tc.want == feed.EndRedirect && end.Message != tc.relay.URL {
					t.Errorf("sent to %q", end.Message)
				}
				_ = st.Close()
				synctest.Wait()
				skip[*feed.Ready](t, openStream(t, s.client(second), feed.FollowRequest{After: s.position()}))
			})
		})
	}
}

// TestRedirectToOthers: a node that comes again while its old stream still counts is
// never sent on to itself, however few follow it.
func TestRedirectToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.MaxFollowers = 2 })
		follow := func(url string, followers ...feed.Node) {
			st := openStream(t, s.client(rootToken), feed.FollowRequest{After: s.position(), URL: url})
			report(t, s.client(rootToken), feed.Report{
				Session: next[*feed.Hello](t, st).Session, Follower: feed.NodeInfo{URL: url, Ready: true}, Followers: followers,
			}, true)
		}
		again := func(url, want string) {
			t.Helper()
			end := wantEnd(t, openStream(t, s.client(rootToken), feed.FollowRequest{After: s.position(), URL: url}), feed.EndRedirect)
			if end.Message != want {
				t.Errorf("%q is sent to %q, want %q", url, end.Message, want)
			}
		}
		long := "http://" + strings.Repeat("l", 300)
		follow("http://few")
		follow(long, feed.Node{})
		again("", "http://few")
		again("http://other", "http://few")
		again(long, "http://few")
		again("http://few", long[:256])
	})
}

// TestStreamsOfALimitedToken: it has so many, and leaves all other places to others.
func TestStreamsOfALimitedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		a := s.namespace("a").ID
		limited, _ := s.token(godwit.PermissionReplicate, a)
		another, _ := s.token(godwit.PermissionReplicate, a)
		all, _ := s.token(godwit.PermissionReplicate)
		follow := func(secret string) *feed.Stream {
			return openStream(t, s.client(secret), feed.FollowRequest{After: s.position()})
		}
		first := follow(limited)
		skip[*feed.Ready](t, first)
		for range feed.MaxLimitedFollowers - 1 {
			skip[*feed.Ready](t, follow(limited))
		}
		wantEnd(t, follow(limited), feed.EndRefused)
		skip[*feed.Ready](t, follow(another))
		for range feed.MaxLimitedFollowers + 1 {
			skip[*feed.Ready](t, follow(all))
		}
		_ = first.Close()
		synctest.Wait()
		skip[*feed.Ready](t, follow(limited))
	})
}

// TestWalksOfALimitedToken: it has half of the turns, and others need not wait for it.
func TestWalksOfALimitedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		space := s.namespace("site").ID
		for i := range 40 { // more than lies between the two ends unread
			s.propose(put(space, fmt.Sprint(i), strings.Repeat("v", 60_000)))
		}
		limited, _ := s.token(godwit.PermissionReplicate, space)
		all, _ := s.token(godwit.PermissionReplicate)
		walk := func(secret string) error {
			st, err := s.client(secret).Walk(t.Context(), feed.WalkRequest{})
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = st.Close() })
			next[*feed.Hello](t, st)
			return nil
		}
		for i, want := range []godwit.Code{0, 0, godwit.CodeTooManyRequests, godwit.CodeTooManyRequests} {
			if err := walk(limited); (err == nil) != (want == 0) || err != nil && godwit.CodeOf(err) != want {
				t.Errorf("walk %d: %v", i, err)
			}
		}
		for i, want := range []godwit.Code{0, 0, godwit.CodeTooManyRequests} {
			if err := walk(all); (err == nil) != (want == 0) || err != nil && godwit.CodeOf(err) != want {
				t.Errorf("walk %d of all: %v", i, err)
			}
		}
	})
}

// TestScope holds what a token limited to a namespace is told: nothing of others.
func TestScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		before := s.position()
		a, b := s.namespace("ours").ID, s.namespace("theirs").ID
		_, all := s.token(godwit.PermissionRead)
		secret, own := s.token(godwit.PermissionReplicate, a)
		_, both := s.token(godwit.PermissionRead, a, b)
		_, other := s.token(godwit.PermissionRead, b)
		s.propose(put(a, "k", "ours"), put(b, "k", "theirs"))
		want := []string{"namespace/" + a.String(), "token/" + all.ID, "token/" + own.ID, "token/" + both.ID, "k"}
		check := func(what string, records []godwit.Record) {
			t.Helper()
			var got []string
			for i := range records {
				got = append(got, records[i].Key)
				if records[i].Namespace == b || strings.Contains(fmt.Sprintf("%s %s", records[i].Key, records[i].Value.Inline), "theirs") {
					t.Errorf("%s tells of %+v", what, records[i])
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
				t.Errorf("%s tells of (-want +got):\n%s", what, diff)
			}
		}
		st := openStream(t, s.client(secret), feed.FollowRequest{After: before})
		if h := next[*feed.Hello](t, st); !slices.Equal(h.Carries.Namespaces, []godwit.NamespaceID{a}) {
			t.Errorf("carries %v", h.Carries)
		}
		check("a round", skip[*feed.Records](t, st).Records)
		skip[*feed.Ready](t, st)
		walk, err := s.client(secret).Walk(t.Context(), feed.WalkRequest{})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, "account", "account/"+testAccount)
		check("a walk", skip[*feed.Page](t, walk).Records)
		wantEnd(t, walk, feed.EndDone)
		want = []string{"token/" + other.ID}
		if err := s.catalog.RevokeToken(t.Context(), other.ID); err != nil {
			t.Fatal(err)
		}
		check("a batch", skip[*feed.Records](t, st).Records)
	})
}

// TestScopeHidesTitles: who asks with a token that is limited to namespaces hears of one
// that is there and of one that is not the same.
func TestScopeHidesTitles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		a, b := s.namespace("ours").ID, s.namespace("theirs").ID
		scoped, _ := s.token(godwit.PermissionReplicate, a)
		c := s.client(scoped)
		said := func(title string) string {
			end := wantEnd(t, openStream(t, c, feed.FollowRequest{After: s.position(), Namespaces: []string{title}}), feed.EndRefused)
			return strings.ReplaceAll(end.Message, title, "...")
		}
		if there, absent := said("theirs"), said("nobody"); there != absent {
			t.Errorf("one that is there: %q, one that is not: %q", there, absent)
		}
		read := func(ns godwit.NamespaceID) error {
			_, _, err := c.Entries(t.Context(), ns, []string{"k"}, feed.Filter{}, godwit.ReadOptions{})
			return err
		}
		if there, absent := read(b), read(godwit.NamespaceID{1}); godwit.CodeOf(there) != godwit.CodeForbidden || godwit.CodeOf(absent) != godwit.CodeForbidden {
			t.Errorf("a read of one that is there: %v, of one that is not: %v", there, absent)
		}
	})
}

// TestRequestsThatAreRefused walks what is asked for wrongly.
func TestRequestsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := feed.Filter{MaxValue: 100}
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.Carries = func() feed.Filter { return own } })
		a, b := s.namespace("a").ID, s.namespace("b").ID
		own.Namespaces = []godwit.NamespaceID{a}
		scoped, _ := s.token(godwit.PermissionReplicate, b)
		reader, _ := s.token(godwit.PermissionWrite)
		for name, tc := range map[string]struct {
			token string
			q     feed.FollowRequest
			want  feed.EndReason
		}{
			"all of one that has some":      {rootToken, feed.FollowRequest{MaxValue: 100}, feed.EndRefused},
			"values that it withholds":      {rootToken, feed.FollowRequest{Namespaces: []string{"a"}}, feed.EndRefused},
			"longer values than it has":     {rootToken, feed.FollowRequest{Namespaces: []string{"a"}, MaxValue: 101}, feed.EndRefused},
			"a namespace that it has not":   {rootToken, feed.FollowRequest{Namespaces: []string{"a", "b"}, MaxValue: 1}, feed.EndRefused},
			"a namespace that is not":       {rootToken, feed.FollowRequest{Namespaces: []string{"c"}, MaxValue: 1}, feed.EndRefused},
			"one that the token is not for": {scoped, feed.FollowRequest{Namespaces: []string{"a"}, MaxValue: 1}, feed.EndRefused},
			"what it has":                   {rootToken, feed.FollowRequest{Namespaces: []string{"a"}, MaxValue: 100}, 0},
			"less than it has":              {rootToken, feed.FollowRequest{Namespaces: []string{a.String(), "a"}, MaxValue: 9}, 0},
		} {
			tc.q.After = s.position()
			st := openStream(t, s.client(tc.token), tc.q)
			if tc.want != 0 {
				wantEnd(t, st, tc.want)
				continue
			}
			if h := next[*feed.Hello](t, st); !slices.Equal(h.Carries.Namespaces, []godwit.NamespaceID{a}) || h.Carries.MaxValue != tc.q.MaxValue {
				t.Errorf("%s: carries %v", name, h.Carries)
			}
		}
		if _, err := s.client(reader).Follow(t.Context(), feed.FollowRequest{}); godwit.CodeOf(err) != godwit.CodeForbidden {
			t.Errorf("a token that may not follow: %v", err)
		}
		for path, want := range map[string]int{
			"?after=x": 400, "?after=00:1": 400, "?after=" + strings.Repeat("00", 16) + ":0": 400, "?max_value=-1": 400, "?max_value=x": 400,
			"?namespaces=" + strings.Repeat("a,", 1001): 400, "?a=%zz": 400, "/walk?after=00": 400, "/walk?heads=2": 400, "/nothing": 404,
			"/walk?after=" + strings.Repeat("00", 16) + "/" + strings.Repeat("AAAA", 200): 400, "/report": 405,
		} {
			if got := s.status(http.MethodGet, path, ""); got != want {
				t.Errorf("GET %.40s: status %d, want %d", path, got, want)
			}
		}
		for path, want := range map[string]int{"": 405, "/report": 400, "/walk": 400, "/walk?namespaces=b": 403} {
			body := "{"
			if strings.Contains(path, "b") && path != "/report" {
				body = "\x00"
			}
			if got := s.status(http.MethodPost, path, body); got != want {
				t.Errorf("POST %s: status %d, want %d", path, got, want)
			}
		}
	})
}
