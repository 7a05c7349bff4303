package edge

import (
	"context"
	"sync"
	"sync/atomic"
)

// signal wakes all who wait for something to become true. Telling it costs next
// to nothing while nobody waits. The zero value is ready.
type signal struct {
	waiting atomic.Int64
	mu      sync.Mutex
	changed chan struct{} // closed by tell; nil: nobody has asked since
}

// tell wakes those who wait, so that they look again.
func (s *signal) tell() {
	if s.waiting.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// wait returns once done says so, which it asks whenever tell is called. Error:
// the context's.
func (s *signal) wait(ctx context.Context, done func() bool) error {
	if done() {
		return nil
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
