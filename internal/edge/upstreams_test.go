package edge_test

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// TestFailover: an edge moves on to its next upstream at once, goes on from where
// it stands, and comes back to the first once that is in order again.
func TestFailover(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
		defer n.stop()
		s := first.next()
		s.send(hello(100), ready(100))
		first.beats(s, 100, 2*time.Second)
		look := second.next() // whether it is of a later generation
		look.send(hello(100))
		first.beats(s, 100, time.Second)
		if !look.over() || s.over() {
			t.Errorf("it looked and went on %t, it left for one that is no later %t", look.over(), s.over())
		}
		was := time.Now()
		net.cut("first", true)
		s = second.next()
		if took := time.Since(was); took > 100*time.Millisecond {
			t.Errorf("it took %v to move on", took)
		}
		s.send(hello(101), ready(100), batch(100, put(ns1, "key", "value", 101)))
		n.at(101)
		second.beats(s, 101, 40*time.Second)
		if s.over() {
			t.Fatal("it left an upstream that was in order for one that is away")
		}
		net.up("first")
		for range 40 {
			if second.beats(s, 101, time.Second); !first.idle() {
				first.next().send(hello(101), ready(101), &feed.Heartbeat{Revision: 101})
				break
			}
		}
		if !s.over() {
			t.Fatal("it does not come back to the upstream that it prefers")
		}
		first.next().send(hello(101), ready(101))
		if got := n.Status().Upstream; got != first.url() {
			t.Errorf("it follows %s", got)
		}
	})
}

// TestUnwilling: upstreams that are behind, suspended, closing or that refuse are
// passed over; an edge never goes back for one that does not own the log.
func TestUnwilling(t *testing.T) {
	relay := func(frames ...feed.Frame) []feed.Frame {
		h := hello(50)
		h.Owner = false
		return append([]feed.Frame{h}, frames...)
	}
	for name, frames := range map[string][]feed.Frame{
		"behind":           relay(&feed.End{Reason: feed.EndAhead}),
		"diverged, behind": relay(&feed.End{Reason: feed.EndDiverged}),
		"too old, behind":  relay(&feed.End{Reason: feed.EndTooOld}),
		"suspended":        relay(&feed.End{Reason: feed.EndSuspended}),
		"closing":          {&feed.End{Reason: feed.EndClosing}},
		"refuses":          {&feed.End{Reason: feed.EndRefused, Message: "no"}},
		"no hello":         {ready(100)},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
				n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
				defer n.stop()
				first.next().send(frames...)
				second.next().send(hello(100), ready(100))
				if !n.Exact() || n.Status().Upstream != second.url() {
					t.Errorf("status %+v", n.Status())
				}
				if got := n.happened(); got != "" {
					t.Errorf("happened %q", got)
				}
			})
		})
	}
}

