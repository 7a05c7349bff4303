package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
)

// faultKind is what goes wrong.
type faultKind string

// The kinds of fault.
const (
	faultKill    faultKind = "kill"      // a process ends; the others hear of it
	faultPower   faultKind = "power cut" // a machine goes silent, and loses what was not synced
	faultRestart faultKind = "restart"   // a process is stopped and started in order
	faultBack    faultKind = "roll back" // a node starts with an older copy of its disk
	faultCut     faultKind = "cut"       // links break and refuse
	faultStall   faultKind = "stall"     // links hold back what is sent
	faultHalf    faultKind = "half stall"
	faultFrail   faultKind = "frail" // connections break in the middle of what they carry
	faultSlow    faultKind = "slow"
	faultFull    faultKind = "full disk"

	// Of a cluster's log.
	faultLeader faultKind = "no leader"
	faultApart  faultKind = "cut from the log" // a member
	faultLossy  faultKind = "lossy log"
	faultFar    faultKind = "far from the log" // a member
)

// fault is one thing that goes wrong, from one time to another, after the start
// of the work.
type fault struct {
	kind     faultKind
	from, to time.Duration
	node     string      // whose process or machine ends
	disk     string      // whose disk is full
	turned   bool        // an edge carries another part of the namespaces after the start
	links    [][2]string // that are concerned
	loss     int         // percent of what was not synced that a crash leaves
	bytes    int         // after which connections break
	delay    time.Duration
	member   string            // whose way to the log is concerned
	log      streamtest.Faults // that the log has
}

func (f fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %v to %v", f.kind, f.from.Round(time.Millisecond), f.to.Round(time.Millisecond))
	if who := f.node + f.disk + f.member; who != "" {
		fmt.Fprintf(&b, " of %s", who)
	}
	if f.turned {
		b.WriteString(", which then carries more or less")
	}
	switch f.kind {
	case faultPower:
		fmt.Fprintf(&b, ", %d%% of what was not synced stays", f.loss)
	case faultFrail:
		fmt.Fprintf(&b, ", about every %d bytes", f.bytes)
	case faultSlow, faultFar:
		fmt.Fprintf(&b, " by %v", f.delay.Round(time.Millisecond))
	case faultLossy:
		fmt.Fprintf(&b, " %+.2v", f.log)
	}
	for _, l := range f.links {
		fmt.Fprintf(&b, " %s-%s", l[0], l[1])
	}
	return b.String()
}

// planFaults chooses what goes wrong. A node is down once at a time.
func (p *plan) planFaults(r *rand.Rand) {
	if chance(r, 12) {
		return // a world without faults must hold as well
	}
	for range 1 + r.IntN(11) {
		f := fault{from: between(r, time.Second, p.duration-2*time.Second)}
		f.to = min(f.from+p.length(r), p.duration-time.Second)
		switch r.IntN(11) {
		case 0, 1, 2:
			p.planCrash(r, &f)
		case 3:
			f.kind, f.node, f.to = faultRestart, p.anyNode(r), min(f.to, f.from+5*time.Second)
			f.turned = strings.HasPrefix(f.node, "edge") && chance(r, 3)
		case 4, 5:
			f.kind, f.links = faultCut, p.someLinks(r)
		case 6:
			f.kind, f.links = faultStall, p.someLinks(r)
		case 7:
			f.kind, f.links = faultHalf, p.someLinks(r)
		case 8:
			f.kind, f.links, f.bytes = faultFrail, p.someLinks(r), 64<<r.IntN(10)
		case 9:
			f.kind, f.links, f.delay = faultSlow, p.someLinks(r), between(r, 100*time.Millisecond, 2*time.Second)
		case 10:
			f.kind, f.disk = faultFull, p.anyNode(r)
		}
		p.faults = append(p.faults, f)
	}
	p.oneBack()
	if p.members > 0 {
		p.planClusterFaults(p.rng("cluster faults"))
	}
	p.orderFaults()
}

// orderFaults puts faults in order, and drops those of nodes that are down.
func (p *plan) orderFaults() {
	down := make(map[string]time.Duration) // until when
	slices.SortFunc(p.faults, func(a, b fault) int { return int(a.from - b.from) })
	p.faults = slices.DeleteFunc(p.faults, func(f fault) bool {
		if f.node == "" {
			return false
		}
		if f.from <= down[f.node] {
			return true
		}
		down[f.node] = f.to + 100*time.Millisecond
		return false
	})
}

// oneBack lets the centre go back once at most.
func (p *plan) oneBack() {
	gone := false
	for i := range p.faults {
		if f := &p.faults[i]; f.kind == faultBack && f.node == centre {
			if gone {
				f.kind = faultKill
			}
			gone = true
		}
	}
}

// length is how long a fault lasts: short, mostly.
func (p *plan) length(r *rand.Rand) time.Duration {
	most := 3 * time.Second
	switch r.IntN(4) {
	case 0:
		most = 500 * time.Millisecond
	case 1:
		most = 20 * time.Second
	}
	return between(r, 10*time.Millisecond, most)
}

func (p *plan) anyNode(r *rand.Rand) string { return p.nodes[r.IntN(len(p.nodes))].name }

func (p *plan) planCrash(r *rand.Rand, f *fault) {
	f.kind, f.node, f.loss = faultKill, p.anyNode(r), 100
	if chance(r, 2) {
		f.kind, f.loss = faultPower, []int{0, 0, 50, 90}[r.IntN(4)]
	}
	switch r.IntN(8) {
	case 0:
		f.kind, f.node = faultBack, p.anyCentre(r)
	case 1:
		f.kind = faultBack
	}
}

// someLinks are one link, all of a node, or those between two groups.
func (p *plan) someLinks(r *rand.Rand) (links [][2]string) {
	switch r.IntN(4) {
	case 0: // between two groups
		side := make(map[string]bool)
		for _, n := range p.nodes {
			side[n.name] = chance(r, 2)
		}
		for _, l := range p.links {
			if p.isNode(l.b) && side[l.a] != side[l.b] {
				links = append(links, [2]string{l.a, l.b})
			}
		}
	case 1: // of a node, with other nodes
		name := p.anyNode(r)
		for _, l := range p.links {
			if (l.a == name || l.b == name) && p.isNode(l.b) {
				links = append(links, [2]string{l.a, l.b})
			}
		}
	}
	if len(links) == 0 {
		l := p.links[r.IntN(len(p.links))]
		links = append(links, [2]string{l.a, l.b})
	}
	if chance(r, 2) {
		for i := range links {
			links[i] = [2]string{links[i][1], links[i][0]}
		}
	}
	return links
}

func (p *plan) isNode(name string) bool {
	return slices.ContainsFunc(p.nodes, func(n nodePlan) bool { return n.name == name })
}
