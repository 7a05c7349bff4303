package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
)

// plan is all that a seed chooses before anything happens: the same seed has the
// same plan, wherever and however often it runs.
type plan struct {
	seed     uint64
	duration time.Duration // of work and faults
	members  int           // of the cluster that is the centre; 0: it is one node
	nodes    []nodePlan    // the centre first, each behind those it follows
	clients  []clientPlan
	watchers []string
	links    []linkPlan
	faults   []fault
}

type nodePlan struct {
	name       string
	upstreams  []string // names
	partial    bool     // carries one of the two namespaces
	maxValue   int64
	offset     time.Duration
	drift      float64
	retention  time.Duration // 0: a week
	inline     int
	wipeAbove  int64 // as the store's
	valueCache int64
	log        streamtest.Latency // of a member
	compare    time.Duration      // between two comparisons of members' stores
	encrypted  bool               // its disk is
}

type clientPlan struct {
	name  string
	home  string // the node it asks mostly
	think time.Duration
}

type linkPlan struct {
	a, b          string
	delay, jitter time.Duration
}

func (p *plan) rng(names ...string) *rand.Rand {
	return rand.New(rand.NewPCG(p.seed, hash(names...)))
}

const centre = "centre"

// clusters is how many worlds there are for each whose centre is a cluster.
const clusters = 3

// newPlan makes the plan of a seed.
func newPlan(seed uint64) *plan {
	p := &plan{seed: seed}
	r := p.rng("plan")
	p.duration = between(r, 15*time.Second, 60*time.Second)
	if seed%clusters == 0 {
		p.members = []int{3, 3, 3, 3, 3, 3, 1, 5}[p.rng("members").IntN(8)]
	}
	p.planNodes(r)
	for i := range p.nodes {
		p.nodes[i].encrypted = chance(p.rng("encrypted", p.nodes[i].name), 4)
	}
	p.planClients(r)
	for i := range r.IntN(3) {
		p.watchers = append(p.watchers, fmt.Sprintf("watcher%d", i+1))
	}
	p.planLinks(r)
	p.planFaults(p.rng("faults"))
	return p
}

// between is a random time.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// chance is true in one of n cases.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

func (p *plan) planNodes(r *rand.Rand) {
	retention := time.Duration(0)
	if chance(r, 3) {
		retention = between(r, 2*time.Second, 6*time.Second)
	}
	inline := 1 << 10 << r.IntN(5)
	add := func(name string, upstreams ...string) *nodePlan {
		n := nodePlan{
			name: name, upstreams: upstreams, retention: retention, inline: inline,
			wipeAbove: []int64{-1, 0, 8}[(p.seed+uint64(len(p.nodes)))%3],
			offset:    between(r, -4*time.Second, 4*time.Second), drift: (r.Float64() - 0.5) / 5000,
		}
		p.nodes = append(p.nodes, n)
		return &p.nodes[len(p.nodes)-1]
	}
	if p.members == 0 {
		add(centre)
	}
	for i := range p.members {
		p.planMember(r, add(memberName(i)))
	}
	var above []string
	for i := range r.IntN(3) {
		name := fmt.Sprintf("relay%d", i+1)
		upstreams := p.centres(r)
		if i > 0 && chance(r, 3) {
			upstreams = append([]string{above[0]}, upstreams...)
		}
		add(name, upstreams...)
		above = append(above, name)
	}
	for i := range 1 + r.IntN(3) {
		n := add(fmt.Sprintf("edge%d", i+1), p.edgeUpstreams(r, above)...)
		if chance(r, 5) {
			n.partial = true
		}
		if chance(r, 5) {
			n.maxValue, n.valueCache = 512, 16<<10
		}
	}
}

// edgeUpstreams are what an edge follows: relays where there are any, mostly.
func (p *plan) edgeUpstreams(r *rand.Rand, relays []string) []string {
	if len(relays) == 0 || chance(r, 4) {
		return p.centres(r)
	}
	list := append([]string(nil), relays...)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if chance(r, 2) {
		list = append(list, p.centres(r)...)
	}
	return list
}

func (p *plan) planClients(r *rand.Rand) {
	for i := range 2 + r.IntN(4) {
		p.clients = append(p.clients, clientPlan{
			name:  fmt.Sprintf("client%d", i+1),
			home:  p.nodes[r.IntN(len(p.nodes))].name,
			think: between(r, 10*time.Millisecond, 150*time.Millisecond),
		})
	}
}

// planLinks gives each pair of hosts a delay: nodes are oceans apart, clients
// near to all of them.
func (p *plan) planLinks(r *rand.Rand) {
	for i, a := range p.nodes {
		for _, b := range p.nodes[i+1:] {
			d := between(r, time.Millisecond, 80*time.Millisecond)
			p.links = append(p.links, linkPlan{a.name, b.name, d, time.Duration(r.Int64N(int64(d) + 1))})
		}
		for _, c := range p.clients {
			d := between(r, 100*time.Microsecond, 10*time.Millisecond)
			p.links = append(p.links, linkPlan{a.name, c.name, d, d / 2})
		}
		for _, name := range append(p.watchers, operator, founderName) {
			p.links = append(p.links, linkPlan{a.name, name, time.Millisecond, 0})
		}
	}
}

func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v of work, %d members\n", p.seed, p.duration.Round(time.Millisecond), p.members)
	for _, n := range p.nodes {
		fmt.Fprintf(&b, "node %s follows %v, clock off by %v gaining %.2g, retention %v, inline %d", n.name, n.upstreams,
			n.offset.Round(time.Millisecond), n.drift, n.retention.Round(time.Millisecond), n.inline)
		if n.partial {
			b.WriteString(", one namespace")
		}
		if n.encrypted {
			b.WriteString(", encrypted")
		}
		if n.maxValue > 0 {
			fmt.Fprintf(&b, ", values up to %d", n.maxValue)
		}
		if t := n.log; t.Send > 0 {
			fmt.Fprintf(&b, ", %v to the log, %v back and %v to read", t.Send.Round(time.Microsecond),
				t.Back.Round(time.Microsecond), t.Read.Round(time.Microsecond))
		}
		b.WriteByte('\n')
	}
	for _, c := range p.clients {
		fmt.Fprintf(&b, "client %s at %s, thinks %v\n", c.name, c.home, c.think.Round(time.Millisecond))
	}
	for _, l := range p.links {
		fmt.Fprintf(&b, "link %s to %s: %v and up to %v\n", l.a, l.b, l.delay.Round(time.Microsecond), l.jitter.Round(time.Microsecond))
	}
	for _, f := range p.faults {
		fmt.Fprintf(&b, "fault %v\n", f)
	}
	return b.String()
}
