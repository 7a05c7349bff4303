// Package steady owns clocks that a jump of the machine's does not move at once, or never.
//
// It imports nothing of the module.
package steady

import (
	"sync"
	"time"
)

// slack is how far the machine's clock may be from where it was to be without having
// jumped.
const slack = 10 * time.Second

// Doubt is for how long a jump is not believed where nothing else was said.
const Doubt = time.Minute

// Clock is the machine's clock, but for jumps. One that is set ahead for a moment makes
// nothing of what goes by this one happen early, and what happens late then can be made up
// for.
type Clock struct {
	machine func() time.Time
	doubt   time.Duration

	mu     sync.Mutex
	last   Told      // the machine's time, when it was last believed
	jumped time.Time // since when it is not believed; zero: it is
}

// New returns a clock that believes what the machine's says now, and later a jump of it
// that has lasted so long.
func New(machine func() time.Time, doubt time.Duration) *Clock {
	return &Clock{machine: machine, doubt: doubt, last: Tell(machine())}
}

// Now is the machine's time, or, for as long as a jump is not believed, the earlier of
// that and what it would be without.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, machine := time.Now(), c.machine()
	without := c.last.Now()
	switch {
	case machine.Round(0).Sub(without).Abs() <= slack, !c.jumped.IsZero() && now.Sub(c.jumped) >= c.doubt:
		c.last, c.jumped = Told{machine.Round(0), now}, time.Time{}
		return machine
	case c.jumped.IsZero():
		c.jumped = now
	}
	if machine.Round(0).Before(without) {
		return machine
	}
	return without
}
