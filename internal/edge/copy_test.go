package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// walks makes an upstream answer walks: with frames, and then with an end or with
// nothing more until hold is closed. It returns where each walk began.
func (u *upstream) walks(frames []feed.Frame, hold chan struct{}) (after func() []string) {
	var began []string
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/walk") {
			return false
		}
		u.mu.Lock()
		began = append(began, r.URL.Query().Get("after"))
		u.mu.Unlock()
		for _, f := range frames {
			if p, ok := f.(*feed.Page); ok {
				p.Heads = r.URL.Query().Has("heads")
			}
		}
		w.Header().Set("Content-Type", feed.ContentType)
		_, _ = w.Write(encode(u.t, frames...))
		_ = http.NewResponseController(w).Flush()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		return true
	}
	return func() []string {
		u.mu.Lock()
		defer u.mu.Unlock()
		return began
	}
}

func page(done bool, r godwit.Revision, records ...godwit.Record) *feed.Page {
	return &feed.Page{Revision: r, Time: 1000, Done: done, Records: records}
}

// TestCopyGoesOnElsewhere: a first copy that is cut off goes on where it stopped,
// with another upstream, in this process or the next. Until it is whole the node
// is not ready, and says how far it is.
func TestCopyGoesOnElsewhere(t *testing.T) {
	for _, restart := range []bool{false, true} {
		world(t, func(t *testing.T) {
			net := newNetwork()
			first, second := startUpstream(t, net, "first"), startUpstream(t, net, "second")
			hold := make(chan struct{})
			first.walks([]feed.Frame{hello(200), page(false, 200, put(ns1, "a", "1", 110), put(ns1, "b", "1", 190))}, hold)
			fs := store.NewMemFS()
			n := start(t, options{net: net, fs: fs, upstream: []*upstream{first, second}})
			first.next().send(hello(200), &feed.End{Reason: feed.EndTooOld})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if st := n.Status(); !strings.Contains(st.Progress, "first copy") || n.Ready() || n.Exact() {
				t.Errorf("status %+v", st)
			}
			if r := first.lastReport(); !strings.Contains(r.Follower.Progress, "first copy") || r.Follower.Ready {
				t.Errorf("reported %+v", r.Follower)
			}
			began := second.walks([]feed.Frame{hello(150), page(true, 150, put(ns1, "c", "1", 120)), &feed.End{Reason: feed.EndClosing}}, nil)
			if restart { // before it asks the other upstream
				n.stop()
			}
			net.cut("first", true)
			if restart {
				n = start(t, options{net: net, fs: fs, upstream: []*upstream{second}})
			}
			defer n.stop()
			second.next().send(hello(150), &feed.End{Reason: feed.EndTooOld})
			s := second.next()
			if got := began(); len(got) != 1 || !strings.HasPrefix(got[0], ns1.String()) {
				t.Errorf("the walks began at %q", got)
			}
			if got := s.query.Get("after"); got != epoch1.ID.String()+":150" {
				t.Errorf("it follows from %q", got)
			}
			s.send(hello(150), ready(150))
			if n.Exact() || n.Ready() {
				t.Error("exact at 150, with a key of 190")
			}
			s.send(batch(150, put(ns1, "b", "0", 160)), batch(160, del(ns1, "a", 170), put(ns1, "b", "1", 190)), ready(200))
			if !n.Exact() || !n.Ready() || n.Status().Progress != "" || n.Status().Problem != "" {
				t.Errorf("status %+v", n.Status())
			}
			n.holds(ns1, "b=1 c=1")
		})
	}
}

// TestCopyAsksAgainAndAgain: an upstream that asks for one copy after another is
// not humoured for ever.
func TestCopyAsksAgainAndAgain(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		began := u.walks([]feed.Frame{hello(200), page(true, 200, put(ns1, "a", "1", 110)), &feed.End{Reason: feed.EndClosing}}, nil)
		n := start(t, options{net: net, upstream: []*upstream{u}})
		defer n.stop()
		for range 4 {
			u.next().send(hello(200), &feed.End{Reason: feed.EndTooOld})
		}
		if p := n.Status().Problem; !strings.Contains(p, "one copy after another") {
			t.Errorf("problem %q after %d walks", p, len(began()))
		}
		if n.Ready() {
			t.Error("ready")
		}
	})
}

// TestReportsDoNotHoldUp: an upstream that takes no reports in is followed on; its
// staleness is not known better than it was.
func TestReportsDoNotHoldUp(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		s.send(u.heartbeat(100, 0))
		hold := make(chan struct{})
		defer close(hold)
		u.mu.Lock()
		u.answer = func(_ http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/report") {
				return false
			}
			select {
			case <-hold:
			case <-r.Context().Done():
			}
			return true
		}
		u.mu.Unlock()
		for r := godwit.Revision(100); r < 110; r++ {
			s.send(batch(r, put(ns1, "key", "value", r+1)), u.heartbeat(r+1, 0))
			n.at(r + 1)
			time.Sleep(time.Second)
		}
		if d, ok := n.Staleness(); !ok || d < 10*time.Second {
			t.Errorf("staleness %v %t", d, ok)
		}
		if n.Asks() == nil {
			t.Error("away because it takes no reports")
		}
	})
}

// TestMetrics: what is counted.
func TestMetrics(t *testing.T) {
	world(t, func(t *testing.T) {
		n, u, s := following(t, options{at: 100})
		defer n.stop()
		s.send(batch(100, put(ns1, "key", "value", 101), u.putBlob("a", 5000, 102)))
		s.send(&feed.Heartbeat{Revision: 102, Ping: u.lastReport().Ping})
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		for name, want := range map[string]float64{
			"godwit_edge_connected": 1, "godwit_edge_exact": 1, "godwit_edge_staleness_seconds": 0.25,
			"godwit_edge_lag_revisions": 0, "godwit_edge_applied_records_total": 2, "godwit_edge_reconciles_total": 0,
			"godwit_edge_fetched_values_total": 1, "godwit_edge_missing_values": 0, "godwit_edge_clock_offset_seconds": 0,
			"godwit_edge_upstream_failovers_total": 0,
		} {
			if got, ok := n.metric(name); !ok || got != want {
				t.Errorf("%s is %v (%t), want %v", name, got, ok, want)
			}
		}
	})
}

// metric is the value of one of the node's metrics.
func (n *node) metric(name string) (value float64, ok bool) {
	families, err := n.metrics.Gather()
	if err != nil {
		n.t.Fatalf("gather: %v", err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
		}
	}
	return 0, false
}