// TestMayReplace: who may take a store off its line.
func TestMayReplace(t *testing.T) {
	a, b := godwit.Epoch{ID: godwit.EpochID{1}, First: 10}, godwit.Epoch{ID: godwit.EpochID{2}, First: 500}
	old := godwit.Epoch{ID: godwit.EpochID{3}, First: 5}
	at := godwit.Position{Epoch: a.ID, Revision: 100}
	for _, tc := range []struct {
		name  string
		hello feed.Hello
		at    godwit.Position
		want  bool
	}{
		{"the owner, whatever it says", feed.Hello{Owner: true, Revision: 50, Lineage: godwit.Lineage{old}}, at, true},
		{"a relay, for an empty store", feed.Hello{Revision: 50, Lineage: godwit.Lineage{a}}, godwit.Position{}, true},
		{"a relay that is ahead", feed.Hello{Revision: 200, Lineage: godwit.Lineage{a}}, at, true},
		{"a relay that is behind", feed.Hello{Revision: 99, Lineage: godwit.Lineage{a}}, at, false},
		{"a relay whose log went on in a new epoch", feed.Hello{Revision: 600, Lineage: godwit.Lineage{a, b}}, at, true},
		{"a relay that has forgotten our epoch", feed.Hello{Revision: 600, Lineage: godwit.Lineage{b}}, at, true},
		{"a relay of before our epoch", feed.Hello{Revision: 99, Lineage: godwit.Lineage{old}}, at, false},
		{"a relay without a log", feed.Hello{Revision: 600}, at, false},
	} {
		if got := edge.MayReplace(&tc.hello, tc.at, 3); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

// TestRedirect: an edge goes where it is sent, and not for ever.
func TestRedirect(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		centre, relay := startUpstream(t, net, "centre"), startUpstream(t, net, "relay")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{centre}})
		defer n.stop()
		centre.next().send(hello(100), &feed.End{Reason: feed.EndRedirect, Message: relay.url()})
		s := relay.next()
		s.send(hello(100), ready(100))
		if got := n.Status(); !got.Connected || got.Upstream != relay.url() {
			t.Errorf("status %+v", got)
		}
		close(s.out)
		for range 4 {
			centre.next().send(hello(100), &feed.End{Reason: feed.EndRedirect, Message: centre.url()})
		}
		if p := n.Status().Problem; p == "" {
			t.Error("it is sent around for ever")
		}
		for _, bad := range []string{"", "relay", "ftp://relay", "http://user:secret@relay", "http://relay/?x=y"} {
			centre.next().send(hello(100), &feed.End{Reason: feed.EndRedirect, Message: bad})
		}
		if !relay.idle() {
			t.Error("it went where no URL says")
		}
		if n.logs.Count("secret") != 0 || n.logs.Count("token") != 0 {
			t.Error("the log holds a secret")
		}
	})
}

// TestRedirectToItself: an edge that is sent to itself does not go, says so, and asks
// its upstreams again.
func TestRedirectToItself(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		first, second, own := startUpstream(t, net, "first"), startUpstream(t, net, "second"), startUpstream(t, net, "own")
		self := func() feed.NodeInfo { return feed.NodeInfo{URL: own.url()} }
		n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}, cfg: edge.Config{Self: self}})
		defer n.stop()
		for _, url := range []string{own.url(), own.url() + "/"} {
			s := first.next()
			if got := s.query.Get("url"); got != own.url() {
				t.Errorf("it says that it is at %q", got)
			}
			s.send(hello(100), &feed.End{Reason: feed.EndRedirect, Message: url})
			second.next().send(hello(100), &feed.End{Reason: feed.EndSuspended})
		}
		if !own.idle() {
			t.Fatal("it follows itself")
		}
		if n.logs.Count("sends this node to itself") != 1 || n.Status().Connected {
			t.Errorf("status %+v", n.Status())
		}
		first.next().send(hello(100), ready(100))
		if got := n.Status(); got.Upstream != first.url() || got.Problem != "" {
			t.Errorf("status %+v", got)
		}
	})
}

// TestHalfOpen: an edge whose connections broke without its upstream's knowing, which
// has no room for another follower, comes back once it knows, and asks itself nothing
// meanwhile.
func TestHalfOpen(t *testing.T) {
	world(t, func(t *testing.T) {
		c := &chain{T: t, net: newNetwork()}
		c.centre = openCentreAs(t, c.net, store.NewMemFS(), func(cfg *feed.ServerConfig) { cfg.MaxFollowers = 1 })
		defer c.centre.stop()
		c.ns = c.centre.namespace("a")
		self := func() feed.NodeInfo { return feed.NodeInfo{URL: "http://relay"} }
		c.relay = startEdge(t, c.net, nil, edge.Config{Token: rootToken, Self: self}, c.centre.serving)
		defer c.relay.stop()
		c.relays = c.relay.relay(c.net, "relay")
		defer c.relays.die()
		asked := false
		c.relays.wrapped(func(w http.ResponseWriter, r *http.Request, _ func(http.ResponseWriter)) {
			asked = true
			http.NotFound(w, r)
		})
		time.Sleep(5 * time.Second)
		c.net.hang("centre")
		time.Sleep(5 * time.Second)
		if synctest.Wait(); len(c.centre.feed.Followers()) != 1 || c.relay.Status().Connected {
			t.Fatalf("the centre sees %+v", c.centre.feed.Followers())
		}
		time.Sleep(25 * time.Second)
		if r, err := c.write(c.relay, c.put("k", "v")); err != nil || r.Outcome != godwit.Applied {
			t.Errorf("write: %+v, %v", r, err)
		}
		c.relay.equals(c.centre)
		if got := c.relay.Status(); got.Upstream != c.centre.url() || !got.Connected || asked {
			t.Errorf("it asked itself %t, status %+v", asked, got)
		}
	})
}

