package watch_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// TestMixedStore: while the store is not a prefix of the log, watches wait; then
// they go on in rounds, or begin anew where deletions may be missing.
func TestMixedStore(t *testing.T) {
	for _, reset := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, store.Config{}, watch.Config{})
			r := w.watching(watch.Request{})
			id := r.want("ready").ID
			w.hub.Mixed()
			w.propose(put(ns1, "a", "1"))
			now := w.propose(put(ns1, "a", "2"))
			if e, err, _ := r.next(); err != nil || e.Kind != watch.Heartbeat {
				t.Fatalf("while the store is mixed: %+v, %v", e, err)
			}
			late := w.watching(watch.Request{After: id})
			if e, err, _ := late.next(); err != nil || e.Kind != watch.Heartbeat {
				t.Fatalf("while the store is mixed: %+v, %v", e, err)
			}
			fresh := w.watching(watch.Request{})
			if e, err, _ := fresh.next(); err != nil || e.Kind != watch.Heartbeat {
				t.Fatalf("while the store is mixed: %+v, %v", e, err)
			}
			w.hub.Exact(reset)
			if reset {
				if e := r.want("reset"); e.ID != now.String() {
					t.Errorf("reset to %q, want %d", e.ID, now)
				}
				late.want("reset")
			} else {
				r.want("put a", "ready")
				late.want("put a", "ready")
			}
			fresh.want("ready")
			w.propose(put(ns1, "b", "1"))
			for _, r := range []*reader{r, late, fresh} {
				r.want("put b")
			}
		})
	}
}

// TestGapInCommits: a commit that the hub was not told of is told in rounds.
func TestGapInCommits(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	r := w.watching(watch.Request{})
	r.want("ready")
	w.store.SetOnCommit(func(*store.Committed) {})
	w.propose(put(ns1, "a", "1"))
	w.store.SetOnCommit(w.hub.Committed)
	w.propose(put(ns1, "b", "1"))
	r.want("put a", "put b", "ready")
}

// TestFollowerWaitsForAPosition: at a node that follows, a position from a node
// that is ahead is waited for.
func TestFollowerWaitsForAPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{}, watch.Config{Follower: true})
		now := w.propose(put(ns1, "a", "1"))
		r := w.watching(watch.Request{After: (now + 2).String()})
		go func() {
			time.Sleep(5 * time.Second)
			w.propose(put(ns1, "b", "1"), put(ns1, "c", "1"), put(ns1, "d", "1"))
		}()
		r.want("put d", "ready")
		start := time.Now()
		w.watching(watch.Request{After: (now + 1000).String()}).want("reset")
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("the reset came after %v", took)
		}
	})
}

// TestExpiryBeforeItsEntryIsToldOf: the sweeper may be faster than the disk.
func TestExpiryBeforeItsEntryIsToldOf(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	r := w.watching(watch.Request{})
	now := r.want("ready").Revision
	at := time.Now().Unix() + 60
	entry := godwit.Record{Mutation: put(ns1, "k", "v"), Revision: now + 1}
	entry.Expiration = at
	w.hub.Expired([]store.Expired{{Namespace: ns1, Key: "k", Revision: now + 1, At: at}})
	w.hub.Committed(&store.Committed{Prev: now, Revision: now + 1, Exact: true, Records: []godwit.Record{entry}})
	r.want("put k", "expire k")
}

// TestLateExpiries: an ID that was told while expiries were told late means less.
func TestLateExpiries(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	now := time.Now().Unix()
	if got := w.hub.Since(now - 1000); got != now-1060 {
		t.Errorf("since %d, want %d", got, now-1060)
	}
	w.hub.Expired([]store.Expired{{Namespace: ns2, Key: "k", Revision: 1, At: now - 5000}})
	for sec, want := range map[int64]int64{now - 10000: now - 10060, now - 1000: now - 5000, now: now - 5000, now + 100: now + 40} {
		if got := w.hub.Since(sec); got != want {
			t.Errorf("since now%+d is now%+d, want now%+d", sec-now, got-now, want-now)
		}
	}
}

