package feed_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
	"github.com/godwitkv/godwit/internal/wire"
)

func TestFirstCopy(t *testing.T) {
	up := newCentre(t)
	up.fill(200)
	w := newWalker(up)
	c := newTwin(t, up.clock, w)
	if unfinished, err := feed.Unfinished(c.Store); unfinished || err != nil {
		t.Errorf("unfinished at the start: %t, %v", unfinished, err)
	}
	done := c.reconcile()
	if done.From.Revision != up.Revision() || done.Highest != up.Revision() || done.From.Epoch != up.Lineage()[0].ID {
		t.Errorf("got %+v, the centre is at %d", done, up.Revision())
	}
	if c.Purged() < done.Highest {
		t.Errorf("the purge floor is %d: deletions up to %d were left out", c.Purged(), done.Highest)
	}
	if w.asked > 0 {
		t.Errorf("%d entries were asked for one by one", w.asked)
	}
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
	const want = 3*200 + 3
	last := c.progress[len(c.progress)-1]
	if last.Keys != want || last.Taken != want || last.Dropped != 0 || last.Bytes < 100<<10 || last.Place.Key != "key-00199" {
		t.Errorf("progress: %+v, want %d keys", last, want)
	}
}

func TestCopyOfNothing(t *testing.T) {
	up := newCentre(t)
	for i := range 3 {
		up.propose(deletes(godwit.SystemNamespace, catalog.NamespaceKey(namespaceID(i))))
	}
	c := newTwin(t, up.clock, newWalker(up))
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// copied is a centre and a copy of it, and a walker between them.
func twins(t *testing.T, keys int) (*centre, *walker, *twin) {
	t.Helper()
	up := newCentre(t)
	up.fill(keys)
	w := newWalker(up)
	c := newTwin(t, up.clock, w)
	c.reconcile()
	c.follow(up, feed.Filter{})
	return up, w, c
}

// TestLateReturn: of a copy that missed a while only what differs is fetched.
func TestLateReturn(t *testing.T) {
	up, w, c := twins(t, 200)
	up.clock.advance(time.Hour)
	up.churn(rand.New(rand.NewPCG(1, 1)), 100)
	up.propose(createNamespace(namespaceID(7)))
	up.propose(writes(namespaceID(7), "new", []byte("new")))
	if err := up.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := c.reconcile()
	if w.asked == 0 || w.asked > 150 {
		t.Errorf("%d entries were asked for", w.asked)
	}
	if done.From.Revision != up.Revision() {
		t.Errorf("from %d, the centre is at %d", done.From.Revision, up.Revision())
	}
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

func TestNothingDiffers(t *testing.T) {
	up, w, c := twins(t, 100)
	c.progress = nil
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
	if last := c.progress[len(c.progress)-1]; w.asked > 0 || last.Taken > 0 || last.Dropped > 0 || last.Keys != 303 {
		t.Errorf("%d asked for, %+v", w.asked, last)
	}
}

func TestNamespaceDeletedUpstream(t *testing.T) {
	up, _, c := twins(t, 150)
	up.propose(deletes(godwit.SystemNamespace, catalog.NamespaceKey(namespaceID(1))))
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
	if keys, bytes := c.NamespaceStats(namespaceID(1)); keys != 0 || bytes != 0 {
		t.Errorf("%d keys of %d bytes are left", keys, bytes)
	}
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.wantCopy(up)
}

// TestRolledBackCentre: the centre lost what came after an image of its disk was
// taken, and gave the same revisions to other writes. The copy has what was lost.
func TestRolledBackCentre(t *testing.T) {
	up, w, c := twins(t, 60)
	one := namespaceID(0)
	up.propose(writes(one, "kept", []byte("kept")), writes(one, "unlucky", []byte("before")))
	image := up.image()
	up.propose(writes(one, "same", []byte("lost")))
	up.propose(writes(one, "lost", []byte("lost")))
	up.propose(deletes(one, "kept"))
	up.propose(deletes(one, "later"))
	up.propose(writes(one, "later", []byte("lost")))
	up.propose(deletes(one, "later"))
	up.propose(writes(one, "unlucky", []byte("lost")))
	up.propose(deletes(godwit.SystemNamespace, catalog.NamespaceKey(namespaceID(2))))
	c.follow(up, feed.Filter{})
	lost := up.Revision()

	up.restore(image)
	if up.Revision() >= lost {
		t.Fatalf("the centre is at %d, the copy at %d", up.Revision(), lost)
	}
	if lineage := up.Lineage(); len(lineage) != 2 || lineage[1].First > lost {
		t.Fatalf("lineage %v: no revision is given twice", lineage)
	}
	up.propose(writes(one, "same", []byte("after")))
	up.propose(writes(namespaceID(1), "key-00003", []byte("after")))
	done := c.reconcile()
	if done.From.Epoch != up.Lineage()[1].ID || done.From.Revision != up.Revision() {
		t.Errorf("from %v, the centre is at %d of %v", done.From, up.Revision(), up.Lineage())
	}
	if w.asked == 0 || w.asked > 80 {
		t.Errorf("%d entries were asked for", w.asked)
	}
	// A tombstone of what was lost must not hide what comes under its revision.
	for up.Revision() < lost+3 {
		up.propose(writes(one, "later", fmt.Appendf(nil, "at %d", up.Revision()+1)))
		c.follow(up, feed.Filter{})
		c.wantCopy(up)
	}
}

// TestAnotherLog: nothing is in common with the upstream's log but the cluster.
func TestAnotherLog(t *testing.T) {
	up, w, c := twins(t, 100)
	c.commit(func(tx *store.Tx) error {
		return tx.Follow(up.Stats().ClusterID, godwit.Lineage{{ID: godwit.EpochID{9}, First: 1}}, 0)
	})
	up.churn(rand.New(rand.NewPCG(2, 2)), 50)
	c.commit(func(tx *store.Tx) error {
		return tx.CatchUp(&godwit.Record{
			Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: namespaceID(0), Key: "ours", Value: godwit.Value{Inline: []byte("x")}},
			Revision: up.Revision(), Created: 1, Modified: 1,
		})
	})
	c.reconcile()
	if w.asked > 0 {
		t.Errorf("%d entries were asked for, where all come with their values", w.asked)
	}
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// TestResume cuts every walk off after a page, and the process with it: each goes
// on where the last one was cut off, and the upstream is written to meanwhile.
func TestResume(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first copy %t", first), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 3))
			up := newCentre(t)
			up.fill(200)
			w := newWalker(up)
			c := newTwin(t, up.clock, w)
			if !first {
				c.reconcile()
				c.follow(up, feed.Filter{})
				up.churn(rng, 200)
			}
			if err := c.Sync(); err != nil {
				t.Fatal(err)
			}
			claim := c.Revision()
			w.change(func() { w.pages, w.walks = 1, 0 })
			started := up.Revision()
			done := c.resume(up, rng, claim)
			if done.From.Revision < started || done.From.Revision > done.Highest || done.Highest > up.Revision() {
				t.Errorf("from %d to %d, begun at %d", done.From.Revision, done.Highest, started)
			}
			if least := 603 / w.perPage; w.walks < least {
				t.Errorf("%d walks, want %d", w.walks, least)
			}
			c.settle(done)
			c.follow(up, feed.Filter{})
			c.wantCopy(up)
		})
	}
}

