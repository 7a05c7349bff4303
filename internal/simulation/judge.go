package simulation

import (
	"net/http"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
)

// reading is a read under way: what was true when it was sent.
type reading struct {
	caller  *caller
	machine *machine
	demand  demand
	since   logTime
	mixes   int
	mixed   bool
	boot    int
	ns      godwit.NamespaceID
	taken   godwit.Revision // the node had acknowledged that of the namespace
	serves  bool            // it had to answer a read that asks for no more than its copy
	begun   time.Time       // when the node's process was
}

// begin notes what is true before a read is sent.
func (c *caller) begin(m *machine, ns godwit.NamespaceID, q *request) *reading {
	r := &reading{caller: c, machine: m, demand: c.demand(q), since: c.world.model.moment(), ns: ns}
	r.mixes, r.mixed = m.state()
	r.boot, r.serves = m.serves(time.Now().Add(-readyTime))
	r.taken, r.begun = c.world.model.takenBy(m, ns), m.begun()
	return r
}

// Bounds of how long what may take.
const (
	readyTime  = 2 * time.Second // until a node that was started serves its copy
	answerTime = 3 * time.Second // until a read is answered, whatever the upstream does

	memberStale = 5 * time.Second         // after which a member's answers are STALE
	refuseTime  = 2150 * time.Millisecond // until a member that is cut off refuses, with the way there and back
)

// unanswered tells whether a read should have been answered that was not, or was
// with an error: a node with a copy answers from it.
func (r *reading) unanswered(ans *answer) error {
	m := r.machine
	boot, still := m.serves(time.Now())
	w := r.caller.world
	switch {
	case !slices.Contains(w.spaces, r.ns): // it may not know one that is new
		return nil
	case !r.serves || !still || boot != r.boot || r.demand.strong || r.demand.min != 0 || !m.carries(r.ns):
		return nil
	case !w.network.sound(r.caller.plan.name, m.plan.name, ans.from.Add(-readyTime)):
		return nil
	case ans.err == nil && ans.status == http.StatusOK && ans.to.Sub(ans.from) <= answerTime:
		return nil
	}
	return broken(promiseAnswer, "%s has a copy, and a read of it was answered with %v", m.plan.name, ans)
}

func (m *machine) begun() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.since
}

func (m *machine) started() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot
}

// refused holds that a member that could not write to the log refused what needs
// that, and soon.
func (c *caller) refused(m *machine, q *request, a *answer) error {
	boot, ready := m.serves(a.from)
	if !m.member() || !ready || boot != a.boot || !q.needsLog() || !c.world.network.sound(c.plan.name, m.plan.name, a.from.Add(-timeout)) {
		return nil
	}
	apart := c.world.cluster.apart(m.plan.name)
	if apart.IsZero() || !apart.Before(a.from) {
		return nil
	}
	if a.status == http.StatusOK || a.to.Sub(a.from) > refuseTime { // a connection that broke long ago is no answer
		return broken(promiseSoon, "%s could not write to the log for %v when it was asked, and answered with %v", m.plan.name, a.from.Sub(apart), a)
	}
	return nil
}

// needsLog tells whether a member must have the log to answer a request.
func (q *request) needsLog() bool {
	switch q.method {
	case http.MethodPut, http.MethodDelete:
		return true
	}
	return q.header["Godwit-Consistency"] == "strong"
}

// takenBy is the last revision of a namespace that a node has acknowledged.
func (m *model) takenBy(e *machine, ns godwit.NamespaceID) godwit.Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return before(m.ackedAt[shelf{e, ns}], time.Now())
}