// TestStaleRelay: a relay that is cut off from the centre does not look fresh, and
// is left for another upstream; not over and over if that is no better.
func TestStaleRelay(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
		defer n.stop()
		began := time.Now()
		visits := map[*upstream]int{}
		for time.Since(began) < 3*time.Minute {
			var u *upstream
			var s *stream
			select {
			case s = <-first.streams:
				u = first
			case s = <-second.streams:
				u = second
			}
			if s.over() { // it only looked
				continue
			}
			visits[u]++
			s.send(hello(100), ready(100))
			for !s.over() && time.Since(began) < 3*time.Minute {
				s.send(u.heartbeat(100, time.Since(began)))
				if d, ok := n.Staleness(); ok && d < time.Since(began)-time.Second {
					t.Fatalf("staleness %v after %v", d, time.Since(began))
				}
				time.Sleep(time.Second)
			}
		}
		if v := visits[first] + visits[second]; visits[second] == 0 || v > 12 {
			t.Errorf("%d visits of the first, %d of the second", visits[first], visits[second])
		}
	})
}

// TestBreaker: a request that finds nobody makes the upstream count as away at
// once, and what was on its way to it ends; a report that arrives brings it back.
// Any other failure does not.
func TestBreaker(t *testing.T) {
	world(t, func(t *testing.T) {
		nw := newNetwork()
		u := startUpstream(t, nw, "centre")
		n := start(t, options{net: nw, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(100), ready(100))
		c := n.Asks()
		n.Lost(c, errors.New("some request took too long"))
		if n.Asks() != c {
			t.Fatal("away because one request failed")
		}
		ctx, cancel := n.Bind(t.Context(), c)
		defer cancel()
		if ctx.Err() != nil {
			t.Fatal("requests end though the upstream is there")
		}
		n.Lost(c, &net.OpError{Op: "dial", Err: errors.New("refused")})
		if synctest.Wait(); ctx.Err() == nil {
			t.Error("a request waits for who is away")
		}
		time.Sleep(100 * time.Millisecond)
		if synctest.Wait(); n.Asks() != c {
			t.Error("the upstream answers again, and counts as away")
		}
		ctx, cancel = n.Bind(t.Context(), c)
		defer cancel()
		if ctx.Err() != nil {
			t.Error("requests end though the upstream is back")
		}
	})
}

// TestStaleness holds the arithmetic: what the upstream says of itself, and what
// passed here since the ping that it echoes; never less because time was lost on
// the way.
func TestStaleness(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "relay")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}, skew: -time.Hour})
		defer n.stop()
		want := func(what string, want time.Duration) {
			t.Helper()
			if got, ok := n.Staleness(); !ok || got != want {
				t.Errorf("%s: staleness %v %t, want %v", what, got, ok, want)
			}
		}
		s := u.next()
		s.send(hello(100))
		s.send(u.heartbeat(100, 0))
		if _, ok := n.Staleness(); ok {
			t.Error("known before Ready")
		}
		s.send(ready(100))
		s.send(&feed.Heartbeat{Revision: 100})
		s.send(&feed.Heartbeat{Revision: 100, Ping: 99})
		if _, ok := n.Staleness(); ok || n.Age() < 365*24*time.Hour {
			t.Error("known without an echo")
		}
		ping := u.lastReport().Ping
		time.Sleep(300 * time.Millisecond)
		s.send(&feed.Heartbeat{Revision: 100, Ping: ping, Age: 2 * time.Second})
		want("an echo after 300 ms", 2300*time.Millisecond)
		if n.Age() != 2300*time.Millisecond {
			t.Errorf("age %v", n.Age())
		}
		time.Sleep(500 * time.Millisecond)
		s.send(&feed.Heartbeat{Revision: 100, Ping: ping, Age: 2500 * time.Millisecond})
		want("the same echo again", 2800*time.Millisecond)
		time.Sleep(300 * time.Millisecond) // a report goes out at 1 s
		s.send(&feed.Heartbeat{Revision: 101, Ping: u.lastReport().Ping})
		want("an upstream that holds more than it has sent", 3100*time.Millisecond)
		s.send(&feed.Heartbeat{Revision: 100, Ping: u.lastReport().Ping, Age: time.Millisecond << 40})
		want("an upstream that knows nothing", 3100*time.Millisecond)
		s.send(&feed.Heartbeat{Revision: 100, Ping: u.lastReport().Ping})
		if d, ok := n.Staleness(); !ok || d > 100*time.Millisecond {
			t.Errorf("staleness %v %t", d, ok)
		}
		s.send(round(100, put(ns1, "key", "value", 105)))
		if n.Fresh(time.Hour) || n.Age() < 365*24*time.Hour {
			t.Error("fresh in the middle of a round")
		}
	})
}