// resume runs again and again, with crashes and writes in between, until it comes
// to an end.
func (c *twin) resume(up *centre, rng *rand.Rand, claim godwit.Revision) *feed.Reconciled {
	c.t.Helper()
	for range 1000 {
		done, err := c.run()
		if err == nil {
			return done
		}
		if godwit.CodeOf(err) != godwit.CodeUnavailable {
			c.t.Fatal(err)
		}
		switch rng.IntN(4) {
		case 0:
			c.crash(rng)
		case 1:
			if err := c.Sync(); err != nil {
				c.t.Fatal(err)
			}
		}
		if c.Revision() != claim {
			c.t.Fatalf("the store says that it is at %d", c.Revision())
		}
		up.churn(rng, 3)
	}
	c.t.Fatal("it never came to an end")
	return nil
}

// TestCrashedCopyIsWhole: a crash at any time leaves a store that is whole, and
// says where it stood before.
func TestCrashedCopyIsWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	up, w, c := twins(t, 200)
	up.churn(rng, 300)
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	claim, lineage := c.Revision(), c.Lineage()
	for pages := 1; pages < 12; pages += 3 {
		w.change(func() { w.pages = pages })
		_, _ = c.run()
		c.crash(rng)
		c.healthy()
		if c.Revision() != claim || !slices.Equal(c.Lineage(), lineage) {
			t.Fatalf("the store says that it is at %d of %v", c.Revision(), c.Lineage())
		}
	}
	w.change(func() { w.pages = 0 })
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// TestWrittenToMeanwhile: what is written upstream between pages, before and
// behind the place of the walk, comes by following from the lowest state.
func TestWrittenToMeanwhile(t *testing.T) {
	for seed := range uint64(4) {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, first copy %t", seed, first), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				up := newCentre(t)
				up.fill(150)
				w := newWalker(up)
				c := newTwin(t, up.clock, w)
				if !first {
					c.reconcile()
					c.follow(up, feed.Filter{})
					up.churn(rng, 200)
				}
				pages := 0
				w.between = func() {
					up.churn(rng, 10)
					if pages++; pages == 6 {
						up.propose(deletes(godwit.SystemNamespace, catalog.NamespaceKey(namespaceID(2))))
					}
				}
				started := up.Revision()
				done := c.reconcile()
				if done.From.Revision != started || done.Highest <= started {
					t.Errorf("from %d to %d, begun at %d", done.From.Revision, done.Highest, started)
				}
				if !c.Mixed() {
					t.Error("not mixed, though it is ahead of its position")
				}
				c.follow(up, feed.Filter{})
				if c.Mixed() {
					t.Error("mixed, though all has come")
				}
				c.wantCopy(up)
			})
		}
	}
}

