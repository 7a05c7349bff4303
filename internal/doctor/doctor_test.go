package doctor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/doctor"
)

var now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// well is a centre, and an edge that follows it, of which nothing is to be said.
func well() *doctor.Deployment {
	status := func(role, location string) *client.Status {
		return &client.Status{
			ID: location, Role: role, Location: location, ClusterID: "c", Ready: true, Connected: true, Version: "v1", TimeMS: now.UnixMilli(),
			RetentionSeconds: int64(7 * day / time.Second), BindingURL: "http://" + location + ":8788",
			Disk:  &client.Disk{FreeBytes: 100 << 30, ReserveBytes: 256 << 20},
			Ports: []client.Port{{Name: "api", Open: true, TLS: true}, {Name: "binding"}, {Name: "pprof"}},
			Audit: &client.Audit{},
			Certificates: []client.Certificate{{
				Use: "ports", Names: []string{"fra.example"}, NotBefore: now.Add(-30 * day).Unix(), NotAfter: now.Add(60 * day).Unix(),
			}},
		}
	}
	return &doctor.Deployment{Now: now, Nodes: []doctor.Node{
		{Name: "fra", URL: "https://fra", Round: time.Millisecond, Status: status("central", "fra"), Listed: &client.Node{Role: "central", Ready: true}},
		{Name: "lhr", URL: "https://lhr", Round: time.Millisecond, Status: status("edge", "lhr"), Listed: &client.Node{Role: "edge", Ready: true}},
	}}
}

// cluster is one of three members, of which nothing is to be said.
func cluster() *client.Cluster {
	c := &client.Cluster{Name: "main", Node: "a", Leader: "b", Durability: "synced by a quorum", Bytes: 64 << 20, CapBytes: 4 << 30}
	for _, name := range []string{"a", "b", "c"} {
		c.Members = append(c.Members, client.Member{Name: name, Present: true, Ready: true})
	}
	return c
}

