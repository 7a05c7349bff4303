package simulation

import (
	"strings"
	"testing"
	"time"
)

// TestPlansAreRepeated: a seed has one plan, and plans hold all kinds of worlds.
func TestPlansAreRepeated(t *testing.T) {
	kinds := make(map[faultKind]int)
	var partial, withheld, relayed, encrypted int
	members := make(map[int]int)
	for seed := uint64(1); seed <= 500; seed++ {
		p := newPlan(seed)
		if again := newPlan(seed).String(); again != p.String() {
			t.Fatalf("seed %d has two plans:\n%s\n%s", seed, p, again)
		}
		for _, f := range p.faults {
			kinds[f.kind]++
		}
		members[p.members]++
		for _, n := range p.nodes {
			if n.encrypted {
				encrypted++
			}
		}
		for _, n := range p.nodes[max(p.members, 1):] {
			if n.partial {
				partial++
			}
			if n.maxValue > 0 {
				withheld++
			}
			if strings.HasPrefix(n.upstreams[0], "relay") {
				relayed++
			}
		}
	}
	for _, kind := range []faultKind{
		faultKill, faultPower, faultRestart, faultBack, faultCut, faultStall, faultHalf, faultFrail, faultSlow, faultFull,
		faultLeader, faultApart, faultLossy, faultFar,
	} {
		if kinds[kind] < 20 {
			t.Errorf("%d faults of kind %s", kinds[kind], kind)
		}
	}
	if members[0] < 300 || members[3] < 80 || min(members[1], members[5]) < 5 {
		t.Errorf("members: %v", members)
	}
	if min(partial, withheld, relayed, encrypted) < 50 {
		t.Errorf("%d partial edges, %d that withhold, %d behind others, %d encrypted", partial, withheld, relayed, encrypted)
	}
}

// TestFaultsEnd: every fault ends before the world is healed, and a node that is
// down is not brought down again.
func TestFaultsEnd(t *testing.T) {
	for seed := uint64(1); seed <= 500; seed++ {
		p := newPlan(seed)
		until := make(map[string]time.Duration)
		back := 0
		for _, f := range p.faults {
			if f.from > f.to || f.to > p.duration {
				t.Errorf("seed %d: %v in %v", seed, f, p.duration)
			}
			if f.node == "" {
				continue
			}
			if f.from <= until[f.node] {
				t.Errorf("seed %d: %v while it is down until %v", seed, f, until[f.node])
			}
			until[f.node] = f.to
			if f.kind == faultBack && f.node == centre {
				back++
			}
		}
		if back > 1 {
			t.Errorf("seed %d: the centre goes back %d times", seed, back)
		}
	}
}
