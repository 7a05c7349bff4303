package simulation

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/node"
)

// cluster is the log that the members of a world share, and who leads it: one of
// those that can reach it, while they are more than half of all.
type cluster struct {
	world    *world
	log      *streamtest.Log
	registry *streamtest.Registry
	work     sync.WaitGroup // elections

	mu       sync.Mutex
	rng      *rand.Rand
	ways     map[string]*way // of all members, by name
	leader   string          // "": none
	outages  int             // faults in force that let nobody lead
	electing bool
}

// way is a member's way to the log. The cluster's lock guards it.
type way struct {
	plan   nodePlan
	stream *streamtest.Stream // nil: the process is down
	cuts   int                // faults in force that let nothing through
	far    time.Duration      // by which the way is longer, of a fault in force
	apart  time.Time          // since when the log cannot be written; zero: it can
}

func (y *way) reaches() bool { return y.stream != nil && y.cuts == 0 }

// set tells the stream how the way is.
func (y *way) set() {
	if y.stream != nil {
		y.stream.Cut(y.cuts > 0)
		t := y.plan.log
		y.stream.SetLatency(streamtest.Latency{Send: t.Send + y.far, Back: t.Back + y.far, Read: t.Read + y.far})
	}
}

func newCluster(w *world) *cluster {
	c := &cluster{
		world: w, log: streamtest.NewLog(w.plan.seed, w.clock.now), registry: streamtest.NewRegistry(),
		rng: w.plan.rng("elections"), ways: make(map[string]*way),
	}
	c.log.SetLeader(false)
	for _, n := range w.plan.nodes[:w.plan.members] {
		c.ways[n.name] = &way{plan: n, apart: w.start}
	}
	return c
}

func (c *cluster) note(format string, args ...any) { c.world.trace.note("log", format, args...) }

// open gives a member's process its way to the log.
func (c *cluster) open(name string) *node.Shared {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.log.Stream()
	y := c.ways[name]
	y.stream = s
	y.set()
	c.elect()
	return &node.Shared{
		Stream: s, Registry: s.Registry(c.registry), Close: func() error { s.Kill(); return nil },
		CompareEvery: y.plan.compare,
	}
}

// gone tells that a member's process is no more.
func (c *cluster) gone(name string) {
	c.change(func() {
		if y := c.ways[name]; y.stream != nil {
			y.stream.Kill()
			y.stream = nil
		}
	})
}

// change changes ways, and who leads with them.
func (c *cluster) change(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
	c.elect()
}

// elect takes the leader away if it cannot be one any more, and has another one
// found if there can be one. It needs c.mu held.
func (c *cluster) elect() {
	voters := c.voters()
	if c.leader != "" && (len(voters) == 0 || !c.ways[c.leader].reaches()) {
		c.note("loses its leader %s", c.leader)
		c.leader = ""
		c.log.SetLeader(false)
	}
	c.keepApart()
	if c.leader != "" || len(voters) == 0 || c.electing {
		return
	}
	c.electing = true
	wait := between(c.rng, 50*time.Millisecond, 2*time.Second)
	c.work.Go(func() {
		time.Sleep(wait)
		c.change(c.lead)
	})
}

// lead ends an election. It needs c.mu held.
func (c *cluster) lead() {
	c.electing = false
	voters := c.voters()
	if len(voters) == 0 {
		return
	}
	c.leader = voters[c.rng.IntN(len(voters))]
	c.log.SetClock(c.world.machines[c.leader].clock.now)
	c.log.SetLeader(true)
	c.note("is led by %s", c.leader)
}

// voters are the members that reach each other if they are more than half of all,
// else none.
func (c *cluster) voters() (names []string) {
	for _, n := range c.world.plan.nodes[:c.world.plan.members] {
		if c.ways[n.name].reaches() {
			names = append(names, n.name)
		}
	}
	if 2*len(names) <= c.world.plan.members || c.outages > 0 {
		return nil
	}
	return names
}

// keepApart notes since when who cannot write to the log.
func (c *cluster) keepApart() {
	for _, y := range c.ways {
		switch {
		case c.leader != "" && y.reaches():
			y.apart = time.Time{}
		case y.apart.IsZero():
			y.apart = time.Now()
		}
	}
}

// apart is since when a member cannot write to the log, zero if it can.
func (c *cluster) apart(name string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ways[name].apart
}

// end returns once nothing of the log is under way any more.
func (c *cluster) end() {
	c.work.Wait()
	c.log.Wait()
}

// ofLog tells whether a fault is one of the log that members share.
func (f *fault) ofLog() bool { return f.member != "" || f.kind == faultLeader || f.kind == faultLossy }

// logFault is what a fault does to the log that members share.
func (w *world) logFault(f *fault) []event {
	c := w.cluster
	var begin, end func()
	switch f.kind {
	case faultLeader:
		begin, end = func() { c.outages++ }, func() { c.outages-- }
	case faultApart:
		y := c.ways[f.member]
		begin, end = func() { y.cuts++; y.set() }, func() { y.cuts--; y.set() }
	case faultFar:
		y := c.ways[f.member]
		begin, end = func() { y.far += f.delay; y.set() }, func() { y.far -= f.delay; y.set() }
	case faultLossy:
		begin, end = func() { c.log.SetFaults(f.log) }, func() { c.log.SetFaults(streamtest.Faults{}) }
	}
	do := func(fn func()) func() error {
		return func() error { c.change(fn); return nil }
	}
	return []event{{f.from, "begins: " + f.String(), do(begin)}, {f.to, "ends: " + f.String(), do(end)}}
}
