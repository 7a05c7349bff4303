package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

const (
	pulseEvery    = time.Second
	membersEvery  = 10 * time.Second
	registryPause = time.Second
	// askWait is how long the registry or the stream may take for an answer.
	askWait = 2 * time.Second
)

var errRemoved = errors.New("this member was removed from the cluster: stop it, or start it again for it to be a member again")

// register tells the registry who this member is, until it takes it. A member whose
// name is another's waits until that is removed: its server is needed meanwhile to
// decide so. One with an edge's data is none before it becomes a copy: if it is to be
// promoted instead, it comes with another identity, and would find its name taken.
func (m *Member) register(ctx context.Context) error {
	for ctx.Err() == nil {
		if is, err := anEdges(m.store); err != nil {
			return err
		} else if is {
			pause.For(ctx, registryPause)
			continue
		}
		err := m.registerOnce(ctx)
		if err == nil {
			m.registered.Store(true)
			m.stranger.Store(false)
			m.board.registering(nil)
			return nil
		}
		if t := (*TakenError)(nil); errors.As(err, &t) {
			m.stranger.Store(true)
			err = taken(t)
		}
		m.board.registering(err)
		pause.For(ctx, registryPause)
	}
	return nil
}

func (m *Member) registerOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	return m.cfg.Registry.Register(ctx, m.cfg.Self)
}

// taken says what to do about a name that is another's.
func taken(t *TakenError) error {
	return fmt.Errorf("%w: either this member's disk is new, or two nodes have one name. "+
		"If the other is gone for good, run \"godwit cluster remove %s\" at a member: this one then takes its place", t, t.Name)
}

// listen hears what the others tell.
func (m *Member) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		err := m.cfg.Registry.Hear(ctx, func(p Pulse) {
			if p.Name != m.cfg.Self.Name { // of itself it knows better
				m.roster.hear(p)
			}
		})
		if err != nil && ctx.Err() == nil {
			m.board.registering(err)
		}
		pause.For(ctx, registryPause)
	}
	return nil
}

// beat tells the others every second how this member is, and judges by what they
// told whether it is as they are.
func (m *Member) beat(ctx context.Context) error {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		p := m.pulse()
		m.roster.hear(p)
		m.cfg.Registry.Tell(p)
		m.compareClocks()
		if err := m.judge(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// pulse is how this member is.
func (m *Member) pulse() Pulse {
	p := Pulse{
		Name: m.cfg.Self.Name, Identity: m.cfg.Self.Identity, Clock: m.cfg.Now().UnixMilli(),
		Flushed: m.flushed.Load(), Revision: m.store.Revision().String(),
		Ready: m.Ready(), Problem: m.Problem(), Epoch: epochOf(m.store),
	}
	p.Applied = m.applied.Load() // after Flushed, which it is never behind
	p.DigestAt, p.Digest = m.comparison.told()
	return p
}

// lookAround asks who the members are, when that is due. Error: the member cannot
// go on as it is not the one that is registered.
func (m *Member) lookAround(ctx context.Context) error {
	if !m.roster.old(time.Now()) {
		return nil
	}
	registered := m.registered.Load()
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	all, err := m.cfg.Registry.Members(ctx)
	if err != nil {
		m.board.registering(fmt.Errorf("ask who the members are: %w", err))
		return nil
	}
	m.roster.register(all)
	if !m.stranger.Load() {
		m.board.registering(nil)
	}
	if !registered {
		return nil
	}
	for _, i := range all {
		if i.Name == m.cfg.Self.Name {
			m.board.removal(false)
			if i.Identity != m.cfg.Self.Identity {
				return fatal(taken(&TakenError{Name: i.Name, Identity: i.Identity}))
			}
			return nil
		}
	}
	m.board.removal(true)
	return nil
}
