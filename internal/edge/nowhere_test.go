package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// paces makes an upstream answer walks with a Hello, and then frames at a distance.
func (u *upstream) paces(every time.Duration, frame func(i int, heads bool) feed.Frame) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/walk") {
			return false
		}
		w.Header().Set("Content-Type", feed.ContentType)
		_, _ = w.Write(encode(u.t, hello(200)))
		for i := 0; ; i++ {
			if _, err := w.Write(encode(u.t, frame(i, r.URL.Query().Has("heads")))); err != nil {
				return true
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(every):
			case <-r.Context().Done():
				return true
			}
		}
	}
}

// TestGetsNowhere: an upstream that answers and never says Ready is left for the next
// one, and the log says why.
func TestGetsNowhere(t *testing.T) {
	for name, frame := range map[string]feed.Frame{
		"heartbeats":       &feed.Heartbeat{Revision: 100},
		"the same records": round(100, put(ns1, "key", "value", 101)),
		"Hellos":           hello(100),
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
				n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
				defer n.stop()
				began, s := time.Now(), first.next()
				for s.send(hello(100)); !s.over() && time.Since(began) < 5*time.Minute; time.Sleep(time.Second) {
					s.send(frame)
				}
				if d := time.Since(began); d < 25*time.Second || d > 40*time.Second {
					t.Errorf("it left after %v", d)
				}
				second.next().send(hello(101), ready(101))
				if !n.Exact() || n.Status().Upstream != second.url() || n.logs.Count("gets no further") != 1 {
					t.Errorf("status %+v", n.Status())
				}
			})
		})
	}
}

// TestGetsSomewhere: an upstream that takes long to say Ready is followed on as long as
// it gets further, if by its heartbeats alone.
func TestGetsSomewhere(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{first, second}})
		defer n.stop()
		s := first.next()
		s.send(hello(1000))
		for i := range 120 {
			s.send(&feed.Heartbeat{Revision: godwit.Revision(100 + i/20)})
			time.Sleep(time.Second)
		}
		if s.over() || !second.idle() { // once the copy is exact, the other is asked for its generation
			t.Errorf("status %+v", n.Status())
		}
		if s.send(ready(1000)); s.over() || !n.Exact() {
			t.Errorf("once it is ready: status %+v", n.Status())
		}
	})
}

// TestWalkGetsNowhere: so is an upstream whose walk answers and brings no entries.
func TestWalkGetsNowhere(t *testing.T) {
	for name, frame := range map[string]func(i int, heads bool) feed.Frame{
		"heartbeats":  func(int, bool) feed.Frame { return &feed.Heartbeat{Revision: 200} },
		"empty pages": func(_ int, heads bool) feed.Frame { return &feed.Page{Revision: 200, Heads: heads} },
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
				n := start(t, options{net: net, upstream: []*upstream{first, second}})
				defer n.stop()
				first.paces(time.Second, frame)
				second.walks([]feed.Frame{hello(200), page(true, 200, put(ns1, "a", "1", 110))}, nil)
				first.next().send(hello(200), &feed.End{Reason: feed.EndTooOld})
				began := time.Now()
				second.next().send(hello(200), &feed.End{Reason: feed.EndTooOld})
				if d := time.Since(began); d > 40*time.Second {
					t.Errorf("it left after %v", d)
				}
				second.next().send(hello(200), ready(200))
				if !n.Exact() || n.logs.Count("gets no further") != 1 {
					t.Errorf("status %+v", n.Status())
				}
			})
		})
	}
}

// TestLongWalk: a walk that gets further goes on for as long as it takes, and the log
// tells how far it is.
func TestLongWalk(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, upstream: []*upstream{u}})
		defer n.stop()
		u.paces(5*time.Second, func(i int, heads bool) feed.Frame {
			p := page(i == 99, 200, put(ns1, strings.Repeat("k", i+1), "v", 110))
			p.Heads = heads
			return p
		})
		u.next().send(hello(200), &feed.End{Reason: feed.EndTooOld})
		began := time.Now()
		for u.idle() && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		u.next().send(hello(200), ready(200))
		if got := n.logs.Count("reconcile: under way"); !n.Exact() || got < 6 || got > 8 {
			t.Errorf("%d log lines in eight minutes, status %+v", got, n.Status())
		}
	})
}
