package edge_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
)

// TestHeldInAWalk: a copy that was whole when it was to be held, and has begun to
// become another one by then, is held in the midst of that, and in the end as a whole.
func TestHeldInAWalk(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		time.Sleep(2 * time.Second) // the stream counts as one that worked
		u.walks([]feed.Frame{hello(200), page(false, 200)}, make(chan struct{}))
		close(s.out)
		s = u.next()
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- n.Complete(t.Context(), 0) }()
		synctest.Wait() // it has found the copy whole, and wants it held
		s.send(hello(200), &feed.End{Reason: feed.EndTooOld})
		time.Sleep(100 * time.Millisecond)
		u.walks([]feed.Frame{hello(200), page(true, 200), &feed.End{Reason: feed.EndClosing}}, nil)
		u.next().send(hello(200), &feed.End{Reason: feed.EndTooOld})
		u.next().send(hello(200), ready(200))
		if err := <-done; err != nil {
			t.Errorf("it is not complete: %v", err)
		}
		n.at(200)
		if !n.Exact() || strings.Contains(n.logs.String(), "held") {
			t.Errorf("exact %t, and it says %s", n.Exact(), n.logs)
		}
	})
}
