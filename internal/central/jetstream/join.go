package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/internal/store"
)

// join makes the store a copy of a peer's: the stream does not go on from what it
// holds. Reads are refused meanwhile, also of a store that held a whole state: that
// there is a peer to copy from means that there is one to ask, and lists of a store
// that is being made another would mix two states. From its first commit to its
// last the store says that it is at no place, so that whatever ends a join in
// between, another one follows it.
func (m *Member) join(ctx context.Context, why error) error {
	if m.cfg.Join == nil {
		return fatal(fmt.Errorf("the store cannot follow the log: %w", why))
	}
	peers, err := m.peers(ctx)
	if err != nil {
		return fmt.Errorf("%w, to become a copy of: %w", err, why)
	}
	m.joining.Store(true)
	defer m.joining.Store(false)
	m.proposer.pause()
	m.log.Info("becoming a copy of a peer", logReason, why.Error())
	if err := m.leavePlace(); err != nil {
		return fatal(err)
	}
	p, err := m.cfg.Join(ctx, peers)
	if barred := m.cfg.MayHold(); barred != nil {
		return fatal(barred)
	}
	if err != nil {
		return fmt.Errorf("become a copy of a peer: %w", err)
	}
	m.log.Info("a copy of a peer", logSequence, p.Sequence, logRevision, uint64(m.store.Revision()))
	m.applying.Lock()
	defer m.applying.Unlock()
	if err := m.useFormat(p.Format); err != nil {
		return fatal(err)
	}
	m.place, m.noted = p, p.Sequence
	m.applied.Store(p.Sequence)
	m.flushed.Store(0) // of the store as it was
	m.window.reset()
	return nil
}

// leavePlace ends reads, and notes, durably, that the store is at no place of the stream
// until the join is over.
func (m *Member) leavePlace() error {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.serving.Store(false) // until serveWhole finds it whole again
	m.chunks.close()       // their beginning may be gone
	m.hasRoom(m.stuck)     // for what the copy has
	m.place, m.noted = Place{Joining: true}, 0
	m.applied.Store(0)
	m.flushed.Store(0)
	tx := m.store.Begin()
	if err := SetPlace(tx, m.place); err != nil {
		tx.Rollback()
		return err
	}
	return commitSynced(tx)
}

func commitSynced(tx *store.Tx) error {
	c, err := tx.Commit(store.Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return fmt.Errorf("keep the place in the stream: %w", err)
	}
	return nil
}

// unfinished tells whether the store is neither empty nor a whole state of a log.
func (m *Member) unfinished() bool {
	m.applying.Lock()
	defer m.applying.Unlock()
	return m.store.Mixed() || m.place.Joining && m.store.Revision() > 0
}

// Progress is how far becoming a copy of a peer is, "" while that is not done.
func (m *Member) Progress() string {
	if !m.joining.Load() || m.cfg.JoinProgress == nil {
		return ""
	}
	return m.cfg.JoinProgress()
}

// errNoPeers tells that the member is the only one that is registered.
var errNoPeers = errors.New("no other member is registered")

// peers are the other members.
func (m *Member) peers(ctx context.Context) ([]MemberInfo, error) {
	all, err := m.cfg.Registry.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for peers: %w", err)
	}
	var others []MemberInfo
	for _, p := range all {
		if p.Name != m.cfg.Self.Name && p.URL != "" {
			others = append(others, p)
		}
	}
	if len(others) == 0 {
		return nil, errNoPeers
	}
	return others, nil
}
