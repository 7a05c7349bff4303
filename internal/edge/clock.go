package edge

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/internal/store"
)

// Clock is this machine's clock until the upstream has told its time, and from then on the
// upstream's, which goes on whatever becomes of the machine's.
type Clock struct {
	local  func() time.Time
	offset atomic.Int64         // nanoseconds to add to local, until something is told
	told   atomic.Pointer[told] // nil: nothing is yet
}

// told is a time of the upstream's, and when it was that.
type told struct{ time, at time.Time }

// NewClock returns a clock to which nothing was told yet.
func NewClock(local func() time.Time) *Clock { return &Clock{local: local} }

// Now is the corrected time.
func (c *Clock) Now() time.Time {
	if t := c.told.Load(); t != nil {
		return t.time.Add(time.Since(t.at))
	}
	return c.local().Add(time.Duration(c.offset.Load()))
}

// Sure is the time by what the upstream has told since the start; zero: it has not. What
// the machine knows by itself, and what was true before, may be wrong by years.
func (c *Clock) Sure() time.Time {
	if c.told.Load() == nil {
		return time.Time{}
	}
	return c.Now()
}

// Offset is by how much the time is later than by the machine's clock.
func (c *Clock) Offset() time.Duration {
	if c.told.Load() == nil {
		return time.Duration(c.offset.Load())
	}
	return c.Now().Sub(c.local().Round(0))
}

// Correct goes on from the machine's clock, to which so much is added.
func (c *Clock) Correct(offset time.Duration) {
	c.offset.Store(int64(offset))
	c.told.Store(nil)
}

// tell goes on from a time of the upstream's.
func (c *Clock) tell(now time.Time) { c.told.Store(&told{now.Round(0), time.Now()}) }

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
	now := c.Now().Round(0)
	least := time.UnixMilli(clock).Sub(now)
	by := min(max(0, least), least+round)
	if by.Abs() > round/2 {
		by = least + round/2
	}
	if by.Abs() < smallOffset {
		by = 0
	}
	if by != 0 || c.told.Load() == nil {
		c.tell(now.Add(by))
	}
	return l.keepOffset(c.Offset())
}

// keepOffset notes how far apart the two clocks are, whichever of them was set.
func (l *loop) keepOffset(offset time.Duration) error {
	far := offset.Abs() > largeOffset
	if far && !l.far {
		l.log.Warn("this machine's clock is far from the upstream's, whose time is taken", slog.Duration(logOffset, offset))
	}
	l.far = far
	if (offset - l.offset).Abs() < keptOffset {
		return nil
	}
	l.offset = offset
	return l.apply.keepOffset(offset)
}

// clockNote is where the correction stands that a start without an upstream goes
// on with: by its own clock such a node would hide entries at the wrong second.
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