// TestFindings changes one thing of a deployment that is well, and wants to be told of
// that and of nothing else.
func TestFindings(t *testing.T) {
	inCluster := func(change func(c *client.Cluster)) func(*doctor.Deployment) {
		return func(d *doctor.Deployment) {
			c := cluster()
			change(c)
			d.Nodes[0].Status.Cluster = c
		}
	}
	status := func(i int, change func(s *client.Status)) func(*doctor.Deployment) {
		return func(d *doctor.Deployment) { change(d.Nodes[i].Status) }
	}
	token := func(expires time.Duration) func(*doctor.Deployment) {
		return func(d *doctor.Deployment) {
			d.Tokens = []client.Token{{ID: "t", Permission: "write", Expires: now.Add(expires).Unix()}, {ID: "ever"}}
		}
	}
	follows := func(root bool, expires time.Duration) func(*doctor.Deployment) {
		return func(d *doctor.Deployment) {
			d.Nodes[1].Listed.RootToken, d.Nodes[1].Listed.TokenExpires = root, now.Add(expires).Unix()
		}
	}
	certificate := func(life, left time.Duration) func(*doctor.Deployment) {
		return status(0, func(s *client.Status) {
			s.Certificates[0].NotBefore, s.Certificates[0].NotAfter = now.Add(left-life).Unix(), now.Add(left).Unix()
		})
	}
	offset := func(i int, by time.Duration) func(*doctor.Deployment) {
		return func(d *doctor.Deployment) { d.Nodes[i].Offset = by }
	}
	tests := []struct {
		name   string
		change func(*doctor.Deployment)
		want   []string // level, node and check
	}{
		{"well", func(*doctor.Deployment) {}, nil},
		{"unreachable", func(d *doctor.Deployment) {
			d.Nodes[1] = doctor.Node{Name: "lhr", URL: "u", Health: errors.New("refused")}
		}, []string{"problem lhr api port"}},
		{"no address", func(d *doctor.Deployment) {
			d.Nodes[1] = doctor.Node{Name: "lhr", Listed: &client.Node{Role: "edge", Ready: true}}
		}, []string{"warning lhr api port"}},
		{"no address, not ready", func(d *doctor.Deployment) {
			d.Nodes[1] = doctor.Node{Name: "lhr", Listed: &client.Node{Role: "edge"}}
		}, []string{"warning lhr api port", "problem lhr ready"}},
		{"no status", func(d *doctor.Deployment) {
			d.Nodes[1] = doctor.Node{Name: "lhr", URL: "u", Unseen: client.ErrUnauthenticated}
		}, []string{"problem lhr status"}},
		{"not ready", func(d *doctor.Deployment) { d.Nodes[1].Unready = "first copy" }, []string{"problem lhr ready"}},
		{"binding port", func(d *doctor.Deployment) { d.Nodes[0].Binding = errors.New("refused") }, []string{"warning fra binding port"}},
		{"closed binding port", func(d *doctor.Deployment) { d.Nodes[0].Closed = true }, nil},

		{"two stores", status(1, func(s *client.Status) { s.ClusterID = "other" }), []string{"problem  deployment"}},
		{"two centres", status(1, func(s *client.Status) { s.Role = "central" }), []string{"problem  deployment"}},
		{"fenced", status(0, func(s *client.Status) { s.FencedBy, s.Problem = 2, "replaced" }), []string{"problem fra standing"}},
		{"its own problem", status(1, func(s *client.Status) { s.Problem = "other cluster" }), []string{"problem lhr standing"}},
		{"versions", status(1, func(s *client.Status) { s.Version = "v2" }), []string{"warning  versions"}},
		{"encryption", status(1, func(s *client.Status) { s.Encryption = &client.Encryption{KeyID: "k"} }), []string{"warning  encryption"}},

		{"clock a bit off", offset(1, 3*time.Second), []string{"warning  clocks", "warning lhr clock"}},
		{"clock off", offset(1, -11*time.Second), []string{"problem  clocks", "problem lhr clock"}},
		{"clock within what a slow answer tells", func(d *doctor.Deployment) {
			d.Nodes[1].Offset, d.Nodes[1].Round = 3*time.Second, 4*time.Second
		}, nil},
		{"own clock off", func(d *doctor.Deployment) { offset(0, time.Minute)(d); offset(1, time.Minute)(d) }, []string{"problem fra clock", "problem lhr clock"}},
		{"older version without a clock", func(d *doctor.Deployment) {
			d.Nodes[1].Status.TimeMS, d.Nodes[1].Offset = 0, -100*365*day
		}, nil},

		{"disk full", status(0, func(s *client.Status) { s.DiskFull = true }), []string{"problem fra disk"}},
		{"disk nearly full", status(0, func(s *client.Status) { s.Disk.FreeBytes = 300 << 20 }), []string{"warning fra disk"}},
		{"no reserve", status(0, func(s *client.Status) { s.Disk.ReserveBytes = 0 }), []string{"warning fra disk"}},
		{"disk unknown", status(0, func(s *client.Status) { s.Disk = nil }), nil},

		{"damaged", status(0, func(s *client.Status) { s.Scrub.Found, s.Scrub.Unmended = 2, 1 }), []string{"problem fra scrub"}},
		{"mended", status(0, func(s *client.Status) { s.Scrub.LastFound, s.Scrub.LastMended = 2, 2 }), []string{"warning fra scrub"}},
		{"scrubbed", status(0, func(s *client.Status) { s.Scrub.LastEnded = now.Add(-day).Unix() }), nil},

		{"cut off", status(1, func(s *client.Status) { s.Connected = false }), []string{"problem lhr following"}},
		{"a copy", status(1, func(s *client.Status) { s.Progress = "40 %" }), []string{"warning lhr following"}},
		{"stale", status(1, func(s *client.Status) { s.StalenessMS = 6000 }), []string{"warning lhr following"}},
		{"very stale", status(1, func(s *client.Status) { s.StalenessMS = 31_000 }), []string{"problem lhr following"}},
		{"never heard", status(1, func(s *client.Status) { s.StalenessMS = -1 }), []string{"problem lhr following"}},
		{"away for long", status(1, func(s *client.Status) {
			s.Connected, s.StalenessMS = false, (4 * day).Milliseconds()
		}), []string{"problem lhr following", "warning lhr retention"}},
		{"stale centre", status(0, func(s *client.Status) { s.StalenessMS = -1 }), nil},

		{"plain port", status(0, func(s *client.Status) { s.Ports[0].TLS = false }), []string{"warning fra ports"}},
		{"profiler", status(0, func(s *client.Status) { s.Ports[2].Open = true }), []string{"problem fra ports"}},
		{"audit log", status(0, func(s *client.Status) { s.Audit.Failing = true }), []string{"problem fra audit log"}},
		{"audit log with gaps", status(0, func(s *client.Status) { s.Audit.Dropped = 3 }), []string{"warning fra audit log"}},
		{"no audit log", status(0, func(s *client.Status) { s.Audit = nil }), nil},

		{"certificate, soon", certificate(90*day, 10*day), []string{"warning fra certificate of the ports"}},
		{"certificate, very soon", certificate(90*day, 2*day), []string{"problem fra certificate of the ports"}},
		{"certificate, over", certificate(90*day, -time.Hour), []string{"problem fra certificate of the ports"}},
		{"certificate, of six days", certificate(6*day, 3*day), nil},
		{"certificate, of six days, soon", certificate(6*day, day), []string{"warning fra certificate of the ports"}},
		{"certificate in front", func(d *doctor.Deployment) {
			d.Nodes[1].Presented = []client.Certificate{{NotBefore: now.Add(-90 * day).Unix(), NotAfter: now.Add(day).Unix()}}
		}, []string{"problem lhr certificate at https://lhr"}},

		{"token, soon", token(3 * day), []string{"warning  tokens"}},
		{"token, over", token(-3 * day), []string{"warning  tokens"}},
		{"token, later", token(20 * day), nil},
		{"tokens not shown", func(d *doctor.Deployment) { d.NoTokens = client.ErrForbidden }, nil},
		{"tokens not known", func(d *doctor.Deployment) { d.NoTokens = client.ErrUnavailable }, []string{"warning  tokens"}},
		{"root token", follows(true, 0), []string{"warning lhr upstream token"}},
		{"upstream token, soon", follows(false, 10*day), []string{"warning lhr upstream token"}},
		{"upstream token, very soon", follows(false, time.Hour), []string{"problem lhr upstream token"}},
		{"upstream token, later", follows(false, 30*day), nil},

		{"cluster", inCluster(func(*client.Cluster) {}), nil},
		{"one away", inCluster(func(c *client.Cluster) { c.Members[2].Present = false }), []string{"warning  members"}},
		{"two away", inCluster(func(c *client.Cluster) { c.Members[1].Present, c.Members[2].Present = false, false }), []string{"problem  members"}},
		{"no leader", inCluster(func(c *client.Cluster) { c.Leader = "" }), []string{"problem  leader"}},
		{"log grows", inCluster(func(c *client.Cluster) { c.Bytes = 2 << 30 }), []string{"warning  log"}},
		{"log full", inCluster(func(c *client.Cluster) { c.Bytes = 4 << 30 }), []string{"problem  log"}},
		{"unverified", inCluster(func(c *client.Cluster) { c.Durability = "could not be verified" }), []string{"warning  durability"}},
		{"a member's problem", inCluster(func(c *client.Cluster) { c.Members[1].Problem = "disk full" }), []string{"problem  members"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := well()
			tt.change(d)
			var got []string
			all := d.Findings()
			for _, f := range all {
				if f.Level == doctor.OK {
					continue
				}
				got = append(got, string(f.Level)+" "+f.Node+" "+f.Check)
				if f.Found == "" || f.Means == "" || f.Do == "" {
					t.Errorf("%s does not say what it means and what to do: %+v", f.Check, f)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if len(all) < 10 {
				t.Errorf("only %d findings", len(all))
			}
		})
	}
}

// TestDamagedIsNoStandstill: a node with damaged values takes writes and follows, and what
// it complains of is not explained by what else may be wrong.
func TestDamagedIsNoStandstill(t *testing.T) {
	d := well()
	d.Nodes[0].Status.Scrub.Unmended, d.Nodes[0].Status.Problem = 1, "values are damaged"
	means := ""
	for _, f := range d.Findings() {
		if f.Check == "standing" && f.Level == doctor.Problem {
			means = f.Means
		}
	}
	if !strings.Contains(means, "values that it cannot read") {
		t.Errorf("it means: %s", means)
	}
}

// TestScrubFromTheFuture: by whose clock a pass ended is said where it would be in the
// future by the other.
func TestScrubFromTheFuture(t *testing.T) {
	for ended, want := range map[time.Duration]string{
		-time.Hour:      "which ended 1h0m0s ago",
		719 * time.Hour: "which ended by the node's clock at " + now.Add(719*time.Hour).UTC().Format(time.RFC3339),
	} {
		d := well()
		d.Nodes[0].Status.Scrub.LastEnded = now.Add(ended).Unix()
		found := ""
		for _, f := range d.Findings() {
			if f.Check == "scrub" && f.Node == "fra" {
				found = f.Found
			}
		}
		if !strings.HasSuffix(found, want) {
			t.Errorf("ended %v from now: found %q, want it to end in %q", ended, found, want)
		}
	}
}

// TestHostileAddress holds that a shell which is given the advice runs nothing that a
// node has told for its address.
func TestHostileAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://lhr:1":             " https://lhr:1",
		"http://h/$(touch x)'`id`;": ` 'http://h/$(touch x)'\''` + "`id`;",
		"-Kfile":                    " URL",
		"$(touch x)":                " URL",
		"file:///etc/passwd":        " URL",
	} {
		for name, n := range map[string]doctor.Node{
			"api port":  {Health: errors.New("refused")},
			"told":      {Told: true},
			"not ready": {Unready: "first copy"},
		} {
			n.Name, n.URL = "lhr", address
			d := well()
			d.Nodes[1] = n
			var advice []string
			for _, f := range d.Findings() {
				if f.Node == "lhr" && f.Level != doctor.OK {
					advice = append(advice, f.Do)
				}
			}
			if len(advice) != 1 || !strings.Contains(advice[0], want) || strings.Contains(strings.ReplaceAll(advice[0], want, ""), address) {
				t.Errorf("%s, %s: %q, want %q in it", address, name, advice, want)
			}
		}
	}
}

// TestOwnClockIsToldApart holds that the advice is about the clock that is off.
func TestOwnClockIsToldApart(t *testing.T) {
	d := well()
	advice := func() string {
		for _, f := range d.Findings() {
			if f.Check == "clock" && f.Level == doctor.Problem {
				return f.Do
			}
		}
		return ""
	}
	d.Nodes[1].Offset = time.Minute
	one := advice()
	d.Nodes[0].Offset = time.Minute
	if all := advice(); one == "" || all == "" || one == all {
		t.Errorf("one node off: %q; all off: %q", one, all)
	}
}