// TestRingIsBounded: of what is watched no more is kept than the bound, of what
// is not watched nothing.
func TestRingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 1 << 20
		w := newWorld(t, store.Config{}, watch.Config{RingSize: bound})
		value := strings.Repeat("x", 10_000)
		w.propose(put(ns1, "k", value))
		if _, _, ok := w.hub.Kept(ns1); ok {
			t.Error("changes of a namespace are kept that nobody watches")
		}
		r := w.watching(watch.Request{Values: true})
		r.want("ready")
		for i := range 400 {
			w.propose(put(ns1, fmt.Sprint(i), value))
		}
		if n, bytes, _ := w.hub.Kept(ns1); bytes > bound || bytes < bound*9/10 || n > bound/len(value) {
			t.Errorf("%d changes, %d bytes are kept", n, bytes)
		}
		w.watching(watch.Request{Namespace: ns2}).want("ready")
		if _, bytes, _ := w.hub.Kept(ns1); bytes > bound/2 {
			t.Errorf("%d bytes are kept, though another namespace is watched", bytes)
		}
		r.stop()
		time.Sleep(2 * time.Minute)
		w.propose(put(ns1, "k", value))
		if _, _, ok := w.hub.Kept(ns1); ok {
			t.Error("changes are kept long after the last watch")
		}
	})
}

// TestReaderThatNeverReads has readers stop in the middle of an event while a
// hundred times the ring goes by: they hold no memory, and once they read again
// they are told what stands.
func TestReaderThatNeverReads(t *testing.T) {
	const readers, ring = 100, 256 << 10
	w := newWorld(t, store.Config{}, watch.Config{RingSize: ring})
	var stalled []*reader
	for range readers {
		r := w.watching(watch.Request{Values: true})
		r.want("ready")
		stalled = append(stalled, r)
	}
	w.propose(put(ns1, "first", "v"))
	for _, r := range stalled {
		r.want("put first=v")
	}
	value := strings.Repeat("x", 10_000)
	for i := range 100 * ring / len(value) / 100 {
		var batch []godwit.Mutation
		for j := range 100 {
			batch = append(batch, put(ns1, fmt.Sprint(j), fmt.Sprint(i)+value))
		}
		w.propose(batch...)
	}
	before := heap()
	for _, r := range stalled[:readers/2] {
		r.stop()
	}
	if held := before - heap(); held > readers/2*64<<10 {
		t.Errorf("%d readers held %d KiB", readers/2, held>>10)
	}
	stalled = stalled[readers/2:]
	for _, r := range stalled {
		seen := map[string]bool{}
		for e := r.event(); e.Kind != watch.Ready; e = r.event() {
			if seen[e.Key] || !strings.HasPrefix(string(e.Value), fmt.Sprint(100*ring/len(value)/100-1)) {
				t.Fatalf("got %s of revision %d again, or as it was", e.Key, e.Revision)
			}
			seen[e.Key] = true
		}
		if len(seen) != 100 {
			t.Errorf("told of %d keys, want 100", len(seen))
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestManyWatchers has 500 watchers each see all that happens.
func TestManyWatchers(t *testing.T) {
	const watchers, writes = 500, 200
	w := newWorld(t, store.Config{}, watch.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all, ready sync.WaitGroup
	var events atomic.Int64
	ready.Add(watchers)
	for i := range watchers {
		all.Go(func() {
			left := writes
			for e, err := range w.hub.Watch(ctx, watch.Request{Namespace: ns1, Prefix: "k"}) {
				switch {
				case err != nil:
					t.Errorf("watcher %d: %v", i, err)
				case e.Kind == watch.Ready:
					ready.Done()
				case e.Kind == watch.Put:
					events.Add(1)
					left--
				}
				if left == 0 {
					return
				}
			}
		})
	}
	ready.Wait()
	for i := range writes {
		w.propose(put(ns1, fmt.Sprintf("k%d", i), "v"))
	}
	all.Wait()
	if n := events.Load(); n != watchers*writes {
		t.Errorf("%d events, want %d", n, watchers*writes)
	}
}

// BenchmarkCommitted is what a commit of one put costs with watchers of another
// prefix.
func BenchmarkCommitted(b *testing.B) {
	for _, watchers := range []int{0, 1, 100} {
		b.Run(fmt.Sprint(watchers), func(b *testing.B) {
			w := newWorld(b, store.Config{}, watch.Config{})
			for range watchers {
				w.watching(watch.Request{Prefix: "other"}).want("ready")
			}
			rec := []godwit.Record{{Mutation: put(ns1, "key", strings.Repeat("x", 288))}}
			prev := w.store.Revision()
			b.ReportAllocs()
			for b.Loop() {
				rec[0].Revision = prev + 1
				w.hub.Committed(&store.Committed{Prev: prev, Revision: prev + 1, Exact: true, Records: rec})
				prev++
			}
		})
	}
}