// TestLowestOfSeveralUpstreams: a relay that is behind takes the walk over.
func TestLowestOfSeveralUpstreams(t *testing.T) {
	up, _, relay := twins(t, 150)
	behind := relay.Revision()
	up.churn(rand.New(rand.NewPCG(6, 6)), 60)
	w := newWalker(up)
	c := newTwin(t, up.clock, w)
	w.change(func() { w.pages = 3 })
	if _, err := c.run(); err == nil {
		t.Fatal("it was not cut off")
	}
	w.change(func() { w.pages, w.store = 0, func() *store.Store { return relay.Store } })
	done := c.reconcile()
	if done.From.Revision != behind || done.Highest != up.Revision() {
		t.Errorf("from %d to %d, want %d to %d", done.From.Revision, done.Highest, behind, up.Revision())
	}
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// TestRolledBackMidway: the upstream's log loses, in the middle of a walk, states
// that were read. What was taken of them must go.
func TestRolledBackMidway(t *testing.T) {
	up, w, c := twins(t, 150)
	image := up.image()
	up.clock.advance(time.Second)
	up.restore(up.image())
	up.churn(rand.New(rand.NewPCG(7, 7)), 100)
	w.change(func() { w.pages = 5 })
	if _, err := c.run(); err == nil {
		t.Fatal("it was not cut off")
	}
	up.restore(image)
	up.churn(rand.New(rand.NewPCG(8, 8)), 100)
	w.change(func() { w.pages, w.asked = 0, 0 })
	done := c.reconcile()
	if done.From.Revision != up.Revision() || done.Highest != up.Revision() {
		t.Errorf("from %d to %d, the centre is at %d", done.From.Revision, done.Highest, up.Revision())
	}
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// TestWalkOfAnotherFirstRevision: the upstream that a walk began with said that the epoch
// began a revision earlier than it did. What came of it goes, and so has to come again.
func TestWalkOfAnotherFirstRevision(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first copy %t", first), func(t *testing.T) {
			up := newCentre(t)
			up.fill(100)
			w := newWalker(up)
			c := newTwin(t, up.clock, w)
			if !first {
				c.reconcile()
				c.follow(up, feed.Filter{})
				up.churn(rand.New(rand.NewPCG(1, 1)), 50)
			}
			w.change(func() {
				w.pages, w.edit = 2, func(f feed.Frame) {
					if h, ok := f.(*feed.Hello); ok {
						h.Lineage = slices.Clone(h.Lineage)
						h.Lineage[0].First--
					}
				}
			})
			if _, err := c.run(); err == nil {
				t.Fatal("it was not cut off")
			}
			w.change(func() { w.pages, w.edit = 0, nil })
			c.reconcile()
			c.follow(up, feed.Filter{})
			c.wantCopy(up)
		})
	}
}

