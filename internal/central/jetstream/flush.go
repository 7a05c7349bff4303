package jetstream

import (
	"context"
	"fmt"
	"time"
)

const flushEvery = time.Second

// flushLoop makes what was applied durable, every second: up to there this member
// needs the stream no more.
func (m *Member) flushLoop(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := m.flush(); err != nil {
			return err
		}
	}
}

// flush makes all applied so far durable, with the note of it, and with the values
// that are whole.
func (m *Member) flush() error {
	through, err := m.notePlace()
	if err != nil {
		return err
	}
	if through <= m.flushed.Load() {
		return nil
	}
	if err := m.store.Sync(); err != nil {
		return fmt.Errorf("sync what was applied: %w", err)
	}
	m.flushed.Store(through)
	return nil
}

// notePlace keeps the place of messages that changed nothing, and returns up to
// which message a crash after the next sync would need none again.
func (m *Member) notePlace() (uint64, error) {
	m.applying.Lock()
	defer m.applying.Unlock()
	if m.place.Sequence > m.noted && !m.store.Mixed() {
		if err := m.commit(m.store.Begin(), m.place.Sequence); err != nil {
			return 0, err
		}
	}
	through := m.noted
	if first := m.chunks.first(); first != 0 {
		through = min(through, first-1)
	}
	return through, nil
}
