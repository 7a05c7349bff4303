package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCentreIsLost has a centre lost after a backup, and restored elsewhere: its
// edges follow that by another --upstream, reconcile what differs, and nothing of
// the lost one comes back when that is started again.
func TestCentreIsLost(t *testing.T) {
	t.Parallel()
	centre := startServer(t)
	ns := centre.createNamespace("birds")
	put := func(s *server, key, value string) {
		t.Helper()
		for _, p := range s.ports(ns) {
			if got := p.ask("PUT", key, value); got.status != 200 {
				t.Fatalf("%s: put at %s: %d %s", key, p.name, got.status, got.body)
			}
		}
	}
	for i := range 50 {
		put(centre, fmt.Sprintf("same %d", i), "v")
	}
	put(centre, "k", "kept")
	put(centre, "large", strings.Repeat("x", 200_000))
	edges := []*server{startEdge(t, centre), startEdge(t, centre)}
	backup := filepath.Join(t.TempDir(), "backup")
	centre.command("backup", backup)
	put(centre, "k", "lost")
	put(centre, "lost", "lost")
	for _, e := range edges {
		for _, p := range e.ports(ns) {
			eventually(t, "the edge has what will be lost", func() bool { return p.ask("GET", "lost", "").body == "lost" })
		}
	}
	centre.kill()

	restored := newServer(t)
	restored.command("restore", backup, restored.dir)
	restored.start()
	for _, e := range edges {
		e.stop()
		e.args = []string{"--upstream", "http://" + restored.api, "--upstream-token", rootToken}
		e.start()
	}
	for _, e := range edges {
		for _, p := range e.ports(ns) {
			eventually(t, "the edge is a copy of the restored centre", func() bool {
				return p.ask("GET", "k", "").body == "kept" && p.ask("GET", "lost", "").status == 404
			})
			if got := p.ask("GET", "large", ""); len(got.body) != 200_000 {
				t.Errorf("%s: large has %d bytes", p.name, len(got.body))
			}
		}
		put(e, "written at "+e.name(), "v")
		eventually(t, "the revisions are the same", func() bool { return e.status().Revision == restored.status().Revision })
	}

	// The lost one comes back, and an edge is pointed at it: it is not followed, and
	// takes no more writes.
	centre.start()
	edges[0].stop()
	edges[0].args = []string{"--upstream", "http://" + centre.api, "--upstream-token", rootToken}
	edges[0].start()
	eventually(t, "the edge says why it does not follow", func() bool { return strings.Contains(edges[0].status().Problem, "was replaced") })
	for _, p := range centre.ports(ns) {
		eventually(t, "the lost centre takes no writes", func() bool { return p.ask("PUT", "k", "lost").status == 503 })
		if got := p.ask("GET", "k", ""); got.body != "lost" || got.header.Get("CF-Cache-Status") != "STALE" {
			t.Errorf("%s: it answers %q (%s)", p.name, got.body, got.header.Get("CF-Cache-Status"))
		}
	}
	for _, p := range edges[0].ports(ns) {
		if got := p.ask("GET", "k", ""); got.body != "kept" {
			t.Errorf("%s: the edge has %q", p.name, got.body)
		}
	}
	centre.stop()
	centre.fsck()
}

// TestThreeMembersAreReplaced: all members are lost, and an edge is made a centre. When
// the members come back after all, they learn of it by an edge, and take no more
// writes.
func TestThreeMembersAreReplaced(t *testing.T) {
	c := startCluster(t)
	put := func(s *server, value string) int { return s.ports(c.namespace)[0].ask("PUT", "key", value).status }
	if got := put(c.members[1], "kept"); got != 200 {
		t.Fatalf("put: %d", got)
	}
	c.settle()
	for _, m := range c.members {
		m.kill()
	}
	c.edge.stop()
	c.edge.command("promote", c.edge.dir)
	centre := newServer(t)
	centre.dir = c.edge.dir
	centre.start()
	if got := centre.ports(c.namespace)[0].ask("GET", "key", ""); got.body != "kept" {
		t.Errorf("the new centre has %q", got.body)
	}
	if got := put(centre, "after"); got != 200 {
		t.Errorf("put at the new centre: %d", got)
	}
	edge := startEdge(t, centre)
	for _, m := range c.members {
		m.launch()
	}
	for _, m := range c.members {
		m.awaitReady(m.readyFile())
	}
	edge.stop()
	edge.args = []string{"--upstream", "http://" + c.members[0].api, "--upstream-token", rootToken}
	edge.start()
	for _, m := range c.members {
		eventually(t, m.name()+" takes no more writes", func() bool {
			got := m.ports(c.namespace)[0].ask("PUT", "key", "lost")
			return got.status == 503 && strings.Contains(got.body, "was replaced")
		})
		if got := m.ports(c.namespace)[0].ask("GET", "key", "", "Godwit-Consistency", "strong"); got.status != 503 {
			t.Errorf("%s: a strong read: %d", m.name(), got.status)
		}
	}
	if got := edge.ports(c.namespace)[0].ask("GET", "key", ""); got.body != "after" {
		t.Errorf("the edge has %q", got.body)
	}
}

// TestThreeMembersBecomeOneAndThree: two of three are lost for good. The third is made
// the first member of another cluster, which has all that was acknowledged.
func TestThreeMembersBecomeOneAndThree(t *testing.T) {
	c := startCluster(t)
	p := c.members[1].ports(c.namespace)[0]
	for i := range 20 {
		if got := p.ask("PUT", fmt.Sprint("key ", i), "kept"); got.status != 200 {
			t.Fatalf("put: %d", got.status)
		}
	}
	c.settle()
	left := c.members[0]
	c.members[1].kill()
	c.members[2].kill()
	left.stop()
	left.command("promote", left.dir)
	for _, name := range []string{"nats", "nats-identity"} {
		if err := os.RemoveAll(filepath.Join(left.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	again := newCluster(t, "--cluster", "again")
	again.members[0].dir = left.dir
	for _, m := range again.members {
		m.launch()
	}
	for _, m := range again.members {
		m.awaitReady(m.readyFile())
	}
	c.edge.stop()
	c.edge.args = []string{"--upstream", "http://" + again.members[1].api, "--upstream-token", rootToken}
	c.edge.start()
	for _, s := range append(again.members[:3:3], c.edge) {
		eventually(t, s.name()+" has all", func() bool {
			return s.ports(c.namespace)[0].ask("GET", "key 19", "").body == "kept"
		})
	}
	if got := again.members[2].ports(c.namespace)[0].ask("PUT", "key", "new"); got.status != 200 {
		t.Errorf("put: %d %s", got.status, got.body)
	}
	again.edge, again.namespace = c.edge, c.namespace
	again.settle()
}
