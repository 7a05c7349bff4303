package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// carries tells whether a node holds the records of a namespace.
func (m *machine) carries(ns godwit.NamespaceID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.central() || m.whole || ns == m.world.spaces[0]
}

// applied holds an edge's commit against the log: what it says is all between
// two positions must be what the log has there.
func (m *model) applied(e *machine, c *store.Committed) *violation {
	if !c.Exact {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var first *violation
	for i := len(m.histories) - 1; i >= 0; i-- {
		v := m.histories[i].applied(e, c)
		if v == nil {
			return nil
		}
		if first == nil {
			first = v
		}
	}
	return first
}

func (h *history) applied(e *machine, c *store.Committed) *violation {
	if c.Revision > h.end {
		return broken(promisePrefix, "%s applies up to %d, and the log ends at %d", e.plan.name, c.Revision, h.end)
	}
	if whole := h.whole(c.Revision); whole != c.Revision {
		return broken(promiseWhole, "%s stops at %d, within a transaction that ends at %d", e.plan.name, c.Revision, whole)
	}
	rest := c.Records
	for _, want := range h.between(c.Prev, c.Revision) {
		if len(rest) > 0 && rest[0].Revision == want.revision {
			if v := want.compare(&rest[0], e.expired()); v != nil {
				return v
			}
			rest = rest[1:]
			continue
		}
		if want.ns != godwit.SystemNamespace && e.carries(want.ns) {
			return broken(promisePrefix, "%s leaves out revision %d of %s between %d and %d", e.plan.name, want.revision, want.key, c.Prev, c.Revision)
		}
	}
	if len(rest) > 0 {
		return broken(promisePrefix, "%s applies revision %d of %s, which the log does not have between %d and %d",
			e.plan.name, rest[0].Revision, rest[0].Key, c.Prev, c.Revision)
	}
	return nil
}

// compare holds a record against what the log has under its revision. One that
// was swept has lost what an expired entry has.
func (r *record) compare(got *godwit.Record, now int64) *violation {
	g := newRecord(got)
	want := *r
	if got.Swept {
		if want.expiration == 0 || want.expiration > now {
			return broken(promisePrefix, "revision %d of %s was swept before it expired", r.revision, r.key)
		}
		g.hash, g.size, g.number, g.metadata, g.tag, g.modified = want.hash, want.size, want.number, want.metadata, want.tag, want.modified
	}
	if *g != want {
		return broken(promisePrefix, "revision %d of %s is %+v, and in the log %+v", r.revision, r.key, *g, want)
	}
	return nil
}

// inspect holds all that a node's store shows against the log at the position
// that it claims. Nothing is held against a copy that is mixed.
func (m *machine) inspect() {
	m.running.RLock()
	defer m.running.RUnlock()
	if m.store == nil {
		return
	}
	before, mixed := m.state()
	if mixed {
		return
	}
	state, err := m.view()
	if err != nil {
		m.note("view: %v", err)
		return
	}
	if after, mixed := m.state(); mixed || after != before {
		return
	}
	if v := m.world.model.inspected(m, state); v != nil {
		m.world.report(m.plan.name, v)
	}
}

// state tells whether the copy is mixed, and counts how often that changed.
func (m *machine) state() (changes int, mixed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mixes, m.mixed
}

// snapshot is all that a store shows at one moment.
type snapshot struct {
	revision godwit.Revision
	records  map[keyID]*record
	expired  int64 // what expired by then may be gone
}

// expired is the latest time, in unix seconds, that the node may take for now.
func (m *machine) expired() int64 {
	if m.central() {
		return m.clock.now().Unix()
	}
	return m.world.latest()
}

// latest is the latest time, in unix seconds, that any node may take for now.
func (w *world) latest() int64 { return w.clock.now().Add(w.skew()).Unix() }

func (m *machine) view() (*snapshot, error) {
	out := &snapshot{records: make(map[keyID]*record)}
	ctx, cancel := context.WithTimeout(m.world.ctx, time.Second)
	defer cancel()
	v, err := m.store.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", m.plan.name, err)
	}
	defer func() { _ = v.Close() }()
	out.revision = v.Revision()
	err = v.Walk(ctx, nil, true, func(r *godwit.Record) error {
		rec := newRecord(r)
		out.records[rec.keyID] = rec
		return nil
	})
	out.expired = m.expired()
	return out, err
}

// inspected holds a snapshot against the log.
func (m *model) inspected(e *machine, s *snapshot) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	var first *violation
	for i := len(m.histories) - 1; i >= 0; i-- {
		v := m.histories[i].inspected(e, s)
		if v == nil {
			return nil
		}
		if first == nil {
			first = v
		}
	}
	return first
}

func (h *history) inspected(e *machine, s *snapshot) *violation {
	if s.revision > h.end {
		return broken(promisePrefix, "%s is at %d, and the log ends at %d", e.plan.name, s.revision, h.end)
	}
	if whole := h.whole(s.revision); whole != s.revision {
		return broken(promiseWhole, "%s is at %d, within a transaction that ends at %d", e.plan.name, s.revision, whole)
	}
	for k, got := range s.records {
		want := h.at(k, s.revision)
		if k.ns != godwit.SystemNamespace && !e.carries(k.ns) {
			continue // left over, and not served
		}
		if want == nil || *want != *got {
			return broken(promisePrefix, "%s at %d: %s is %+v, and in the log %+v", e.plan.name, s.revision, k.key, got, want)
		}
	}
	for k := range h.keys {
		want := h.at(k, s.revision)
		if s.records[k] == nil && want.live(s.expired) && k.ns != godwit.SystemNamespace && e.carries(k.ns) {
			return broken(promisePrefix, "%s at %d lacks %s: %+v", e.plan.name, s.revision, k.key, want)
		}
	}
	return nil
}
