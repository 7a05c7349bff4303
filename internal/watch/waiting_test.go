package watch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// TestWatchOfWhatSeldomChanges: a watch that is told of little is not behind for it,
// though the ring has long let go of what it was not told of.
func TestWatchOfWhatSeldomChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{}, watch.Config{RingSize: 8 << 10})
		ctx := t.Context()
		told := make(chan watch.Event)
		go func() {
			defer close(told)
			for e, err := range w.hub.Watch(ctx, watch.Request{Namespace: ns1, Prefix: "seldom/"}) {
				if err != nil {
					return
				}
				if e.Kind != watch.Heartbeat {
					told <- e
				}
			}
		}()
		want := func(kind watch.Kind, key string) watch.Event {
			t.Helper()
			e := <-told
			if e.Kind != kind || e.Key != key {
				t.Fatalf("told %+v, want %s %s", e, kind, key)
			}
			return e
		}
		want(watch.Ready, "")
		for _, pause := range []time.Duration{0, 20 * time.Second} { // in between it looks by itself
			for i := range 200 {
				w.propose(put(ns1, fmt.Sprint("often/", i), "v"))
				synctest.Wait()
			}
			time.Sleep(pause)
			synctest.Wait()
			w.propose(put(ns1, "seldom/a", "v"), put(ns1, "often/b", "v"), put(ns1, "seldom/b", "v"))
			want(watch.Put, "seldom/a")
			want(watch.Put, "seldom/b")
			w.propose(del(ns1, "seldom/a"), put(ns1, "often/b", "w"))
			if e := want(watch.Deleted, "seldom/a"); e.More {
				t.Error("it says that more follows, of which nothing is told")
			}
		}
		if n := w.rounds(); n != 0 {
			t.Errorf("%v rounds of reading the store", n)
		}
		last := w.propose(put(ns1, "often/c", "v"))
		if e := want(watch.Ready, ""); e.Revision != last {
			t.Errorf("it stands at %d after a while, want %d", e.Revision, last)
		}
	})
}
