package simulation

import (
	"time"

	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// observer is told what a process of the machine does.
func (m *machine) observer(boot int, back bool) *node.Observer {
	return &node.Observer{
		Opened:    func(s *store.Store) { m.opened(s, back) },
		Committed: func(c *store.Committed) { m.committed(boot, c) },
		Mixed: func() {
			m.note("is mixed from now on")
			m.turn(boot, true)
		},
		Exact: func(reset bool) {
			m.note("is exact, reset %v", reset)
			if v := m.stayed(reset); v != nil {
				m.world.report(m.plan.name, v)
			}
			m.turn(boot, false)
		},
	}
}

// Bounds of what must serve when.
const (
	copyTime       = 3 * time.Second  // how old a first copy is that no crash takes back
	leaderlessTime = 12 * time.Second // until a member serves what it has, whatever the log does
)

// serves tells whether the node must answer reads of its copy, and has had to
// since a time: whether its upstream or the log can be reached does not matter.
func (m *machine) serves(since time.Time) (boot int, ok bool) {
	caughtUp := m.caughtUp()
	m.mu.Lock()
	defer m.mu.Unlock()
	copied := !m.copied.IsZero() && m.copied.Before(since)
	begun := m.since.Before(since)
	switch {
	case m.member():
		ready := caughtUp && m.ready.Before(since)
		begun = ready || begun && copied && m.since.Add(leaderlessTime).Before(since)
	case m.central():
	default:
		begun = begun && copied
	}
	return m.boot, m.up && begun
}

// caughtUp tells whether the process has served, and keeps when that was seen
// first.
func (m *machine) caughtUp() bool {
	m.running.RLock()
	defer m.running.RUnlock()
	if m.node == nil {
		return false
	}
	select {
	case <-m.node.Ready():
	default:
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready.IsZero() {
		m.ready = time.Now()
	}
	if m.copied.IsZero() {
		m.copied = m.ready
	}
	return true
}

func (m *machine) turn(boot int, mixed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if boot != m.boot {
		return
	}
	m.mixes++
	m.mixed = mixed
	if !mixed {
		m.reached, m.whole = true, !m.plan.partial
		if m.copied.IsZero() {
			m.copied = time.Now()
		}
	}
}

func (m *machine) opened(s *store.Store, back bool) {
	m.running.Lock()
	m.store = s
	m.running.Unlock()
	m.mu.Lock()
	m.at = s.Revision()
	m.mu.Unlock()
	if !m.central() {
		return
	}
	m.note("opens its disk at revision %d", s.Revision())
	if !m.member() {
		if v := m.world.model.reopened(s.Revision(), back); v != nil {
			m.world.report(m.plan.name, v)
		}
	}
	m.inspect()
}

// committed holds what the node commits against the log. The centre's commits
// are the log, and so are those of the first member that commits them.
func (m *machine) committed(boot int, c *store.Committed) {
	model := m.world.model
	m.mu.Lock()
	m.at = c.Revision
	m.mu.Unlock()
	var v *violation
	switch {
	case m.member():
		m.note("commits %d to %d, %d records, exact %v", c.Prev, c.Revision, len(c.Records), c.Exact)
		v = model.shared(m, c)
	case m.central():
		m.note("commits %d to %d", c.Prev, c.Revision)
		v = model.committed(boot, c)
	default:
		m.note("applies %d to %d, %d records, exact %v", c.Prev, c.Revision, len(c.Records), c.Exact)
		v = model.applied(m, c)
	}
	if v != nil {
		m.world.report(m.plan.name, v)
	}
}

// stayed holds that an edge of a cluster's members became no copy of one anew
// where it could follow. Behind relays, which may have to, and where deletions are
// soon forgotten, that is not known.
func (m *machine) stayed(reset bool) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !reset || m.world.cluster == nil || m.copied.IsZero() || m.turned || m.plan.retention > 0 {
		return nil
	}
	for _, name := range m.plan.upstreams {
		if !m.world.machines[name].member() {
			return nil
		}
	}
	return broken(promiseMove, "%s has become a copy again, at %d", m.plan.name, m.at)
}
