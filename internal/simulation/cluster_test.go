package simulation

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestElections: the log has a leader while more than half of its members reach
// it, and who is apart is known.
func TestElections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plan{seed: 1, members: 3, nodes: []nodePlan{{name: "member1"}, {name: "member2"}, {name: "member3"}}}
		w := &world{plan: p, start: time.Now(), trace: newTrace(), network: newNetwork(1), model: newModel(), machines: make(map[string]*machine)}
		w.build()
		c := w.cluster
		leader := func() (name string) {
			c.change(func() { name = c.leader })
			return name
		}
		leads := func(want bool, apart ...string) {
			t.Helper()
			time.Sleep(3 * time.Second)
			_, err := c.log.Stream().State(t.Context())
			if l := leader(); (l != "") != want || (err == nil) != want {
				t.Errorf("led by %q, %v", l, err)
			}
			for _, n := range p.nodes {
				is := !want
				for _, name := range apart {
					is = is || name == n.name
				}
				if got := c.apart(n.name); got.IsZero() == is {
					t.Errorf("%s is apart since %v", n.name, got)
				}
			}
		}
		leads(false)
		old := c.open("member1").Stream
		leads(false)
		c.open("member2")
		leads(true, "member3")
		c.open("member3")
		leads(true)
		was := leader()
		c.change(func() { c.ways[was].cuts++ })
		for name, y := range c.ways {
			if y.cuts > 0 {
				leads(true, name)
			}
		}
		if leader() == was {
			t.Errorf("%s leads on", was)
		}
		for _, y := range c.ways {
			c.change(func() { y.cuts = 0 })
		}
		c.change(func() { c.outages++ })
		leads(false)
		c.change(func() { c.outages-- })
		leads(true)
		c.gone("member1")
		leads(true, "member1")
		if _, err := old.State(t.Context()); err == nil {
			t.Error("a process that is gone asks the log")
		}
		c.gone("member2")
		leads(false)
		c.end()
	})
}
