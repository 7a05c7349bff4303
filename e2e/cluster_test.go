package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/porttest"
)

// cluster is a central store of several members, and an edge that follows them.
type cluster struct {
	t         *testing.T
	members   []*server
	edge      *server
	namespace string
}

// startCluster starts three members on empty data directories, and an edge.
func startCluster(t *testing.T, args ...string) *cluster {
	t.Helper()
	c := newCluster(t, args...)
	c.start()
	return c
}

func newCluster(t *testing.T, args ...string) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var peers []string
	for i := range 3 {
		peers = append(peers, fmt.Sprintf("n%d=%s", i+1, porttest.Free(t)))
	}
	for i := range 3 {
		_, listen, _ := strings.Cut(peers[i], "=")
		s := newServer(t, append([]string{
			"--cluster", "e2e", "--node", fmt.Sprintf("n%d", i+1), "--location", fmt.Sprintf("n%d", i+1),
			"--cluster-listen", listen, "--cluster-peers", strings.Join(peers, ","),
		}, args...)...)
		c.members = append(c.members, s)
	}
	return c
}

// start starts all members, and the edge behind them.
func (c *cluster) start() {
	c.t.Helper()
	began := time.Now()
	for _, m := range c.members {
		m.launch()
	}
	for _, m := range c.members {
		m.awaitReady(m.readyFile())
	}
	c.t.Logf("a cluster of three is ready %v after its start", time.Since(began).Round(100*time.Millisecond))
	c.namespace = c.members[0].createNamespace("cluster")
	var urls []string
	for _, m := range c.members {
		urls = append(urls, "http://"+m.api)
	}
	c.edge = newServer(c.t, "--upstream", strings.Join(urls, ","), "--upstream-token", rootToken)
	c.edge.start()
}

// under runs a fault while clients work on all members, for as long as the fault
// takes and a while before and after, and then holds everything to be right.
func (c *cluster) under(fault func()) *recorder {
	c.t.Helper()
	r := newRecorder(c.t, c.namespace)
	ctx, stop := context.WithCancel(c.t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() { r.client(ctx, i, c.members) })
	}
	<-time.After(time.Second)
	fault()
	<-time.After(2 * time.Second)
	stop()
	clients.Wait()
	c.settle()
	r.check()
	return r
}

// settle waits until all members and the edge hold the same, and the log counts on all.
func (c *cluster) settle() {
	c.t.Helper()
	for _, m := range c.members {
		// NATS takes from who led without the others what they lack, a second or three for each.
		within(c.t, 2*soon, m.name()+" is whole", func() bool { return m.cmd == nil || m.ready() && m.status().Problem == "" })
	}
	var want string
	eventually(c.t, "all nodes hold the same", func() bool {
		want = ""
		for _, s := range append(c.members[:len(c.members):len(c.members)], c.edge) {
			if s.cmd == nil {
				continue
			}
			got := s.contents(c.namespace)
			if want == "" {
				want = got
			}
			if got != want {
				return false
			}
		}
		return true
	})
}

func (s *server) ready() bool {
	res, _, err := s.do(http.MethodGet, "http://"+s.api+"/readyz", nil)
	return err == nil && res.StatusCode == http.StatusOK
}

// contents is every key of a namespace with its revision and value.
func (s *server) contents(namespace string) string {
	s.t.Helper()
	var b strings.Builder
	for cursor := ""; ; {
		_, body, err := s.do(http.MethodGet, s.kv("/namespaces/"+namespace+"/keys?cursor="+url.QueryEscape(cursor)), nil)
		var page struct {
			Result []struct{ Name string }
			Info   struct{ Cursor string } `json:"result_info"`
		}
		if err != nil || json.Unmarshal(body, &page) != nil {
			return fmt.Sprintf("%v: %s", err, body)
		}
		for _, k := range page.Result {
			res, value, err := s.do(http.MethodGet, s.kv("/namespaces/"+namespace+"/values/"+url.PathEscape(k.Name)), nil)
			if err != nil {
				return err.Error()
			}
			fmt.Fprintf(&b, "%s %s %s\n", k.Name, res.Header.Get("Etag"), value)
		}
		if cursor = page.Info.Cursor; cursor == "" {
			return b.String()
		}
	}
}

// leader is the member that leads the log, by its own account.
func (c *cluster) leader() *server {
	c.t.Helper()
	var leader *server
	eventually(c.t, "the cluster has a leader", func() bool {
		for _, m := range c.members {
			if m.cmd == nil {
				continue
			}
			var s struct {
				Cluster struct{ Leader string }
			}
			_, body, err := m.do(http.MethodGet, "http://"+m.api+"/godwit/v1/status", nil)
			if err != nil || json.Unmarshal(body, &s) != nil || s.Cluster.Leader == "" {
				continue
			}
			for i, other := range c.members {
				if s.Cluster.Leader == "n"+strconv.Itoa(i+1) && other.cmd != nil {
					leader = other
					return true
				}
			}
		}
		return false
	})
	return leader
}

// follower is a member that does not lead.
func (c *cluster) follower() *server {
	leader := c.leader()
	for _, m := range c.members {
		if m != leader && m.cmd != nil {
			return m
		}
	}
	c.t.Fatal("there is no follower")
	return nil
}

// refusesToRemove holds that the first member does not remove the one of a name, and says why.
func (c *cluster) refusesToRemove(name, why string) {
	c.t.Helper()
	first := c.members[0]
	eventually(c.t, "the refusal says: "+why, func() bool {
		resp, answer, err := first.do(http.MethodDelete, "http://"+first.api+"/godwit/v1/cluster/members/"+name, nil)
		if err == nil && resp.StatusCode == http.StatusOK {
			c.t.Fatalf("%s was removed", name)
		}
		return err == nil && strings.Contains(string(answer), why)
	})
}

