package edge

import (
	"log/slog"
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

const (
	smallOffset = 10 * time.Millisecond // is left alone
	largeOffset = 10 * time.Second      // is told: entries would expire at the wrong time
	lastClock   = 1 << 43               // milliseconds: the year 2248, within what a Duration spans
)

// correct takes the upstream's clock, unix milliseconds, from an answer that took
// round to come. The answer may have waited on the way, so that it says no more
// than a time give or take half of round: a difference within that means nothing.
func (l *loop) correct(clock int64, round time.Duration) {
	if clock <= 0 || clock > lastClock {
		return
	}
	c := l.cfg.Clock
	offset := time.UnixMilli(clock).Add(round / 2).Sub(c.local())
	change := (offset - c.Offset()).Abs()
	if change < smallOffset || change <= round/2 {
		return
	}
	was := c.Offset()
	c.Correct(offset)
	if offset.Abs() > largeOffset && was.Abs() <= largeOffset {
		l.log.Warn("this machine's clock is far from the upstream's, whose time is taken", slog.Duration(logOffset, offset))
	}
}
