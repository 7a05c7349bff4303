package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
)

func memberName(i int) string { return fmt.Sprintf("member%d", i+1) }

// planMember makes of a node one that shares the log. Its clock is off by less than
// others': nobody corrects it.
func (p *plan) planMember(r *rand.Rand, n *nodePlan) {
	n.offset /= 2
	most := []time.Duration{2 * time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond}[r.IntN(3)]
	n.compare = between(r, 2*time.Second, 10*time.Second)
	t := &n.log
	for _, d := range []*time.Duration{&t.Send, &t.Back, &t.Read} {
		*d = between(r, 100*time.Microsecond, most)
	}
}

// centres are the nodes that have the log, in the order in which a node tries them.
func (p *plan) centres(r *rand.Rand) (names []string) {
	if p.members == 0 {
		return []string{centre}
	}
	for _, i := range r.Perm(p.members) {
		names = append(names, memberName(i))
	}
	return names
}

// anyCentre is one of the nodes that have the log.
func (p *plan) anyCentre(r *rand.Rand) string { return p.centres(r)[0] }

// planClusterFaults adds what goes wrong with the members' log.
func (p *plan) planClusterFaults(r *rand.Rand) {
	for range 1 + r.IntN(8) {
		f := fault{from: between(r, time.Second, p.duration-2*time.Second)}
		f.to = min(f.from+p.length(r), p.duration-time.Second)
		switch r.IntN(10) {
		case 0, 1:
			f.kind = faultLeader
		case 2, 3, 4:
			f.kind, f.member = faultApart, p.anyCentre(r)
		case 5, 6:
			f.kind, f.log = faultLossy, lossy(r)
		case 7:
			f.kind, f.member, f.delay = faultFar, p.anyCentre(r), between(r, 100*time.Millisecond, 2*time.Second)
		case 8: // all at once
			for i := range p.members {
				all := f
				all.kind, all.node, all.loss = faultPower, memberName(i), []int{0, 50}[r.IntN(2)]
				all.to = min(all.from+p.length(r), p.duration-time.Second)
				p.faults = append(p.faults, all)
			}
			continue
		case 9: // a member starts meanwhile
			f.kind, f.to = faultLeader, min(f.from+between(r, 12*time.Second, 20*time.Second), p.duration-time.Second)
			start := fault{kind: faultRestart, node: p.anyCentre(r), from: f.from}
			start.to = start.from + between(r, 10*time.Millisecond, time.Second)
			p.faults = append(p.faults, start)
		}
		p.faults = append(p.faults, f)
	}
}

// lossy is a log that misbehaves in one way, or in all.
func lossy(r *rand.Rand) streamtest.Faults {
	one := func() float64 { return r.Float64() * 0.4 }
	switch r.IntN(5) {
	case 0:
		return streamtest.Faults{Lose: one(), Silent: 0.5}
	case 1:
		return streamtest.Faults{Late: one(), Silent: 0.5}
	case 2:
		return streamtest.Faults{Twice: one(), Silent: 0.5}
	case 3:
		return streamtest.Faults{Mute: one(), Silent: 0.5}
	}
	return streamtest.Faults{Lose: one() / 2, Late: one() / 2, Twice: one() / 2, Mute: one() / 2, Silent: 0.5}
}
