// Package probe measures propagation: it writes a heartbeat key at one node and
// notes when each of others shows the write.
//
// Propagation is from a write's acknowledgement to its visibility. Both ends are
// seen from where the probe runs: half the round trip to a node is taken off
// what its watch brought.
package probe

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Target is a node whose propagation is measured.
type Target struct {
	Name string
	// Revisions yields the revision of each heartbeat once the node shows it,
	// from when it is called until ctx ends. An error is the last.
	Revisions func(ctx context.Context) iter.Seq2[string, error]
	// OneWay is how long an answer of the node is on its way to the probe.
	OneWay time.Duration
}

// Config is what a probe needs; all fields are required.
type Config struct {
	// Write writes a heartbeat and returns its revision once it is acknowledged.
	Write   func(ctx context.Context) (revision string, err error)
	Every   time.Duration // between two heartbeats
	Targets []Target
	// Seen is told how long each heartbeat took to each target. It may be called
	// from many goroutines.
	Seen func(target int, took time.Duration)
	// Failed is told what went wrong and does not end the probe: a write that was
	// not acknowledged (target below 0), a target whose watch broke off. It may
	// be called from many goroutines.
	Failed func(target int, err error)
}

// retryAfter is how long a target whose watch broke off is left alone.
const retryAfter = 500 * time.Millisecond

// Run probes until ctx ends.
func Run(ctx context.Context, cfg Config) {
	p := &probe{Config: cfg, acked: make(map[string]time.Time), early: make(map[string][]sighting)}
	var all sync.WaitGroup
	for i := range cfg.Targets {
		all.Go(func() { p.watch(ctx, i) })
	}
	p.write(ctx)
	all.Wait()
}

type probe struct {
	Config

	mu    sync.Mutex
	order []string // of the heartbeats remembered, oldest first
	acked map[string]time.Time
	early map[string][]sighting // seen before they were acknowledged
}

// sighting is a heartbeat at a target.
type sighting struct {
	target int
	at     time.Time
}

// remembered bounds the heartbeats that a target may still bring.
const remembered = 1 << 12

func (p *probe) write(ctx context.Context) {
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		revision, err := p.Write(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.Failed(-1, fmt.Errorf("write heartbeat: %w", err))
		default:
			p.acknowledged(revision, time.Now())
		}
	}
}

// acknowledged settles what targets showed before the writer knew.
func (p *probe) acknowledged(revision string, at time.Time) {
	p.mu.Lock()
	p.acked[revision] = at
	early := p.early[revision]
	delete(p.early, revision)
	p.order = append(p.order, revision)
	if len(p.order) > remembered {
		delete(p.acked, p.order[0])
		p.order = p.order[1:]
	}
	if len(p.early) > remembered { // of writes that were never acknowledged
		clear(p.early)
	}
	p.mu.Unlock()
	for _, s := range early {
		p.tell(s.target, s.at.Sub(at))
	}
}

func (p *probe) watch(ctx context.Context, target int) {
	for ctx.Err() == nil {
		err := errors.New("the watch ended")
		for revision, werr := range p.Targets[target].Revisions(ctx) {
			if err = werr; err != nil {
				break
			}
			p.saw(target, revision, time.Now())
		}
		if ctx.Err() != nil {
			return
		}
		p.Failed(target, err)
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

func (p *probe) saw(target int, revision string, at time.Time) {
	p.mu.Lock()
	acked, ok := p.acked[revision]
	if !ok {
		p.early[revision] = append(p.early[revision], sighting{target, at})
	}
	p.mu.Unlock()
	if ok {
		p.tell(target, at.Sub(acked))
	}
}

func (p *probe) tell(target int, took time.Duration) {
	p.Seen(target, max(0, took-p.Targets[target].OneWay))
}
