package edge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// TestStop: a copy that is stopped goes no further, then up to a commit of the
// upstream's, and then on.
func TestStop(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(100), ready(100))
		n.Stop()
		s.send(batch(100, put(ns1, "a", "1", 101)), batch(101, put(ns1, "b", "1", 102)), batch(102, put(ns1, "c", "1", 105)))
		n.at(100)
		if err := n.StopAt(t.Context(), 102); err != nil {
			t.Errorf("at 102: %v", err)
		}
		n.at(102)
		n.holds(ns1, "a=1 b=1")
		time.Sleep(time.Minute)
		n.at(102)
		if err := n.StopAt(t.Context(), 103); !errors.Is(err, edge.ErrPassed) {
			t.Errorf("in the middle of a commit: %v", err)
		}
		if err := n.StopAt(t.Context(), 101); !errors.Is(err, edge.ErrPassed) {
			t.Errorf("behind: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.StopAt(ctx, 110); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at what has not come: %v", err)
		}
		n.at(105)
		n.GoOn()
		n.holds(ns1, "a=1 b=1 c=1")
	})
}

// TestStopInRound: a round that goes past the revision cannot be stopped in, and a
// copy that is stopped does not become another one.
func TestStopInRound(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(110), ready(100))
		n.Stop()
		s.send(round(100, put(ns1, "a", "1", 104)), round(104, put(ns1, "b", "1", 108)), ready(108))
		if err := n.StopAt(t.Context(), 105); !errors.Is(err, edge.ErrPassed) {
			t.Errorf("in a round: %v", err)
		}
		n.GoOn()
		n.at(108)
		n.Stop()
		s.send(&feed.End{Reason: feed.EndTooOld})
		time.Sleep(10 * time.Second)
		if synctest.Wait(); n.store.Mixed() || strings.Contains(n.happened(), "walk") {
			t.Error("it becomes a copy while it is stopped")
		}
		n.at(108)
		n.GoOn()
		time.Sleep(5 * time.Second)
		if n.logs.Count("reconcile: walking") == 0 {
			t.Error("released, it does not become a copy")
		}
	})
}

// TestMembersThatLag: an edge that moves from one owner of the log to another that
// lags is not taken back, waits, and goes on once that one has caught up.
func TestMembersThatLag(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		c := openCentreAs(t, net, store.NewMemFS(), func(cfg *feed.ServerConfig) { cfg.Shared = true })
		defer c.stop()
		a := c.namespace("a")
		c.fill(a, 0, 200)
		second := start(t, options{net: net, shared: true, cfg: edge.Config{Token: rootToken, Upstreams: []string{c.url()}}})
		defer second.stop()
		second.equals(c)
		members := second.relay(net, "second")
		defer members.die()
		n := startEdge(t, net, nil, edge.Config{Token: rootToken}, c.serving, members)
		defer n.stop()
		n.equals(c)
		n.happened()
		second.Stop() // it lags from now on
		c.fill(a, 100, 200)
		c.drop(a, "key00001")
		n.equals(c)
		ahead := n.store.Revision()
		net.cut("centre", true)
		time.Sleep(20 * time.Second)
		n.at(ahead)
		if got := n.happened(); strings.Contains(got, "Exact") || strings.Contains(got, "Mixed") || n.logs.Count("reconcile: walking") != 1 {
			t.Errorf("it was taken back: %s", got)
		}
		if p := n.Status().Problem; !strings.Contains(p, "behind this node") && !strings.Contains(p, "cannot be reached") {
			t.Errorf("problem %q", p)
		}
		net.up("centre")
		second.GoOn()
		time.Sleep(10 * time.Second)
		c.fill(a, 0, 10)
		n.equals(c)
		second.equals(c)
		net.cut("centre", true)
		time.Sleep(5 * time.Second)
		if st := n.Status(); st.Upstream != members.url() || !st.Connected {
			t.Errorf("it follows %+v", st)
		}
		net.up("centre")
	})
}