// TestPartialCopy: what is not carried is neither taken nor dropped.
func TestPartialCopy(t *testing.T) {
	up, _, c := twins(t, 100)
	c.namespaces = []string{namespaceID(1).String()}
	before := c.content(feed.Filter{})
	up.churn(rand.New(rand.NewPCG(9, 9)), 100)
	c.reconcile()
	one := feed.Filter{Namespaces: []godwit.NamespaceID{namespaceID(1)}}
	c.follow(up, one)
	c.wantCopy(up)
	for at, is := range c.content(feed.Filter{Namespaces: []godwit.NamespaceID{namespaceID(0), namespaceID(2)}}) {
		if before[at] != is && at[:32] != namespaceID(1).String() && at[:32] != godwit.SystemNamespace.String() {
			t.Errorf("%s changed", at)
		}
	}
	// Carried again, it is a copy again.
	c.namespaces = nil
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// TestOtherNamespacesMidway: a walk that goes on carries more than it began with.
func TestOtherNamespacesMidway(t *testing.T) {
	up := newCentre(t)
	up.fill(100)
	w := newWalker(up)
	c := newTwin(t, up.clock, w)
	c.namespaces = []string{namespaceID(2).String()}
	w.change(func() { w.pages = 2 })
	if _, err := c.run(); err == nil {
		t.Fatal("it was not cut off")
	}
	w.change(func() { w.pages, c.namespaces = 0, nil })
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

func TestWithheldValues(t *testing.T) {
	up := newCentre(t)
	up.fill(100)
	c := newTwin(t, up.clock, newWalker(up))
	c.maxValue = 1000
	c.reconcile()
	c.follow(up, feed.Filter{MaxValue: 1000})
	c.wantCopy(up)
	up.churn(rand.New(rand.NewPCG(10, 10)), 100)
	up.propose(writes(namespaceID(0), "long", make([]byte, 2000)))
	c.reconcile()
	c.follow(up, feed.Filter{MaxValue: 1000})
	c.wantCopy(up)
}

// TestAnotherCluster: nothing changes.
func TestAnotherCluster(t *testing.T) {
	up, w, c := twins(t, 30)
	other := newCentre(t)
	other.fill(30)
	w.store = func() *store.Store { return other.Store }
	before := c.content(feed.Filter{})
	_, err := c.run()
	var end *feed.End
	if !errors.As(err, &end) || end.Reason != feed.EndRefused {
		t.Errorf("got %v", err)
	}
	if unfinished, err := feed.Unfinished(c.Store); unfinished || err != nil {
		t.Errorf("unfinished: %t, %v", unfinished, err)
	}
	// Nor is a first copy that was cut off gone on with from another one.
	c2 := newTwin(t, up.clock, w)
	w.change(func() { w.pages = 1 })
	if _, err := c2.run(); err == nil {
		t.Fatal("it was not cut off")
	}
	w.change(func() { w.pages, w.store = 0, func() *store.Store { return up.Store } })
	if _, err := c2.run(); !errors.As(err, &end) || end.Reason != feed.EndRefused {
		t.Errorf("got %v", err)
	}
	after := c.content(feed.Filter{})
	for at := range before {
		if before[at] != after[at] {
			t.Errorf("%s changed", at)
		}
	}
}

// TestUpstreamThatMisbehaves: each is an error, and what it says is not taken.
func TestUpstreamThatMisbehaves(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(feed.Frame)
		text string
	}{
		"out of order": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok && len(p.Records) > 5 {
				p.Records[4], p.Records[5] = p.Records[5], p.Records[4]
			}
		}, "out of place"},
		"the same page again": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok && p.Records[0].Namespace != godwit.SystemNamespace {
				p.Records[0].Namespace, p.Records[0].Key = namespaceID(0), "a"
			}
		}, "out of place"},
		"a deletion": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok {
				p.Records[3] = godwit.Record{Mutation: godwit.Mutation{
					Op: godwit.OpDelete, Namespace: p.Records[3].Namespace, Key: p.Records[3].Key,
				}, Revision: p.Records[3].Revision}
			}
		}, "out of place"},
		"heads where values were asked for": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok {
				p.Heads = true
			}
		}, "heads"},
		"a revision of no epoch": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok {
				p.Revision = 1
			}
		}, "no epoch"},
		"an entry that is newer than its page": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok && len(p.Records) > 3 {
				p.Records[3].Revision = p.Revision + 1
			}
		}, "an entry of revision"},
		"a page from the future": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok {
				p.Revision = godwit.MaxRevision
			}
		}, "far beyond"},
		"an entry whose value is gone": {func(f feed.Frame) {
			if p, ok := f.(*feed.Page); ok && len(p.Records) > 3 {
				p.Records[3].Swept, p.Records[3].Expiration = true, 1
				p.Records[3].Value, p.Records[3].Metadata = godwit.Value{}, nil
			}
		}, "out of place"},
		"an empty lineage": {func(f feed.Frame) {
			if h, ok := f.(*feed.Hello); ok {
				h.Lineage = nil
			}
		}, "no epoch"},
		"what is not carried": {func(f feed.Frame) {
			if h, ok := f.(*feed.Hello); ok {
				h.Carries.Namespaces = []godwit.NamespaceID{namespaceID(2)}
			}
		}, "out of place"},
	} {
		t.Run(name, func(t *testing.T) {
			up := newCentre(t)
			up.fill(100)
			w := newWalker(up)
			w.change(func() { w.edit = tt.edit })
			c := newTwin(t, up.clock, w)
			_, err := c.run()
			if err == nil || godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
			if c.Revision() != 0 {
				t.Errorf("the store is at %d", c.Revision())
			}
			w.change(func() { w.pages, w.edit = 0, nil })
			c.reconcile()
			c.follow(up, feed.Filter{})
			c.wantCopy(up)
		})
	}
}

