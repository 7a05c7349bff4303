package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// TestCentreKilled kills the centre: reads and lists go on at once, writes are
// refused soon, and all is well again once it is back.
func TestCentreKilled(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	ns := world.centre.createNamespace("outage")
	large := strings.Repeat("large", 50_000)
	world.near.ports(ns)[0].ask("PUT", "k", "before")
	put := world.near.ports(ns)[1].ask("PUT", "large", large)
	for _, s := range world.edges() {
		for _, p := range s.ports(ns) {
			if got := p.ask("GET", "large", "", "Godwit-Min-Revision", put.header.Get("Godwit-Revision")); got.body != large {
				t.Fatalf("%s %s: %d, %d bytes", s.name(), p.name, got.status, len(got.body))
			}
		}
	}
	world.centre.kill()
	for _, s := range []*server{world.relay, world.near} {
		s.checkOutage(t, ns, large)
	}
	world.far.checkOutage(t, ns, large) // its upstream, the relay, answers
	world.centre.start()
	for _, s := range world.edges() {
		for _, p := range s.ports(ns) {
			eventually(t, s.name()+" takes writes again", func() bool { return p.ask("PUT", "k", "after "+p.name).status == 200 })
			if got := p.ask("GET", "k", ""); got.body != "after "+p.name {
				t.Errorf("%s %s: got %q after its own write", s.name(), p.name, got.body)
			}
		}
		eventually(t, s.name()+" is fresh again", func() bool {
			got := s.ports(ns)[0].ask("GET", "large", "")
			return got.header.Get("CF-Cache-Status") == "HIT" && s.status().StalenessMS < 3000
		})
	}
}

// checkOutage looks at an edge while the centre is away.
func (s *server) checkOutage(t *testing.T, ns, large string) {
	t.Helper()
	const atOnce = 10 * time.Second // internal/edge holds the milliseconds
	slow := func(what string, got reply) {
		t.Helper()
		if got.took > atOnce {
			t.Errorf("%s: %s took %v", s.name(), what, got.took)
		}
	}
	for _, p := range s.ports(ns) {
		for key, want := range map[string]string{"k": "before", "large": large} {
			got := p.ask("GET", key, "")
			if got.status != 200 || got.body != want {
				t.Errorf("%s %s: get %s: %d, %d bytes", s.name(), p.name, key, got.status, len(got.body))
			}
			slow("get", got)
		}
		got := p.ask("GET", "absent", "")
		if got.status != 404 {
			t.Errorf("%s %s: get of an absent key: %d", s.name(), p.name, got.status)
		}
		slow("get of an absent key", got)
		got = p.ask("PUT", "k", "lost")
		if got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: put: %d %s", s.name(), p.name, got.status, got.body)
		}
		slow("put", got)
	}
	list := s.ask("GET", s.kv("/namespaces/"+ns+"/keys"), "", nil)
	if list.status != 200 || !strings.Contains(list.body, `"large"`) {
		t.Errorf("%s: list: %d %s", s.name(), list.status, list.body)
	}
	slow("list", list)
	made := s.ask("POST", s.kv("/namespaces"), `{"title":"lost"}`, nil)
	if made.status != 503 || !strings.Contains(made.body, `"success":false`) {
		t.Errorf("%s: create namespace: %d %s", s.name(), made.status, made.body)
	}
	slow("create namespace", made)
	eventually(t, s.name()+" says STALE", func() bool {
		return s.ports(ns)[0].ask("GET", "k", "").header.Get("CF-Cache-Status") == "STALE"
	})
}

// TestEdgeRestartedDuringOutage kills an edge and starts it again while the
// centre is away: it is ready without it and serves what it has.
func TestEdgeRestartedDuringOutage(t *testing.T) {
	t.Parallel()
	centre := startServer(t)
	edge := startEdge(t, centre)
	ns := centre.createNamespace("outage")
	for _, p := range edge.ports(ns) {
		p.ask("PUT", p.name, "kept")
	}
	same := func() bool { return edge.status().Revision == centre.status().Revision }
	eventually(t, "the edge has all", same)
	<-time.After(1500 * time.Millisecond) // an edge syncs once a second
	edge.kill()
	edge.start()
	edge.awaitConnected(true)
	eventually(t, "the edge has all again", same)
	centre.kill()
	edge.kill()
	began := time.Now()
	edge.start()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the edge was ready after %v", took)
	}
	for _, p := range edge.ports(ns) {
		got := p.ask("GET", p.name, "")
		if got.status != 200 || got.body != "kept" || got.header.Get("CF-Cache-Status") != "STALE" {
			t.Errorf("%s: %d %q %s", p.name, got.status, got.body, got.header.Get("CF-Cache-Status"))
		}
	}
	centre.start()
	for _, p := range edge.ports(ns) {
		eventually(t, "writes go on", func() bool { return p.ask("PUT", p.name, "anew").status == 200 })
	}
	edge.stop()
	edge.fsck()
}

// TestStopWithFollowers stops a centre that is followed: streams do not hold it
// up until the 15 s are over that requests have to end.
func TestStopWithFollowers(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	for _, s := range []*server{world.centre, world.relay, world.far} {
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 14*time.Second {
			t.Errorf("%s took %v to stop", s.name(), took)
		}
	}
}
