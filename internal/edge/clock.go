package edge

import (
	"sync/atomic"
	"time"
)

// Clock is this machine's clock, corrected by the upstream's.
type Clock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds to add
}

// NewClock returns a clock that is not corrected yet.
func NewClock(local func() time.Time) *Clock { return &Clock{local: local} }

// Now is the corrected time.
func (c *Clock) Now() time.Time { return c.local().Add(time.Duration(c.offset.Load())) }

// Offset is what is added to the machine's clock.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Correct sets what is added to the machine's clock.
func (c *Clock) Correct(offset time.Duration) { c.offset.Store(int64(offset)) }
