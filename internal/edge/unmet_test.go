package edge_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// TestFrameFromTheFuture: nothing is taken of a frame that is far beyond what the
// upstream says of its log.
func TestFrameFromTheFuture(t *testing.T) {
	for name, f := range map[string]feed.Frame{
		"round": round(100, put(ns1, "a", "x", godwit.MaxRevision)),
		"batch": batch(100, put(ns1, "a", "x", godwit.MaxRevision)),
		"ready": ready(godwit.MaxRevision),
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				u := startUpstream(t, net, "centre")
				n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
				defer n.stop()
				s := u.next()
				s.send(hello(120), ready(100), f)
				if !s.over() {
					t.Error("the stream goes on")
				}
				u.next().send(hello(120), ready(120))
				n.at(120)
				n.holds(ns1, "")
				if !n.Exact() {
					t.Errorf("status %+v", n.Status())
				}
			})
		})
	}
}

// TestOffTheLineage: whoever cannot go on from where the store is ends the stream, and
// sends nothing that is to be taken.
func TestOffTheLineage(t *testing.T) {
	other := hello(120)
	other.Lineage = godwit.Lineage{{ID: godwit.EpochID{7}, First: 10}}
	for name, tt := range map[string]struct {
		at    godwit.Revision
		hello *feed.Hello
		then  feed.Frame
	}{
		"ready of another log":   {100, other, ready(120)},
		"records of another log": {100, other, batch(100, put(ns1, "a", "x", 110))},
		"ready for nothing":      {0, hello(120), ready(120)},
		"round for nothing":      {0, hello(120), round(0, put(ns1, "a", "x", 110))},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				u := startUpstream(t, net, "centre")
				n := start(t, options{net: net, at: tt.at, upstream: []*upstream{u}})
				defer n.stop()
				s := u.next()
				s.send(tt.hello, tt.then)
				if !s.over() || n.Exact() {
					t.Errorf("the stream is over: %t, status %+v", s.over(), n.Status())
				}
				n.at(tt.at)
				n.holds(ns1, "")
			})
		})
	}
}

// TestEpochFarAbove: a new epoch may begin far above all before it.
func TestEpochFarAbove(t *testing.T) {
	world(t, func(t *testing.T) {
		const first = 1 << 50
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		h := hello(100)
		h.Lineage = godwit.Lineage{epoch1, {ID: godwit.EpochID{2}, First: first, After: 100}}
		s.send(hello(100), ready(100), h, round(100, put(ns1, "a", "1", first+1)), ready(first+1))
		n.at(first + 1)
		n.holds(ns1, "a=1")
	})
}

// TestAheadOfTheLog: a store that holds what the log never comes to, since an upstream
// has said what is not so, becomes a copy anew. It waits as long as the upstream may not
// have heard of it.
func TestAheadOfTheLog(t *testing.T) {
	for _, restart := range []bool{false, true} {
		world(t, func(t *testing.T) {
			net := newNetwork()
			fs := store.NewMemFS()
			u := startUpstream(t, net, "centre")
			began := u.walks([]feed.Frame{hello(120), page(true, 120), &feed.End{Reason: feed.EndDone}}, nil)
			n := start(t, options{net: net, fs: fs, at: 100, upstream: []*upstream{u}})
			defer func() { n.stop() }()
			s := u.next()
			s.send(hello(120), ready(100), round(100, put(ns1, "a", "x", 100_000)), ready(120))
			for range 60 {
				time.Sleep(time.Second)
				s.send(u.heartbeat(120, time.Hour))
			}
			if n.Exact() || len(began()) > 0 {
				t.Errorf("exact %t, after %d walks", n.Exact(), len(began()))
			}
			if u.beats(s, 120, 10*time.Second); len(began()) == 0 {
				u.beats(s, 120, 50*time.Second)
			}
			if s = u.next(); len(began()) != 1 {
				t.Fatalf("%d walks", len(began()))
			}
			if restart {
				n.stop()
				n = start(t, options{net: net, fs: fs, upstream: []*upstream{u}})
				s = u.next()
			}
			s.send(hello(120), ready(120))
			synctest.Wait()
			if st := n.Status(); !n.Exact() || !strings.Contains(n.logs.String(), "following upstream") {
				t.Errorf("restarted %t: status %+v", restart, st)
			}
			n.holds(ns1, "")
		})
	}
}