// TestUnsteady: an upstream that fails some time after each Ready is left for the next
// one, and is tried again ever more seldom, though it is preferred.
func TestUnsteady(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
		defer n.stop()
		visits, s := 0, (*stream)(nil) // of the second, while that is followed
		for began := time.Now(); time.Since(began) < 20*time.Minute; {
			if s != nil {
				second.beats(s, 100, time.Second)
			}
			if s != nil && first.idle() {
				continue
			}
			if f := first.next(); !follows(f) { // it only looked
				continue
			} else if first.beats(f, 100, 2*time.Second); !f.over() {
				close(f.out)
			}
			visits++
			for s = second.next(); !follows(s); s = second.next() {
			}
		}
		if visits < 3 || visits > 8 {
			t.Errorf("%d visits in twenty minutes", visits)
		}
	})
}

// TestComeback: what an upstream that is preferred has cost is not forgotten by a look that
// falls into a short visit of it; it is once it is followed for long.
func TestComeback(t *testing.T) {
	var c edge.Comeback
	now := time.Now()
	for _, tt := range []struct {
		after time.Duration
		index int
		leave bool // may the upstream be left
	}{
		{0, 1, true},
		{time.Second, 0, false},
		{time.Second, 1, false},
		{time.Minute, 1, true},
		{time.Minute, 1, false},
		{time.Minute, 1, true},
		{4 * time.Minute, 0, true}, // it has stayed
		{time.Second, 1, true},
		{time.Minute, 1, true}, // as at first
	} {
		now = now.Add(tt.after)
		c.Follows(tt.index, now)
		due := c.Due(now)
		if due != tt.leave {
			t.Errorf("%v later at %d: to be left: %t", tt.after, tt.index, due)
		}
		if due && tt.index > 0 {
			c.Leaves(tt.index, now)
		}
	}
}

// follows answers a stream, and tells whether its follower has come to stay.
func follows(s *stream) bool {
	if !s.over() {
		s.send(hello(100))
	}
	if !s.over() {
		s.send(ready(100), &feed.Heartbeat{Revision: 100})
	}
	return !s.over()
}

// TestUnsteadyAlone: where there is no other upstream, one that fails some time after
// each Ready is followed again soon, and the log does not fill up.
func TestUnsteadyAlone(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		lines := n.logs.Count("following upstream")
		for range 40 {
			u.beats(s, 100, 2*time.Second)
			close(s.out)
			left := time.Now()
			s = u.next()
			if took := time.Since(left); took > time.Second {
				t.Fatalf("it took %v to come back", took)
			}
			s.send(hello(100), ready(100))
		}
		if n.Status().Problem != "" || !n.Exact() {
			t.Errorf("status %+v", n.Status())
		}
		if got := n.logs.Count("following upstream") - lines; got < 2 || got > 8 {
			t.Errorf("%d log lines in two minutes", got)
		}
	})
}
