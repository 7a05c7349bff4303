package jetstream

import (
	"context"
	"errors"
	"sync"
	"time"
)

const upkeepEvery = time.Second

// upkeep does every second what keeps a cluster in order, and what one member has
// to do for all, if it falls to this one.
func (m *Member) upkeep(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := m.lookAround(ctx); err != nil {
			return err
		}
		st, err := m.askState(ctx)
		m.extent.set(st, err)
		m.uncounted.Store(err != nil || st.Uncounted)
		if err != nil || !m.serving.Load() {
			continue
		}
		members := m.roster.members()
		m.board.upkeep(errors.Join(m.pad(ctx, st, members), m.trim(ctx, st, members)))
		m.sendCompare(members)
		m.raiseFormat(members)
	}
}

func (m *Member) askState(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	return m.cfg.Stream.State(ctx)
}

// extent is what was last heard of the stream's.
type extent struct {
	mu    sync.Mutex
	state State
}

func (e *extent) set(st State, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.state.Leader = "" // the rest is as it was
		return
	}
	e.state = st
}

func (e *extent) get() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}
