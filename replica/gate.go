package replica

import (
	"sync"

	"github.com/godwitkv/godwit"
)

// gate lets reads in until it is closed, which waits for those that are inside.
type gate struct {
	mu     sync.RWMutex
	closed bool
}

// enter has to be followed by leave, unless it fails. Error: CodeUnavailable once the
// gate is closed.
func (g *gate) enter() error {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return godwit.Errorf(godwit.CodeUnavailable, "The replica is closed.")
	}
	return nil
}

func (g *gate) leave() { g.mu.RUnlock() }

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