// TestAnswerFromTheFuture: what is fetched by its place is no newer than the log either.
func TestAnswerFromTheFuture(t *testing.T) {
	up, w, c := twins(t, 30)
	up.churn(rand.New(rand.NewPCG(1, 1)), 20)
	for name, lie := range map[string]func(*feed.Page){
		"entry": func(p *feed.Page) { p.Records[0].Revision = p.Revision + 1 },
		"page":  func(p *feed.Page) { p.Revision = godwit.MaxRevision },
		"gone": func(p *feed.Page) {
			r := &p.Records[0]
			r.Swept, r.Expiration, r.Value, r.Metadata = true, 1, godwit.Value{}, nil
		},
	} {
		w.change(func() {
			w.edit = func(f feed.Frame) {
				if p, ok := f.(*feed.Page); ok && !p.Heads {
					lie(p)
				}
			}
		})
		if _, err := c.run(); godwit.CodeOf(err) != godwit.CodeUnavailable || !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	w.change(func() { w.pages, w.edit = 0, nil })
	done := c.reconcile()
	if done.Highest != up.Revision() {
		t.Errorf("highest %d, the centre is at %d", done.Highest, up.Revision())
	}
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}

// TestUpstreamWithoutALineage: it takes nothing from a copy.
func TestUpstreamWithoutALineage(t *testing.T) {
	up, w, c := twins(t, 30)
	w.change(func() {
		w.edit = func(f feed.Frame) {
			if h, ok := f.(*feed.Hello); ok {
				h.Lineage = nil
			}
		}
	})
	if _, err := c.run(); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	if unfinished, err := feed.Unfinished(c.Store); unfinished || err != nil {
		t.Errorf("unfinished: %t, %v", unfinished, err)
	}
	c.wantCopy(up)
}

// TestEndOfAWalk: the upstream's reason is the error.
func TestEndOfAWalk(t *testing.T) {
	up := newCentre(t)
	for _, before := range [][]feed.Frame{nil, {newWalker(up).hello(feed.Filter{})}} {
		body := frames(t, append(before, &feed.End{Reason: feed.EndSuspended, Message: "not exact"})...)
		c := newTwin(t, up.clock, answers(200, feed.ContentType, body))
		_, err := c.run()
		var end *feed.End
		if !errors.As(err, &end) || end.Reason != feed.EndSuspended || err.Error() != "the upstream ended the stream (suspended): not exact" {
			t.Errorf("after %d frames: got %v", len(before), err)
		}
	}
}

func TestReconcileOnAFullDisk(t *testing.T) {
	up := newCentre(t)
	up.fill(50)
	c := newTwin(t, up.clock, newWalker(up))
	c.close()
	c.cfg.DiskReserve = 1 << 20
	space := func(free uint64) {
		storetest.SetDiskUsage(c.fs, 1<<30, free)
		for c.DiskFull() != (free < 1<<20) { // it is measured now and then
			runtime.Gosched()
		}
	}
	storetest.SetDiskUsage(c.fs, 1<<30, 1<<30)
	c.open()
	space(1)
	if _, err := c.run(); !errors.Is(err, godwit.ErrDiskFull) {
		t.Errorf("got %v", err)
	}
	space(1 << 30)
	c.reconcile()
	c.follow(up, feed.Filter{})
	c.wantCopy(up)
}
