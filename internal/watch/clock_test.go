package watch_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// skew is by how much a clock is corrected.
type skew struct{ by atomic.Int64 }

func (s *skew) now() time.Time       { return time.Now().Add(time.Duration(s.by.Load())) }
func (s *skew) set(by time.Duration) { s.by.Store(int64(by)) }

// TestClockIsSet: how long something lasts has nothing to do with a clock that is set
// meanwhile.
func TestClockIsSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"back": -time.Hour, "forward": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { clockIsSet(t, by) })
		})
	}
}

func clockIsSet(t *testing.T, by time.Duration) {
	var clock skew
	w := newWorld(t, store.Config{}, watch.Config{Follower: true, Now: clock.now})
	r := w.watching(watch.Request{})
	at := r.want("ready").Revision
	start := time.Now()
	soon := func() { time.Sleep(5 * time.Second); clock.set(by) }
	go soon()
	if e, err, ok := r.next(); err != nil || !ok || e.Kind != watch.Heartbeat || time.Since(start) != 15*time.Second {
		t.Errorf("after %v: %+v, %v", time.Since(start), e, err)
	}

	clock.set(0)
	start = time.Now()
	ahead := w.watching(watch.Request{After: (at + 1000).String()})
	go soon()
	ahead.want("reset")
	if took := time.Since(start); took != 10*time.Second {
		t.Errorf("the reset came after %v", took)
	}
	ahead.stop()

	clock.set(0)
	r.stop()
	clock.set(by)
	for _, kept := range []bool{true, false} {
		w.propose(put(ns1, "k", "v"))
		if _, _, ok := w.hub.Kept(ns1); ok != kept {
			t.Errorf("changes are kept: %t, want %t", ok, kept)
		}
		time.Sleep(2 * time.Minute)
	}
}