func (c *cluster) index(m *server) int { return slices.Index(c.members, m) }

// TestThreeMembers: a write at any member is there at once, at the others and at the
// edge soon, with the same revision; tokens and namespaces too.
func TestThreeMembers(t *testing.T) {
	c := startCluster(t)
	for i, m := range c.members {
		for _, p := range m.ports(c.namespace) {
			key, value := fmt.Sprintf("key %d %s", i, p.name), fmt.Sprintf("value %d", i)
			put := p.ask("PUT", key, value)
			rev := put.header.Get("Godwit-Revision")
			if put.status != 200 || rev == "" {
				t.Fatalf("%s %s: put: %d %s", m.name(), p.name, put.status, put.body)
			}
			if got := p.ask("GET", key, ""); got.body != value {
				t.Errorf("%s %s: own write: %d %q", m.name(), p.name, got.status, got.body)
			}
			for _, s := range append(c.members[:3:3], c.edge) {
				for _, header := range [][]string{{"Godwit-Min-Revision", rev}, {"Godwit-Consistency", "strong"}} {
					if got := s.ports(c.namespace)[0].ask("GET", key, "", header...); got.body != value || got.header.Get("Etag") != strconv.Quote(rev) {
						t.Errorf("%s: %s: %d %q %s", s.name(), header[0], got.status, got.body, got.header.Get("Etag"))
					}
				}
			}
		}
	}
	c.ensureAtOnce()
	c.copyEverywhere()
	ns := c.members[1].createNamespace("made at the second")
	token := c.members[2].createToken("write", "made at the second")
	for _, s := range append(c.members[:3:3], c.edge) { // known at once, wherever it was made
		for _, p := range s.ports(ns) {
			if got := p.ask("PUT", "k", "v", "Authorization", "Bearer "+token); got.status != 200 {
				t.Errorf("%s %s: the new token: %d %s", s.name(), p.name, got.status, got.body)
			}
			if got := p.ask("GET", "k", "", "Authorization", "Bearer wrong"); got.status != 401 {
				t.Errorf("%s %s: a wrong token: %d", s.name(), p.name, got.status)
			}
		}
	}
	large := strings.Repeat("large", 1_000_000)
	put := c.members[0].ports(ns)[1].ask("PUT", "large", large)
	for _, s := range append(c.members[:3:3], c.edge) {
		if got := s.ports(ns)[0].ask("GET", "large", "", "Godwit-Min-Revision", put.header.Get("Godwit-Revision")); got.body != large {
			t.Errorf("%s: a large value: %d, %d bytes", s.name(), got.status, len(got.body))
		}
	}
	c.settle()
}

// ensureAtOnce has every node asked for the same namespaces at once: there is one of
// each, made once.
func (c *cluster) ensureAtOnce() {
	c.t.Helper()
	nodes := []*server{c.members[0], c.members[1], c.members[2], c.edge}
	for i := range 20 {
		title := fmt.Sprintf("ensured %d", i)
		answers := make([]reply, len(nodes))
		var asking sync.WaitGroup
		for at, s := range nodes {
			asking.Go(func() {
				answers[at] = s.ask("POST", "http://"+s.api+"/godwit/v1/namespaces", `{"title":"`+title+`","if_not_exists":true}`, nil)
			})
		}
		asking.Wait()
		ids, made := map[string]bool{}, 0
		for at, a := range answers {
			var ns struct{ ID, Title string }
			if err := json.Unmarshal([]byte(a.body), &ns); err != nil || ns.Title != title || a.status != 200 && a.status != 201 {
				c.t.Fatalf("%s: ensure %q: %d %s", nodes[at].name(), title, a.status, a.body)
			}
			ids[ns.ID] = true
			if a.status == 201 {
				made++
			}
		}
		if len(ids) != 1 || made != 1 {
			c.t.Errorf("%q has the ids %v, and was made %d times", title, ids, made)
		}
	}
}

// copyEverywhere has every node copy, strongly, what was just written at another: a
// small value and a large one, which show at the node that has answered.
func (c *cluster) copyEverywhere() {
	c.t.Helper()
	nodes := []*server{c.members[0], c.members[1], c.members[2], c.edge}
	to := c.members[0].createNamespace("copies")
	for i, s := range nodes {
		other := nodes[(i+1)%len(nodes)]
		values := map[string]string{"small": fmt.Sprint("value ", i), "large": strings.Repeat(fmt.Sprint("large ", i), 50_000)}
		for key, value := range values {
			if put := other.ports(c.namespace)[0].ask("PUT", fmt.Sprintf("copy %d/%s", i, key), value); put.status != 200 {
				c.t.Fatalf("%s: put: %d %s", other.name(), put.status, put.body)
			}
		}
		body := fmt.Sprintf(`{"prefix":"copy %d/","to_namespace":"copies","to_prefix":"%d/"}`, i, i)
		got := s.ask("POST", "http://"+s.api+"/godwit/v1/namespaces/"+c.namespace+"/copy", body, http.Header{"Godwit-Consistency": {"strong"}})
		if got.status != 200 || !strings.Contains(got.body, `"copied":2,`) {
			c.t.Errorf("%s: copy: %d %s", s.name(), got.status, got.body)
		}
		for key, value := range values {
			if got := s.ports(to)[0].ask("GET", fmt.Sprintf("%d/%s", i, key), ""); got.body != value {
				c.t.Errorf("%s: %s: %d, %d bytes", s.name(), key, got.status, len(got.body))
			}
		}
	}
}
