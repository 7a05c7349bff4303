package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// TestClock: a clock that is off is set right by the upstream's, in steps no
// smaller than what can be known; nonsense is ignored.
func TestClock(t *testing.T) {
	for _, tc := range []struct {
		name   string
		skew   time.Duration // of this machine
		round  time.Duration // the answer takes
		clock  func() int64
		offset time.Duration
	}{
		{name: "right", offset: 0},
		{name: "a little off", skew: 9 * time.Millisecond, offset: 0},
		{name: "behind", skew: -time.Hour, offset: time.Hour},
		{name: "ahead", skew: 30 * time.Second, offset: -30 * time.Second},
		{name: "half of the way is added", skew: -time.Minute, round: 200 * time.Millisecond, offset: time.Minute + 100*time.Millisecond - 200*time.Millisecond},
		{name: "less off than the answer took", skew: -90 * time.Millisecond, round: 300 * time.Millisecond, offset: 0},
		{name: "hardly more off than a long answer took", skew: -910 * time.Millisecond, round: 900 * time.Millisecond, offset: 10 * time.Millisecond},
		{name: "as much behind a long answer", skew: 20 * time.Millisecond, round: 900 * time.Millisecond, offset: -20 * time.Millisecond},
		{name: "no clock", clock: func() int64 { return 0 }},
		{name: "the end of time", clock: func() int64 { return 1 << 61 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				n, u, s := following(t, options{at: 100, skew: tc.skew})
				defer n.stop()
				clock := time.Now().UnixMilli()
				if tc.clock != nil {
					clock = tc.clock()
				}
				time.Sleep(tc.round)
				s.send(&feed.Heartbeat{Revision: 100, Ping: u.lastReport().Ping, Clock: clock})
				if got := n.clock.Offset(); got != tc.offset {
					t.Errorf("offset %v, want %v", got, tc.offset)
				}
				far := 0
				if tc.offset.Abs() > 10*time.Second {
					far = 1
				}
				if got := n.logs.Count("clock is far"); got != far {
					t.Errorf("%d log lines, want %d", got, far)
				}
			})
		})
	}
}

// TestClockIsKept: a node that starts while its upstream is away goes by the
// correction it had: its own clock would have it sweep entries too early.
func TestClockIsKept(t *testing.T) {
	world(t, func(t *testing.T) {
		o := options{at: 100, skew: 4 * time.Second, fs: store.NewMemFS()}
		n, u, s := following(t, o)
		s.send(&feed.Heartbeat{Revision: 100, Ping: u.lastReport().Ping, Clock: time.Now().UnixMilli()})
		n.stop()
		o.at, o.net = 0, newNetwork()
		o.upstream = []*upstream{startUpstream(t, o.net, "gone")}
		n = start(t, o)
		defer n.stop()
		if got := n.clock.Offset(); got != -4*time.Second {
			t.Errorf("offset %v after a start, want -4s", got)
		}
	})
}

// TestClockBeforeTheFirstCopy: the clock is right before anything is copied: by
// one that is ahead what has not expired would be swept, and be missing for good.
func TestClockBeforeTheFirstCopy(t *testing.T) {
	for _, skew := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		world(t, func(t *testing.T) {
			net := newNetwork()
			u := startUpstream(t, net, "centre")
			session := put(ns1, "session", "v", 50)
			session.Expiration = time.Now().Unix() + 60
			now := func() *feed.Hello {
				h := hello(100)
				h.Clock = time.Now().UnixMilli()
				return h
			}
			u.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/walk") {
					return false
				}
				w.Header().Set("Content-Type", feed.ContentType)
				_, _ = w.Write(encode(t, now(), &feed.Page{Revision: 100, Done: true, Records: []godwit.Record{session}}, &feed.End{Reason: feed.EndClosing}))
				return true
			}
			n := start(t, options{net: net, skew: skew, upstream: []*upstream{u}})
			defer n.stop()
			u.next().send(now(), &feed.End{Reason: feed.EndTooOld})
			s := u.next()
			time.Sleep(2 * time.Second)
			s.send(now(), ready(100))
			if !n.Exact() {
				t.Error("not exact")
			}
			n.holdsKey(ns1, "session", true)
			n.holds(ns1, "session=v")
		})
	}
}

// TestClockIsSetRight: that the machine's clock is put right, or jumps, neither drops nor
// shows what the upstream's time does not, with an upstream or without.
func TestClockIsSetRight(t *testing.T) {
	for name, tc := range map[string]struct{ skew, jump time.Duration }{
		"it was behind":            {-time.Hour, time.Hour},
		"it was ahead":             {time.Hour, -time.Hour},
		"it is ahead":              {0, 24 * time.Hour},
		"it was in another decade": {75 * 365 * 24 * time.Hour, -75 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				n, u, s := following(t, options{at: 100, skew: tc.skew})
				defer n.stop()
				tell := func(seconds int, clock func() int64) {
					for range seconds {
						s.send(&feed.Heartbeat{Revision: 102, Ping: u.lastReport().Ping, Clock: clock()})
						time.Sleep(time.Second)
					}
				}
				now, nothing := func() int64 { return time.Now().UnixMilli() }, func() int64 { return 0 }
				soon, later := put(ns1, "soon", "v", 101), put(ns1, "later", "v", 102)
				soon.Expiration, later.Expiration = time.Now().Unix()+20, time.Now().Unix()+2000
				s.send(&feed.Records{Prev: 100, Revision: 102, Records: []godwit.Record{soon, later}})
				tell(1, now)
				n.jump.Store(int64(tc.jump))
				tell(10, nothing)
				n.holdsKey(ns1, "soon", true)
				n.holds(ns1, "later=v soon=v")
				tell(15, nothing)
				n.holds(ns1, "later=v")
				tell(1, now)
				if got := n.clock.Offset(); got != -tc.skew-tc.jump {
					t.Errorf("offset %v, want %v", got, -tc.skew-tc.jump)
				}
			})
		})
	}
}

// TestNothingEndsUnheard: a node that starts while its upstream is away hides by its own
// clock what that says has ended, and drops none of it: the clock may be put right.
func TestNothingEndsUnheard(t *testing.T) {
	world(t, func(t *testing.T) {
		o := options{at: 100, fs: store.NewMemFS()}
		n, _, s := following(t, o)
		session := put(ns1, "session", "v", 101)
		session.Expiration = time.Now().Unix() + 3600
		s.send(&feed.Records{Prev: 100, Revision: 101, Records: []godwit.Record{session}})
		n.stop()
		o.at, o.net, o.skew = 0, newNetwork(), 2*time.Hour
		o.upstream = []*upstream{startUpstream(t, o.net, "gone")}
		n = start(t, o)
		defer n.stop()
		time.Sleep(10 * time.Second)
		n.holdsKey(ns1, "session", false)
		n.jump.Store(int64(-2 * time.Hour))
		n.holds(ns1, "session=v")
	})
}
