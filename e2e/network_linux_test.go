package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/certtest"
)

// network is three machines, as far as the network can tell: each member of a cluster
// is in a namespace of its own, and reaches each other one by a link that can be cut.
// Clients reach all of them by another network, which stays.
type network struct {
	t    *testing.T
	name string // what the names of its parts begin with
}

// newNetwork makes a network of three. Only root may.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make network namespaces")
	}
	n := &network{t: t, name: fmt.Sprintf("gw%d", os.Getpid()%1e6)}
	t.Cleanup(n.remove)
	n.ip("link add %s type bridge", n.name)
	n.ip("addr add %s/24 dev %s", clientAddress, n.name)
	n.ip("link set %s up", n.name)
	for i := range 3 {
		n.ip("netns add %s", n.namespace(i))
		n.inside(i, "link set lo up")
		n.inside(i, "addr add %s/32 dev lo", memberAddress(i))
		n.ip("link add %s type veth peer name clients netns %s", n.port(i), n.namespace(i))
		n.ip("link set %s master %s up", n.port(i), n.name)
		n.inside(i, "addr add %s/24 dev clients", apiAddress(i))
		n.inside(i, "link set clients up")
	}
	for i := range 3 {
		for j := range i {
			n.ip("link add to%d netns %s type veth peer name to%d netns %s", j, n.namespace(i), i, n.namespace(j))
			n.heal(i, j)
		}
	}
	return n
}

// The addresses are of those that no network in use has: RFC 2544 sets them apart
// for tests.
const clientAddress = "198.18.0.254"

func apiAddress(i int) string    { return fmt.Sprintf("198.18.0.%d", i+1) }
func memberAddress(i int) string { return fmt.Sprintf("198.19.0.%d", i+1) }

func (n *network) namespace(i int) string { return fmt.Sprintf("%sn%d", n.name, i+1) }
func (n *network) port(i int) string      { return fmt.Sprintf("%sp%d", n.name, i+1) }

// cut takes the link between two members away, and heal puts it back.
func (n *network) cut(i, j int) {
	n.t.Helper()
	n.inside(i, "link set to%d down", j)
}

func (n *network) heal(i, j int) {
	n.t.Helper()
	for _, end := range [][2]int{{i, j}, {j, i}} {
		n.inside(end[0], "link set to%d up", end[1])
		n.inside(end[0], "route replace %s dev to%d src %s", memberAddress(end[1]), end[1], memberAddress(end[0]))
	}
}

// isolate cuts a member from both others while fn runs.
func (n *network) isolate(i int, fn func()) {
	n.t.Helper()
	others := []int{(i + 1) % 3, (i + 2) % 3}
	for _, j := range others {
		n.cut(i, j)
	}
	fn()
	for _, j := range others {
		n.heal(i, j)
	}
}

func wait(span time.Duration) func() { return func() { <-time.After(span) } }

func (n *network) inside(i int, format string, args ...any) {
	n.t.Helper()
	n.ip("-n "+n.namespace(i)+" "+format, args...)
}

func (n *network) ip(format string, args ...any) {
	n.t.Helper()
	command := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", command, err, out)
	}
}

// remove removes what was made, and the links with it.
func (n *network) remove() {
	for i := range 3 {
		_ = exec.Command("ip", "netns", "del", n.namespace(i)).Run()
	}
	_ = exec.Command("ip", "link", "del", n.name).Run()
}

// newCluster returns a cluster with a member in each of the namespaces. What is not
// on loopback needs certificates.
func (n *network) newCluster(args ...string) *cluster {
	n.t.Helper()
	c, ca := &cluster{t: n.t}, certtest.New(n.t, "members")
	var peers []string
	for i := range 3 {
		peers = append(peers, fmt.Sprintf("n%d=%s:6222", i+1, memberAddress(i)))
	}
	for i := range 3 {
		name := fmt.Sprintf("n%d", i+1)
		cert, key := ca.Sign(n.t, name, net.ParseIP(memberAddress(i)))
		s := newServer(n.t, append([]string{
			"--cluster", "e2e", "--node", name, "--location", name, "--advertise", "http://" + apiAddress(i) + ":8787",
			"--cluster-listen", memberAddress(i) + ":6222", "--cluster-peers", strings.Join(peers, ","),
			"--cluster-cert", cert, "--cluster-key", key, "--cluster-ca", ca.File,
		}, args...)...)
		s.in = []string{"ip", "netns", "exec", n.namespace(i)}
		s.api, s.binding = apiAddress(i)+":8787", apiAddress(i)+":8788"
		c.members = append(c.members, s)
	}
	return c
}

// TestThreeMembersOnTheirOwn: a member that is cut from the others goes on with
// reads, refuses writes and strong reads, and is right again when it is back; so is
// each of two that cannot reach each other but both the third.
func TestThreeMembersOnTheirOwn(t *testing.T) {
	n := newNetwork(t)
	c := n.newCluster()
	c.start()
	for _, fault := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"the leader is cut off", func(t *testing.T) { n.isolate(c.index(c.leader()), wait(12*time.Second)) }},
		{"a follower is cut off", func(t *testing.T) { n.isolate(c.index(c.follower()), wait(5*time.Second)) }},
		{"a follower is cut off for moments", func(t *testing.T) {
			i := c.index(c.follower())
			for range 5 {
				n.isolate(i, wait(300*time.Millisecond))
				<-time.After(300 * time.Millisecond)
			}
		}},
		{"the leader and a follower do not reach each other", func(t *testing.T) {
			i, j := c.index(c.leader()), c.index(c.follower())
			n.cut(i, j)
			<-time.After(12 * time.Second)
			n.heal(i, j)
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for range *chaosRounds {
				r := c.under(func() { fault.do(t) })
				if r.pause > electionPause+answerBound {
					t.Errorf("writes paused for %v", r.pause)
				}
			}
		})
	}
	t.Run("what is cut off answers", func(t *testing.T) { cutOff(t, n, c) })
	for _, m := range c.members {
		m.stop()
		m.fsck()
	}
}

// cutOff holds what a member that is cut from the quorum answers.
func cutOff(t *testing.T, n *network, c *cluster) {
	m := c.leader()
	p := m.ports(c.namespace)[0]
	eventually(t, "it takes writes", func() bool { return p.ask("PUT", "key", "before").status == 200 })
	n.isolate(c.index(m), func() {
		eventually(t, "a write is refused", func() bool {
			got := p.ask("PUT", "key", "lost")
			if got.took > answerBound {
				t.Errorf("a write: %d after %v", got.status, got.took)
			}
			return got.status == 503
		})
		if got := p.ask("GET", "key", "", "Godwit-Consistency", "strong"); got.status != 503 || got.took > answerBound {
			t.Errorf("a strong read: %d after %v", got.status, got.took)
		}
		eventually(t, "reads say that they are stale", func() bool {
			got := p.ask("GET", "key", "")
			if got.status != 200 || got.took > answerBound {
				t.Errorf("a read: %d after %v", got.status, got.took)
			}
			return got.header.Get("CF-Cache-Status") == "STALE"
		})
		other := c.members[(c.index(m)+1)%3]
		eventually(t, "the others go on", func() bool { return other.ports(c.namespace)[0].ask("PUT", "key", "after").status == 200 })
	})
	eventually(t, "the member is back", func() bool { return p.ask("GET", "key", "", "Godwit-Consistency", "strong").body == "after" })
}
