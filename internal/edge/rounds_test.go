package edge_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// TestRound: while a round is under way the store is mixed and everyone knows; at
// its Ready it is exact. What is here already is skipped.
func TestRound(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(120), ready(100), batch(100, put(ns1, "a", "old", 101), put(ns1, "b", "old", 102)))
		s.send(u.heartbeat(102, 0))
		n.happened()
		s.send(round(102, put(ns1, "a", "new", 110)))
		if n.Exact() || n.Fresh(time.Hour) {
			t.Error("exact in the middle of a round")
		}
		s.send(round(110, del(ns1, "b", 115), put(ns1, "c", "new", 118)))
		n.at(102)
		s.send(ready(120))
		n.at(120)
		n.holds(ns1, "a=new c=new")
		if !n.Exact() || n.Fresh(time.Hour) != true {
			t.Errorf("exact %t, fresh %t", n.Exact(), n.Fresh(time.Hour))
		}
		if got, want := n.happened(), "Mixed mixed(102-102) mixed(102-102) mixed(102-120) Exact(false)"; got != want {
			t.Errorf("happened %q, want %q", got, want)
		}
		s.send(batch(120, put(ns1, "d", "new", 121)))
		if got, want := n.happened(), "commit(120-121)"; got != want {
			t.Errorf("happened %q, want %q", got, want)
		}
	})
}

// TestRoundThatIsCut: what a round has brought in stays, and the store is exact
// only beyond it, even if the next upstream is behind the one that it came from,
// and sends single batches.
func TestRoundThatIsCut(t *testing.T) {
	for _, restart := range []bool{false, true} {
		world(t, func(t *testing.T) {
			net := newNetwork()
			fs := store.NewMemFS()
			u := startUpstream(t, net, "first")
			n := start(t, options{net: net, fs: fs, at: 100, upstream: []*upstream{u}})
			s := u.next()
			s.send(hello(200), ready(100), round(100, put(ns1, "a", "late", 150), put(ns1, "b", "late", 180)))
			close(s.out)
			s = u.next()
			if restart {
				n.stop()
				n = start(t, options{net: net, fs: fs, upstream: []*upstream{u}})
				s = u.next()
			}
			defer n.stop()
			if got := s.query.Get("after"); got != epoch1.ID.String()+":100" {
				t.Errorf("it goes on after %q", got)
			}
			if !n.Ready() || n.Exact() {
				t.Errorf("ready %t, exact %t", n.Ready(), n.Exact())
			}
			s.send(hello(160), ready(100))
			s.send(batch(100, put(ns1, "a", "early", 120), put(ns1, "c", "early", 121)))
			n.at(121)
			n.holds(ns1, "a=late b=late c=early")
			s.send(ready(160))
			if n.Exact() {
				t.Error("exact at 160, with a key of 180")
			}
			s.send(batch(160, del(ns1, "c", 170)))
			s.send(batch(170, put(ns1, "b", "late", 180)))
			if !n.Exact() {
				t.Error("not exact at 180")
			}
			n.holds(ns1, "a=late b=late")
		})
	}
}

// TestNewEpoch: an upstream that goes on in a new epoch says so before the first
// record of it, and the store can tell from then on.
func TestNewEpoch(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(100), ready(100))
		again := hello(500)
		epoch2 := godwit.Epoch{ID: godwit.EpochID{2}, First: 500}
		again.Lineage = godwit.Lineage{epoch1, epoch2}
		s.send(again, &feed.Records{Prev: 100, Revision: 500, Time: 1000}, batch(500, put(ns1, "key", "value", 501)))
		n.at(501)
		close(s.out)
		if got, want := u.next().query.Get("after"), epoch2.ID.String()+":501"; got != want {
			t.Errorf("it goes on after %q, want %q", got, want)
		}
	})
}

// TestRestartInAnOutage: what is here is served at once, and nobody is told that
// it is more than it is.
func TestRestartInAnOutage(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		fs := store.NewMemFS()
		o := options{net: net, fs: fs, at: 100, upstream: []*upstream{startUpstream(t, net, "centre")}}
		n := start(t, o)
		s := o.upstream[0].next()
		s.send(hello(100), ready(100), batch(100, put(ns1, "key", "value", 101)))
		n.stop()
		net.cut("centre", true)
		o.at = 0
		n = start(t, o)
		defer n.stop()
		if !n.Ready() || n.Exact() || n.Fresh(time.Hour) {
			t.Errorf("ready %t, exact %t, fresh %t", n.Ready(), n.Exact(), n.Fresh(time.Hour))
		}
		if _, ok := n.Staleness(); ok || n.Status().Staleness >= 0 {
			t.Error("staleness is known")
		}
		n.at(101)
		n.holds(ns1, "key=value")
		if !n.HoldsNamespace(ns1) {
			t.Error("it has forgotten what it carries")
		}
		time.Sleep(time.Second)
		if synctest.Wait(); n.Asks() != nil {
			t.Error("the upstream counts as there")
		}
	})
}

// TestEmptyStore: before its first copy a node is not ready, upstream or not, and
// holds nothing of any namespace.
func TestEmptyStore(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, upstream: []*upstream{u}})
		defer n.stop()
		if q := u.next().query; q.Has("after") || q.Has("cluster") {
			t.Errorf("it asks for %v", q)
		}
		if n.Ready() || n.Exact() || n.HoldsNamespace(ns1) || n.HoldsNamespace(godwit.SystemNamespace) {
			t.Error("an empty store is ready")
		}
	})
}

// TestFullDisk: nothing is applied below the reserve, deletions alone are; the
// edge says so once, and goes on by itself when there is room.
func TestFullDisk(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		fs := store.NewMemFS()
		storetest.SetDiskUsage(fs, 1<<40, 1<<39)
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, fs: fs, at: 100, upstream: []*upstream{u}, reserve: 1 << 20})
		defer n.stop()
		s := u.next()
		s.send(hello(100), ready(100), batch(100, put(ns1, "a", "1", 101), put(ns1, "b", "1", 102)))
		s.send(u.heartbeat(102, 0))
		storetest.SetDiskUsage(fs, 1<<40, 1<<10)
		time.Sleep(100 * time.Millisecond)
		s.send(batch(102, del(ns1, "a", 103)))
		n.at(103)
		s.send(batch(103, put(ns1, "a", "2", 104)))
		n.at(103)
		for range 20 {
			s = u.next()
			s.send(hello(104), ready(103), batch(103, put(ns1, "a", "2", 104)))
		}
		n.at(103)
		if p := n.Status().Problem; !strings.Contains(p, "disk is full") || n.Asks() == nil {
			t.Errorf("problem %q", p)
		}
		if got := n.logs.Count("disk is full"); got != 1 {
			t.Errorf("%d log lines", got)
		}
		if d, _ := n.Staleness(); d < 2*time.Second || !n.Exact() {
			t.Errorf("staleness %v, exact %t", d, n.Exact())
		}
		storetest.SetDiskUsage(fs, 1<<40, 1<<39)
		s = u.next()
		s.send(hello(104), ready(103), batch(103, put(ns1, "a", "2", 104)))
		n.at(104)
		n.holds(ns1, "a=2 b=1")
		if n.Status().Problem != "" {
			t.Errorf("problem %q", n.Status().Problem)
		}
	})
}
