package edge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// history is a log of random batches, and what it comes to after each.
type history struct {
	batches []*feed.Records
	states  map[godwit.Revision]string // after a whole batch
}

func randomHistory(rng *rand.Rand, from godwit.Revision, batches int) *history {
	h := &history{states: map[godwit.Revision]string{from: ""}}
	now := map[string]string{}
	for range batches {
		var records []godwit.Record
		prev := from
		for range 1 + rng.IntN(4) {
			from += 1 + godwit.Revision(rng.IntN(3))
			key := fmt.Sprintf("k%02d", rng.IntN(12))
			if rng.IntN(4) == 0 {
				records = append(records, del(ns1, key, from))
				delete(now, key)
			} else {
				records = append(records, put(ns1, key, fmt.Sprint(from), from))
				now[key] = fmt.Sprint(from)
			}
		}
		h.batches = append(h.batches, batch(prev, records...))
		var all []string
		for k, v := range now {
			all = append(all, k+"="+v)
		}
		slices.Sort(all)
		h.states[from] = strings.Join(all, " ")
	}
	return h
}

func (h *history) end() godwit.Revision { return h.batches[len(h.batches)-1].Revision }

// index is of the first batch that goes on from a position.
func (h *history) index(at godwit.Revision) int {
	return slices.IndexFunc(h.batches, func(b *feed.Records) bool { return b.Prev == at })
}

// round is what stands at upTo of what changed since a position: in one part or
// several.
func (h *history) round(rng *rand.Rand, at, upTo godwit.Revision) (frames []feed.Frame) {
	last := map[string]godwit.Record{}
	for _, b := range h.batches {
		for _, r := range b.Records {
			if r.Revision > at && r.Revision <= upTo {
				last[r.Key] = r
			}
		}
	}
	var all []godwit.Record
	for _, r := range last {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b godwit.Record) int { return int(a.Revision) - int(b.Revision) })
	for prev := at; len(all) > 0; {
		n := 1 + rng.IntN(len(all))
		part := round(prev, all[:n]...)
		frames, prev, all = append(frames, part), part.Revision, all[n:]
	}
	return append(frames, ready(upTo))
}

// TestCrash: wherever a crash hits an edge, what remains is the log up to some
// batch, whole, or says that it is mixed; and from there the edge comes to the
// same end as one that never crashed.
func TestCrash(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			world(t, func(t *testing.T) { crashOnce(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func crashOnce(t *testing.T, rng *rand.Rand) {
	h := randomHistory(rng, 100, 60)
	net := newNetwork()
	u := startUpstream(t, net, "centre")
	fs := store.NewCrashFS()
	n := start(t, options{net: net, fs: fs, at: 100, upstream: []*upstream{u}})
	clone := h.follow(t, rng, n, u, fs)
	n.stop()
	for len(u.streams) > 0 {
		<-u.streams
	}

	n = start(t, options{net: net, fs: clone, upstream: []*upstream{u}})
	defer n.stop()
	at := n.store.Revision()
	want, whole := h.states[at]
	if !whole {
		t.Fatalf("the store is at revision %d, within a batch", at)
	}
	if got := contents(t, n.store, ns1); got != want && !n.store.Mixed() {
		t.Fatalf("at revision %d: %q, want %q", at, got, want)
	}
	h.follow(t, rng, n, u, nil)
	if n.at(h.end()); !n.Exact() {
		t.Error("not exact at the end")
	}
	n.holds(ns1, h.states[h.end()])
}

// follow serves one edge to the end of the history, in single batches or in
// rounds, cut now and then. With a file system it takes a crash's picture of it at
// some time, and returns that.
func (h *history) follow(t *testing.T, rng *rand.Rand, n *node, u *upstream, fs *store.MemFS) (clone *store.MemFS) {
	crash := rng.IntN(40)
	for {
		s := u.next()
		at := n.store.Revision()
		s.send(hello(h.end()), ready(at))
		for at < h.end() {
			var frames []feed.Frame
			if i := h.index(at); rng.IntN(3) > 0 {
				for range 1 + rng.IntN(5) {
					if i < len(h.batches) {
						frames = append(frames, h.batches[i])
						at = h.batches[i].Revision
						i++
					}
				}
			} else {
				to := h.batches[i+rng.IntN(len(h.batches)-i)].Revision
				frames = h.round(rng, at, to)
				at = to
			}
			cut := rng.IntN(10) == 0
			if cut {
				frames = frames[:rng.IntN(len(frames))]
			}
			s.send(frames...)
			if rng.IntN(5) == 0 {
				time.Sleep(time.Second)
			}
			if crash--; fs != nil && crash == 0 {
				return fs.CrashClone(store.CrashClone{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			}
			if cut {
				close(s.out)
				break
			}
		}
		if synctest.Wait(); n.store.Revision() == h.end() {
			break
		}
	}
	if fs != nil {
		clone = fs.CrashClone(store.CrashClone{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	}
	return clone
}
