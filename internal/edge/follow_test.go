package edge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// TestFollow: an edge goes on from where its store stands, is exact once the
// upstream has said so, and knows how stale it is from the first echo on.
func TestFollow(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		if got := s.query.Get("after"); got != epoch1.ID.String()+":100" {
			t.Errorf("it goes on after %q", got)
		}
		if got := s.query.Get("cluster"); got != clusterA {
			t.Errorf("it asks for cluster %q", got)
		}
		s.send(hello(101))
		if n.Exact() || n.Fresh(time.Hour) {
			t.Error("exact before the upstream has said so")
		}
		s.send(ready(100))
		if !n.Exact() || n.Fresh(time.Hour) {
			t.Errorf("ready: exact %t, fresh %t", n.Exact(), n.Fresh(time.Hour))
		}
		s.send(batch(100, put(ns1, "a", "1", 101), put(ns1, "b", "2", 102)), batch(102, del(ns1, "a", 103)))
		n.at(103)
		n.holds(ns1, "b=2")
		s.send(u.heartbeat(103, 0))
		if d, ok := n.Staleness(); !ok || d != 0 || !n.Fresh(0) {
			t.Errorf("staleness %v %t", d, ok)
		}
		time.Sleep(700 * time.Millisecond)
		if d, _ := n.Staleness(); d != 700*time.Millisecond || n.Fresh(600*time.Millisecond) || !n.Fresh(d) {
			t.Errorf("staleness %v", d)
		}
		if got, want := n.happened(), "commit(100-103)"; got != want {
			t.Errorf("happened %q, want %q", got, want)
		}
		if st := n.Status(); !st.Connected || st.Problem != "" || st.Upstream != u.url() || n.Asks() == nil {
			t.Errorf("status %+v", st)
		}
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		if r := u.lastReport(); r.Session != 7 || r.Follower.Revision != "103" {
			t.Errorf("report %+v", r)
		}
	})
}

// TestFramesShareACommit: batches that arrived together share a commit, in which
// each is whole; the catalog's and the watchers' hook sees them all.
func TestFramesShareACommit(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		frames := []feed.Frame{hello(100), ready(100)}
		for r := godwit.Revision(100); r < 300; r += 2 {
			frames = append(frames, batch(r, put(ns1, fmt.Sprintf("k%d", r%7), fmt.Sprint(r), r+1), put(ns1, "both", fmt.Sprint(r), r+2)))
		}
		s.send(frames...)
		n.at(300)
		n.holds(ns1, "both=298 k0=294 k1=288 k2=296 k3=290 k4=298 k5=292 k6=286")
		commits := strings.Fields(n.happened())
		if len(commits) > 20 {
			t.Errorf("%d commits for 100 batches", len(commits))
		}
		for _, c := range commits {
			var from, to int
			if _, err := fmt.Sscanf(c, "commit(%d-%d)", &from, &to); err != nil || from%2 != 0 || to%2 != 0 {
				t.Errorf("%s cuts a batch in two", c)
			}
		}
	})
}

// TestNonsense: what does not go on from what is here, or makes no sense, changes
// nothing, and the edge asks again from where it stands. What came before it in
// one piece stays.
func TestNonsense(t *testing.T) {
	good := batch(100, put(ns1, "good", "1", 101))
	for name, frame := range map[string]feed.Frame{
		"a gap":                      batch(102, put(ns1, "bad", "1", 103)),
		"again":                      batch(100, put(ns1, "bad", "1", 101)),
		"a revision outside":         &feed.Records{Prev: 101, Revision: 102, Records: []godwit.Record{put(ns1, "bad", "1", 103)}},
		"a revision from before":     &feed.Records{Prev: 101, Revision: 102, Records: []godwit.Record{put(ns1, "bad", "1", 101)}},
		"revisions out of order":     &feed.Records{Prev: 101, Revision: 103, Records: []godwit.Record{put(ns1, "bad", "1", 103), put(ns1, "bad", "1", 102)}},
		"a frame that goes back":     &feed.Records{Prev: 101, Revision: 100},
		"a Ready that goes back":     ready(100),
		"a page":                     &feed.Page{Revision: 101},
		"no end":                     nil,
		"a round out of order":       &feed.Records{Round: true, Prev: 101, Revision: 103, Records: []godwit.Record{put(ns1, "bad", "1", 103), put(ns1, "bad", "1", 102)}},
		"too slow":                   &feed.End{Reason: feed.EndSlow},
		"an end of an unknown kind":  &feed.End{Reason: 77, Message: "?"},
		"another cluster on the way": func() feed.Frame { h := hello(101); h.Cluster = clusterB; return h }(),
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func(t *testing.T) {
				net := newNetwork()
				u := startUpstream(t, net, "centre")
				n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
				defer n.stop()
				s := u.next()
				if frame == nil {
					s.send(hello(100), ready(100), good)
					close(s.out)
				} else {
					s.send(hello(100), ready(100), good, frame)
				}
				if again := u.next(); again.query.Get("after") != epoch1.ID.String()+":101" {
					t.Errorf("it goes on after %q", again.query.Get("after"))
				}
				n.at(101)
				n.holds(ns1, "good=1")
				if n.Status().Problem == "" {
					t.Error("no problem is told")
				}
				if !n.Exact() {
					t.Error("the store is exact no more")
				}
			})
		})
	}
}

