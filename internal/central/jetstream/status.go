package jetstream

import (
	"time"

	"github.com/godwitkv/godwit/internal/store"
)

// Status is how a member and its cluster are, as far as this member knows.
type Status struct {
	Name        string         `json:"name"`             // this member's
	Leader      string         `json:"leader,omitempty"` // of the stream; "": none answers
	First       uint64         `json:"first"`            // messages that the stream holds
	Last        uint64         `json:"last"`
	Bytes       int64          `json:"bytes"`
	Cap         int64          `json:"cap"`                  // of Bytes, past which absent members are not waited for
	Format      int            `json:"format"`               // of its messages
	StalenessMS int64          `json:"staleness_ms"`         // for how long the copy may have missed a write; -1: not known
	Durability  string         `json:"durability,omitempty"` // what is known of when what is acknowledged is on disks
	Problem     string         `json:"problem,omitempty"`    // of this member
	Members     []MemberStatus `json:"members"`              // all that are registered, by name
	Compared    uint64         `json:"compared,omitempty"`   // message at which the members' data was compared last
	Digest      string         `json:"digest,omitempty"`     // of this member's there
}

// MemberStatus is how one member is.
type MemberStatus struct {
	Name     string `json:"name"`
	URL      string `json:"url,omitempty"`
	Version  string `json:"version,omitempty"`
	Present  bool   `json:"present"`            // it was heard lately
	AgeMS    int64  `json:"age_ms"`             // since it was heard; -1: it was not
	Ready    bool   `json:"ready"`              // the rest is of then
	Applied  uint64 `json:"applied"`            // last message applied
	Flushed  uint64 `json:"flushed"`            // last message that a crash leaves applied
	Lag      uint64 `json:"lag"`                // messages behind the stream
	Revision string `json:"revision,omitempty"` // that its store holds
	Problem  string `json:"problem,omitempty"`
}

// durable is a stream that says what is known of when a message that a quorum holds
// is on disks. It does so at once, and asks nobody.
type durable interface{ Durability() string }

// Status tells what was last heard: it asks nobody.
func (m *Member) Status() Status {
	st := m.extent.get()
	_, most := m.cfg.limits(st)
	s := Status{
		Name: m.cfg.Self.Name, Leader: st.Leader, First: st.First, Last: max(st.Last, m.applied.Load()), Bytes: st.Bytes, Cap: most,
		Format: int(m.proposer.form()), StalenessMS: -1, Problem: m.Problem(),
	}
	if d, known := m.fresh.staleness(); known {
		s.StalenessMS = d.Milliseconds()
	}
	if d, ok := m.cfg.Stream.(durable); ok {
		s.Durability = d.Durability()
	}
	s.Compared, s.Digest = m.comparison.told()
	now := time.Now()
	for _, p := range m.roster.members() {
		s.Members = append(s.Members, p.status(now, s.Last))
	}
	return s
}

func (p *peer) status(now time.Time, last uint64) MemberStatus {
	s := MemberStatus{
		Name: p.info.Name, URL: p.info.URL, Version: p.info.Version, Present: p.present(now), AgeMS: -1,
		Ready: p.pulse.Ready, Applied: p.pulse.Applied, Flushed: p.pulse.Flushed, Lag: lag(last, p.pulse.Applied),
		Revision: p.pulse.Revision, Problem: p.pulse.Problem,
	}
	if p.pulse.Name != "" {
		s.AgeMS = now.Sub(p.at).Milliseconds()
	}
	return s
}

// epochOf is the epoch that a store is in, "" if none has begun.
func epochOf(s *store.Store) string {
	if l := s.Lineage(); len(l) > 0 {
		return l[len(l)-1].ID.String()
	}
	return ""
}
