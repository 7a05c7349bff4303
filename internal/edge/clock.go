package edge

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/internal/store"
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
	smallOffset = 10 * time.Millisecond  // is left alone
	keptOffset  = 100 * time.Millisecond // is kept for the next start
	largeOffset = 10 * time.Second       // is told: entries would expire at the wrong time
	lastClock   = 1 << 43                // milliseconds: the year 2248, within what a Duration spans
)

// correct takes the upstream's clock, unix milliseconds, from an answer that took
// round to come. The answer may have waited on the way, or the question: it says
// no more than a time give or take half of round. A correction that is within that
// stays, and one that is hardly outside of it goes no further than to its bound:
// round may be long, and its middle far from the truth.
// No group may be open. Error: a fatal one of the store.
func (l *loop) correct(clock int64, round time.Duration) error {
	if clock <= 0 || clock > lastClock {
		return nil
	}
	c := l.cfg.Clock
	was := c.Offset()
	least := time.UnixMilli(clock).Sub(c.local())
	offset := min(max(was, least), least+round)
	if (offset - was).Abs() > round/2 {
		offset = least + round/2
	}
	if (offset - was).Abs() < smallOffset {
		return nil
	}
	c.Correct(offset)
	if offset.Abs() > largeOffset && was.Abs() <= largeOffset {
		l.log.Warn("this machine's clock is far from the upstream's, whose time is taken", slog.Duration(logOffset, offset))
	}
	if (offset - l.offset).Abs() < keptOffset {
		return nil
	}
	l.offset = offset
	return l.apply.keepOffset(offset)
}

// clockNote is where the correction stands that a start without an upstream goes
// on with. By its own clock such a node would hide entries at the wrong second,
// and sweep them: an entry that was swept too early is gone.
const clockNote = "clock"

func (a *applier) keepOffset(offset time.Duration) error {
	a.tx = a.store.Begin()
	a.tx.SetNote(clockNote, []byte(offset.String()))
	return a.end()
}

// recallClock corrects the clock as it was before the last stop. Error: the
// store's.
func recallClock(s *store.Store, c *Clock) (time.Duration, error) {
	text, err := s.Note(clockNote)
	if err != nil || text == nil {
		return 0, err
	}
	offset, err := time.ParseDuration(string(text))
	if err != nil {
		return 0, fmt.Errorf("read the note of the clock: %w", err)
	}
	c.Correct(offset)
	return offset, nil
}
