package e2e_test

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var chaosRounds = flag.Int("chaos.rounds", 1, "how often each fault of a cluster happens")

// Bounds of how long writes may pause, by what happened. nats-server's own election
// takes 4 to 9 s.
const (
	electionPause = 10 * time.Second
	answerBound   = 2500 * time.Millisecond
)

// TestThreeMembersUnderFaults: whatever happens to one of three members, no acknowledged
// write is lost, none takes effect twice, writes and strong reads are linearizable,
// every answer comes soon, and all are the same at the end.
func TestThreeMembersUnderFaults(t *testing.T) {
	c := startCluster(t)
	for _, fault := range []struct {
		name string
		do   func(t *testing.T, c *cluster)
	}{
		{"the leader is killed", func(t *testing.T, c *cluster) { bounce(c.leader(), (*server).kill, 5*time.Second) }},
		{"a follower is killed", func(t *testing.T, c *cluster) { bounce(c.follower(), (*server).kill, 2*time.Second) }},
		{"the leader stops in order", func(t *testing.T, c *cluster) { bounce(c.leader(), (*server).stop, 2*time.Second) }},
		{"a follower hangs", func(t *testing.T, c *cluster) { hang(t, c.follower(), 5*time.Second) }},
		{"the leader hangs", func(t *testing.T, c *cluster) { hang(t, c.leader(), 20*time.Second) }},
		{"all are restarted in turn", func(_ *testing.T, c *cluster) {
			for _, m := range c.members {
				bounce(m, (*server).stop, 100*time.Millisecond)
				eventually(c.t, m.name()+" is ready again", m.ready)
			}
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for range *chaosRounds {
				r := c.under(func() { fault.do(t, c) })
				if r.pause > electionPause+answerBound {
					t.Errorf("writes paused for %v", r.pause)
				}
			}
		})
	}
	for _, m := range c.members {
		m.stop()
		m.fsck()
	}
}

// bounce ends a member, and starts it again after a while.
func bounce(s *server, end func(*server), down time.Duration) {
	end(s)
	<-time.After(down)
	s.start()
}

// hang stops a member's process as a machine that swaps does.
func hang(t *testing.T, s *server, span time.Duration) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(span)
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// TestThreeMembersLoseQuorum: with two of three members gone reads go on, writes and strong
// reads are refused soon with a reason, and nothing is lost when they return.
func TestThreeMembersLoseQuorum(t *testing.T) {
	c := startCluster(t)
	last := c.members[0]
	if got := last.ports(c.namespace)[0].ask("PUT", "key", "before"); got.status != 200 {
		t.Fatalf("put: %d %s", got.status, got.body)
	}
	c.settle()
	c.members[1].kill()
	c.members[2].kill()
	for _, p := range last.ports(c.namespace) {
		got := p.ask("PUT", "key", "lost")
		if got.status != 504 && got.status != 503 || got.took > answerBound {
			t.Errorf("%s: a write: %d after %v: %s", p.name, got.status, got.took, got.body)
		}
		got = p.ask("PUT", "key", "lost")
		if got.status != 503 || got.took > answerBound {
			t.Errorf("%s: the next: %d after %v: %s", p.name, got.status, got.took, got.body)
		}
		if got = p.ask("GET", "key", "", "Godwit-Consistency", "strong"); got.status != 503 || got.took > answerBound {
			t.Errorf("%s: a strong read: %d after %v", p.name, got.status, got.took)
		}
		if got = p.ask("GET", "key", ""); got.status != 200 || got.took > answerBound {
			t.Errorf("%s: a read: %d after %v", p.name, got.status, got.took)
		}
	}
	eventually(t, "reads say that they are stale", func() bool {
		return last.ports(c.namespace)[0].ask("GET", "key", "").header.Get("CF-Cache-Status") == "STALE"
	})
	last.kill() // and starts alone: it serves what it has
	last.launch()
	eventually(t, "one that starts alone serves what it has", func() bool {
		return last.ready() && last.ports(c.namespace)[0].ask("GET", "key", "").status == 200
	})
	c.members[1].launch()
	c.members[2].launch()
	eventually(t, "writes are taken again", func() bool {
		return last.ports(c.namespace)[0].ask("PUT", "other", "after").status == 200
	})
	c.settle()
}

// TestThreeMembersLoseADisk: a member whose disk is gone does not come back as the old one;
// once that is removed it joins as a new one.
func TestThreeMembersLoseADisk(t *testing.T) {
	c := startCluster(t)
	m := c.members[2]
	c.refusesToRemove("n3", "The member is running: stop it first.")
	c.under(func() {
		m.kill()
		if err := os.RemoveAll(filepath.Dir(m.dir) + "/data"); err != nil {
			t.Fatal(err)
		}
	})
	c.refusesToRemove("n3", "does not count as gone yet")
	m.launch()
	eventually(t, "the member with a new disk says that its name is taken", func() bool {
		_, why, err := m.do(http.MethodGet, "http://"+m.api+"/readyz", nil)
		return err == nil && strings.Contains(string(why), "another disk")
	})
	c.under(func() {
		eventually(t, "the old member is removed", func() bool { return c.members[0].runs("cluster", "remove", "n3") })
		eventually(t, "the new member is ready", m.ready)
	})
	c.members[0].kill() // the new one counts: two of three are a quorum
	eventually(t, "writes go on with the new member", func() bool {
		return m.ports(c.namespace)[0].ask("PUT", "key", "two of three").status == 200
	})
	c.members[0].start()
	c.settle()
}