// TestFlippedBit: no bit of a frame can be wrong without being noticed.
func TestFlippedBit(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		frame := encode(t, batch(100, put(ns1, "key", "value", 101), del(ns1, "other", 102)))
		for bit := 0; bit < 8*len(frame); bit += 3 {
			s := u.next()
			s.send(hello(100), ready(100))
			bad := append([]byte(nil), frame...)
			bad[bit/8] ^= 1 << (bit % 8)
			s.write(append(bad, encode(t, ready(100))...))
			for range 5 { // one whose length grew waits for the rest
				if s.over() {
					break
				}
				time.Sleep(time.Second)
			}
			if !s.over() {
				t.Fatalf("bit %d: the edge follows on", bit)
			}
			n.at(100)
		}
		n.holds(ns1, "")
		u.next().send(hello(100), ready(100), batch(100, put(ns1, "key", "value", 101)))
		n.holds(ns1, "key=value")
	})
}

// TestSilence: an upstream that says nothing for 2.5 s is away. A frame that takes
// longer than that to come in is no silence.
func TestSilence(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(100), ready(100))
		slow := encode(t, batch(100, put(ns1, "key", strings.Repeat("v", 500), 101)))
		for len(slow) > 0 {
			time.Sleep(2 * time.Second)
			k := min(50, len(slow))
			s.write(slow[:k])
			slow = slow[k:]
		}
		n.at(101)
		time.Sleep(2400 * time.Millisecond)
		if synctest.Wait(); n.Asks() == nil {
			t.Error("away too early")
		}
		time.Sleep(600 * time.Millisecond)
		if synctest.Wait(); n.Asks() != nil || n.Status().Connected {
			t.Error("not away")
		}
		if !s.over() {
			t.Error("the stream is still open")
		}
		if !n.Exact() {
			t.Error("what is here is exact no more")
		}
		u.next().send(hello(101), ready(101))
		if n.Asks() == nil || n.Status().Problem != "" {
			t.Errorf("not back: %+v", n.Status())
		}
	})
}

// TestNobodyAnswers: attempts come at most a second apart, and a first one within
// a tenth of one, whatever else happens; the log does not fill up.
func TestNobodyAnswers(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		s := u.next()
		s.send(hello(100), ready(100))
		u.beats(s, 100, 10*time.Second)
		net.cut("centre", true)
		time.Sleep(100 * time.Millisecond)
		if synctest.Wait(); n.Asks() != nil {
			t.Error("not away")
		}
		time.Sleep(130 * time.Second)
		if got := n.logs.Count("not following upstream"); got < 2 || got > 5 {
			t.Errorf("%d log lines in two minutes", got)
		}
		if n.Status().Problem == "" || !n.Exact() || !n.Ready() {
			t.Errorf("status %+v", n.Status())
		}
		net.up("centre")
		was := time.Now()
		u.next()
		if took := time.Since(was); took > time.Second {
			t.Errorf("it took %v to come back", took)
		}
	})
}

// TestRefused: an edge whose token is not taken says so, and does not hammer.
func TestRefused(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		u.refuse = 401
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if tries := len(u.streams); tries < 5 || tries > 20 {
			t.Errorf("%d attempts in a minute", tries)
		}
		if p := n.Status().Problem; !strings.Contains(p, "Authentication error") {
			t.Errorf("problem %q", p)
		}
		if n.Asks() != nil {
			t.Error("requests would go to who refuses them")
		}
	})
}

// TestRevoked: so does one whose token is revoked while its feed is open.
func TestRevoked(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{u}})
		defer n.stop()
		u.next().send(hello(100), ready(100), &feed.End{Reason: feed.EndRevoked})
		if p := n.Status().Problem; !strings.Contains(p, "token") || n.Asks() != nil {
			t.Errorf("problem %q", p)
		}
	})
}

// TestOtherCluster: an upstream of another cluster is told of and never applied,
// nor asked. What is here is served on.
func TestOtherCluster(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		wrong, right := startUpstream(t, net, "wrong"), startUpstream(t, net, "right")
		n := start(t, options{net: net, at: 100, upstream: []*upstream{wrong, right}})
		defer n.stop()
		other := hello(100)
		other.Cluster = clusterB
		wrong.next().send(other, ready(100), batch(100, put(ns1, "key", "value", 101)))
		n.at(100)
		if p := n.Status().Problem; !strings.Contains(p, "another cluster") || n.Asks() != nil || !n.Ready() {
			t.Errorf("problem %q", p)
		}
		s := right.next()
		s.send(hello(100), ready(100))
		if n.Asks() == nil || n.Status().Upstream != right.url() {
			t.Errorf("status %+v", n.Status())
		}
		select {
		case err := <-n.Failed():
			t.Errorf("failed: %v", err)
		default:
		}
	})
}

// TestOtherAccount: a node that was told its account does not start with another.
func TestOtherAccount(t *testing.T) {
	world(t, func(t *testing.T) {
		net := newNetwork()
		u := startUpstream(t, net, "centre")
		o := options{net: net, upstream: []*upstream{u}}
		o.cfg.Account = "b"
		n := start(t, o)
		defer n.stop()
		u.next().send(hello(100))
		select {
		case err := <-n.Failed():
			if !strings.Contains(err.Error(), "account") {
				t.Errorf("failed: %v", err)
			}
		default:
			t.Error("it goes on")
		}
	})
}
