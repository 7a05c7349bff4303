package feed

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func testRing(most int) *ring {
	r := newRing(most, 10, newBounds(nil), prometheus.NewCounter(prometheus.CounterOpts{Name: "encoded"}))
	r.attach()
	return r
}

// commitOf is a commit of one record for each revision.
func commitOf(prev, revision godwit.Revision, value string) *store.Committed {
	c := &store.Committed{Prev: prev, Revision: revision, Time: int64(revision), Exact: true}
	for r := prev + 1; r <= revision; r++ {
		c.Records = append(c.Records, godwit.Record{
			Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "k", Value: godwit.Value{Inline: []byte(value)}},
			Revision: r,
		})
	}
	return c
}

// TestRingFrom walks where in the ring one may go on.
func TestRingFrom(t *testing.T) {
	r := testRing(1 << 20)
	r.add(commitOf(10, 12, "a"))
	r.add(commitOf(12, 13, "b"))
	r.add(commitOf(13, 20, "c"))
	for at, want := range map[godwit.Revision]int{9: -1, 10: 3, 11: -1, 12: 2, 13: 1, 15: -1, 20: 0, 21: 0} {
		n := r.after(at, nil, 1<<20)
		if got := len(n.batches); n.ok != (want >= 0) || n.ok && got != want || n.tail != 20 || n.time != 20 {
			t.Errorf("after %d: %d batches, ok %t, tail %d; want %d", at, got, n.ok, n.tail, want)
		}
	}
	if n := r.after(10, nil, 1); len(n.batches) != 1 {
		t.Errorf("%d batches where one is enough", len(n.batches))
	}
	n := r.after(20, nil, 1)
	r.add(commitOf(20, 21, "d"))
	select {
	case <-n.grown:
	default:
		t.Error("who waits was not told")
	}
}

// TestRingEmpties holds what makes the ring useless for those behind its tail.
func TestRingEmpties(t *testing.T) {
	many := commitOf(13, 13, "")
	many.Revision, many.Records = 1<<20, make([]godwit.Record, MaxFrameRecords+1)
	inexact := commitOf(13, 14, "x")
	inexact.Exact = false
	for name, c := range map[string]*store.Committed{
		"too many for a frame":   many,
		"too large for the ring": commitOf(13, 14, string(make([]byte, 9000))),
		"no part of the log":     inexact,
		"taken back":             {Prev: 13, Revision: 11},
	} {
		r := testRing(8000)
		r.add(commitOf(10, 13, "a"))
		r.add(c)
		if n := r.after(10, nil, 1); n.ok || r.bytes.Load() != 0 {
			t.Errorf("%s: goes on from before, %d bytes", name, r.bytes.Load())
		}
		r.add(commitOf(c.Revision, c.Revision+1, "b"))
		if n := r.after(c.Revision, nil, 1); !n.ok || len(n.batches) != 1 {
			t.Errorf("%s: does not go on from there: %+v", name, n)
		}
	}
	r := testRing(8000)
	r.add(commitOf(10, 13, "a"))
	r.add(commitOf(15, 16, "b")) // the ring was not told of what is between
	if n := r.after(10, nil, 1); n.ok {
		t.Error("leaves something out")
	}
	if n := r.after(15, nil, 1); !n.ok {
		t.Error("does not go on behind what it was not told of")
	}
}

// TestRingBytes holds that the ring knows what it takes, whatever is made of its
// batches, and takes no more than it may.
func TestRingBytes(t *testing.T) {
	const most = 1 << 18
	r, rng := testRing(most), rand.New(rand.NewPCG(1, 1))
	filters := []*filter{
		newFilter(Filter{}, nil), newFilter(Filter{MaxValue: 100}, nil), newFilter(Filter{Namespaces: []godwit.NamespaceID{{2}}}, nil),
	}
	var old *batch
	for at := godwit.Revision(10); at < 600; {
		next := at + 1 + godwit.Revision(rng.IntN(5))
		r.add(commitOf(at, next, string(bytes.Repeat([]byte("value"), rng.IntN(1500)))))
		for _, b := range r.after(at, nil, 1<<20).batches {
			for _, f := range filters {
				if _, err := r.frame(b, f); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(10) == 0 {
				old = b
			}
		}
		if old != nil {
			_, _ = r.frame(old, newFilter(Filter{MaxValue: int64(at)}, nil)) // it may have left the ring
		}
		if got := r.bytes.Load(); got < 0 || got > most+1<<17 {
			t.Fatalf("%d bytes at %d", got, at)
		}
		at = next
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.batches) < 5 {
		t.Errorf("%d batches are left", len(r.batches))
	}
	r.drop(len(r.batches))
	if got := r.bytes.Load(); got != 0 {
		t.Errorf("%d bytes of nothing", got)
	}
}
