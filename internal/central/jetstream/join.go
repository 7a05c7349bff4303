package jetstream

import (
	"context"
	"errors"
	"fmt"
)

// join makes the store a copy of a peer's: the stream does not go on from what it
// holds.
func (m *Member) join(ctx context.Context, why error) error {
	if m.cfg.Join == nil {
		return fatal(fmt.Errorf("the store cannot follow the log: %w", why))
	}
	peers, err := m.peers(ctx)
	if err != nil {
		return err
	}
	m.serving.Store(false)
	m.log.Info("becoming a copy of a peer", logReason, why.Error())
	p, err := m.cfg.Join(ctx, peers)
	if err != nil {
		return fmt.Errorf("become a copy of a peer: %w", err)
	}
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
		return nil, errors.New("no other member is registered to become a copy of")
	}
	return others, nil
}
