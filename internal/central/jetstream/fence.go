package jetstream

import (
	"fmt"

	"github.com/godwitkv/godwit"
)

// Fence lets all members know, by the log itself, that generation by of it is another
// centre's: what stands behind that in the log none of them takes, now or after a
// restart. It returns at once; if the message is lost, whoever found out says it
// again.
func (m *Member) Fence(by uint64) {
	m.cfg.Stream.Send(appendFence(nil, m.proposer.form(), by), func(error) {})
}

// takeFence ends the log here, as it does at all members.
func (m *Member) takeFence(msg Message, rest []byte) error {
	by, err := decodeFence(rest)
	if err != nil {
		return err
	}
	tx := m.store.Begin()
	if !tx.Fence(by) {
		tx.Rollback()
		return nil
	}
	if err := m.commit(tx, msg.Sequence); err != nil {
		return err
	}
	if err := m.store.Sync(); err != nil {
		return fmt.Errorf("note that the log was taken over: %w", err)
	}
	m.endWrites()
	if m.cfg.Fenced != nil {
		m.cfg.Fenced(by)
	}
	return nil
}

// endWrites refuses all writes if the log is another centre's.
func (m *Member) endWrites() {
	if by := m.store.Fenced(); by != 0 {
		m.proposer.end(godwit.Fenced(m.store.Generation(), by))
	}
}