// end holds an answer against what the log may show.
func (r *reading) end(ans *answer, keys []keyID, all map[keyID]found) error {
	status := ans.header.Get("CF-Cache-Status")
	stale := status == "STALE"
	s := r.sighting()
	o := &observation{keys: keys, found: all, from: max(s.any.history, s.passed[r.ns].history)}
	if stale {
		o.from = s.local.history
	}
	if r.machine.central() || r.demand.strong {
		o.from = r.since.history
	}
	r.floors(o, s, stale, ans)
	r.clocks(o, ans)
	model := r.caller.world.model
	if stale && r.wasMixed() {
		return model.plausible(o) // some of it newer than the rest
	}
	revision, history, v := model.explain(o)
	if v != nil {
		v.detail = status + " at " + r.machine.plan.name + ": " + v.detail
		return v
	}
	r.saw(s, ans, status, place{history, revision})
	return nil
}

// saw keeps what an answer has shown. One that was under way when the node was
// started again is of the process before it, and tells nothing of this one's copy.
func (r *reading) saw(s *sighting, ans *answer, status string, p place) {
	m := r.machine
	same := m.started() == r.boot
	switch status {
	case "MISS":
		s.passed[r.ns] = p
		return
	case "STALE":
		if ans.revision() > m.position() { // an upstream answered that is stale itself
			return
		}
	default:
		s.any = p
	}
	if same {
		s.local = p
	}
}

// position is how far the node's copy is.
func (m *machine) position() godwit.Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

// sighting is what the reader has seen of the node. A node that was started
// again may show less, as STALE.
func (r *reading) sighting() *sighting {
	s := r.caller.seen[r.machine]
	if s == nil {
		s = &sighting{passed: make(map[godwit.NamespaceID]place)}
		r.caller.seen[r.machine] = s
	}
	if boot := r.machine.started(); s.boot != boot {
		s.boot, s.local.revision = boot, 0
	}
	return s
}

func (r *reading) wasMixed() bool {
	mixes, mixed := r.machine.state()
	return mixed || r.mixed || mixes != r.mixes
}

// floors are what the answer must show.
func (r *reading) floors(o *observation, s *sighting, stale bool, ans *answer) {
	add := func(p promise, revision godwit.Revision) {
		if revision > 0 {
			o.floors = append(o.floors, floor{p, revision})
		}
	}
	add(promiseMin, r.demand.min)
	if r.demand.strong {
		add(promiseStrong, r.since.revision)
	}
	if stale {
		add(promiseOrder, s.local.revision)
	} else {
		add(promiseOwn, r.taken)
		add(promiseOrder, max(s.any.revision, s.passed[r.ns].revision))
		model, most := r.caller.world.model, r.demand.stale
		if r.machine.member() {
			add(promiseCaught, model.acknowledgedBy(r.begun))
			most = min(most, memberStale)
		}
		add(promiseStale, model.acknowledgedBy(ans.from.Add(-most-slack)))
	}
	add(promiseTold, ans.revision())
}

// clocks bounds the time by which entries were taken for expired.
func (r *reading) clocks(o *observation, ans *answer) {
	clock := r.machine.clock
	if !r.machine.central() {
		clock, o.bound = r.caller.world.clock, r.caller.world.skew()
	}
	o.lo, o.hi = clock.at(ans.from).Add(-o.bound).Unix(), clock.at(ans.to).Add(o.bound).Unix()
}

// skew is how far an edge's clock may be off: by what it is off by itself where
// it has not heard of its upstream's.
func (w *world) skew() time.Duration {
	bound := maxSkew + w.off()
	for _, m := range w.order {
		m.mu.Lock()
		if !m.central() && !m.reached {
			bound = max(bound, maxSkew+(m.plan.offset-w.clock.offset).Abs())
		}
		m.mu.Unlock()
	}
	return bound
}

// off is how far the clocks of nodes that have the log may be off.
func (w *world) off() (most time.Duration) {
	if w.cluster == nil {
		return 0
	}
	for _, m := range w.order[:w.plan.members] {
		most = max(most, time.Until(m.clock.now()).Abs()+slack)
	}
	return most
}

// plausible tells whether each key of an observation was so at some time.
func (m *model) plausible(o *observation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range o.keys {
		if v := m.blameKey(o, k); v != nil {
			return v
		}
	}
	return nil
}
