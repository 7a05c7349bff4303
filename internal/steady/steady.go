// Package steady owns a clock that a jump of the machine's does not move at once.
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
	time   time.Time // of the machine, when it was last believed
	at     time.Time // when that was, by what no jump moves
	jumped time.Time // since when it is not believed, in the same way; zero: it is
}

// New returns a clock that believes what the machine's says now, and later a jump of it
// that has lasted so long.
func New(machine func() time.Time, doubt time.Duration) *Clock {
	return &Clock{machine: machine, doubt: doubt, time: machine(), at: time.Now()}
}

// Now is the machine's time, or, for as long as a jump is not believed, the earlier of
// that and what it would be without.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, machine := time.Now(), c.machine()
	without := c.time.Add(now.Sub(c.at))
	switch {
	case apart(machine, without) <= slack, !c.jumped.IsZero() && now.Sub(c.jumped) >= c.doubt:
		c.time, c.at, c.jumped = machine, now, time.Time{}
		return machine
	case c.jumped.IsZero():
		c.jumped = now
	}
	if machine.Round(0).Before(without.Round(0)) {
		return machine
	}
	return without
}

// apart is how far two times are from each other, whatever else they carry.
func apart(a, b time.Time) time.Duration { return a.Round(0).Sub(b.Round(0)).Abs() }
