package edge_test

import (
	"slices"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
)

// promoted is the log that a copy of hello's goes on with: what came behind
// revision after is lost.
func promoted(at, after godwit.Revision, generation uint64) *feed.Hello {
	h := hello(at)
	h.Lineage = slices.Concat(lineage[:1], godwit.Lineage{{ID: godwit.EpochID{7}, First: after + 1, After: after, Generation: generation}})
	return h
}

// TestLaterGeneration: an edge leaves the upstream that it follows for any that is of
// a later generation, and never goes back.
func TestLaterGeneration(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
		defer n.stop()
		s := first.next()
		s.send(hello(100), ready(100))
		first.beats(s, 100, 2*time.Second)
		later := promoted(101, 100, 5)
		look := second.next()
		look.send(later)
		s = second.next()
		s.send(later, ready(101))
		n.at(101)
		if got := n.Status().Upstream; got != second.url() || n.store.Generation() != 5 {
			t.Errorf("it follows %s, of generation %d", got, n.store.Generation())
		}
		second.beats(s, 101, 30*time.Second) // meanwhile it looks at the one that it prefers
		look = first.next()
		if asked := look.query.Get("generation"); asked != "5" {
			t.Errorf("it says that it has followed generation %q", asked)
		}
		look.send(hello(200))
		second.beats(s, 101, time.Second)
		if s.over() {
			t.Error("it went back")
		}

		net.cut("second", true)
		back := first.next()
		back.send(hello(200))
		time.Sleep(time.Millisecond)
		if n.store.Revision() != 101 || !back.over() {
			t.Errorf("it is at %d; it went on with what was replaced %t", n.store.Revision(), !back.over())
		}
	})
}

// TestMayReplaceByGeneration: what is of a later generation is the later log, though
// its revisions are lower.
func TestMayReplaceByGeneration(t *testing.T) {
	h := promoted(60, 50, 5)
	at := godwit.Position{Epoch: godwit.EpochID{9}, Revision: 1000}
	h.Owner = false
	if !edge.MayReplace(h, at, 4) || edge.MayReplace(h, at, 5) {
		t.Error("a relay of a later generation may not replace, or one of the same may")
	}
}
