package simulation

import "time"

// clock is a machine's clock: off by some time, and fast or slow by a little.
type clock struct {
	start  time.Time
	offset time.Duration
	drift  float64 // seconds gained in a second
}

// now is what the clock shows.
func (c *clock) now() time.Time { return c.at(time.Now()) }

// at is what the clock showed or will show at a true time.
func (c *clock) at(t time.Time) time.Time {
	passed := t.Sub(c.start)
	return t.Add(c.offset + time.Duration(c.drift*float64(passed))).Round(0)
}
