package edge

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit/internal/steady"
	"github.com/godwitkv/godwit/internal/store"
)

// Clock is this machine's clock until the upstream has told its time, and from then on the
// upstream's, which goes on whatever the machine's is set to. While the machine is suspended
// it stands: it is behind by so much then, until the upstream is heard again.
type Clock struct {
	local func() time.Time
	base  atomic.Pointer[base]
}

// base is what a clock goes on from.
type base struct {
	told   *steady.Told  // a time of the upstream's; nil: nothing was told yet
	offset time.Duration // to add to the machine's time until then
}

// NewClock returns a clock to which nothing was told yet.
func NewClock(local func() time.Time) *Clock {
	c := &Clock{local: local}
	c.base.Store(new(base))
	return c
}

// Now is the corrected time.
func (c *Clock) Now() time.Time {
	b := c.base.Load()
	if b.told != nil {
		return b.told.Now()
	}
	return c.local().Add(b.offset)
}

// Sure is the time by what the upstream has told since the start; zero: it has not. What
// the machine knows by itself, and what was true before, may be wrong by years.
func (c *Clock) Sure() time.Time {
	if b := c.base.Load(); b.told != nil {
		return b.told.Now()
	}
	return time.Time{}
}

// Offset is by how much the time is later than by the machine's clock.
func (c *Clock) Offset() time.Duration {
	b := c.base.Load()
	if b.told != nil {
		return b.told.Now().Sub(c.local().Round(0))
	}
	return b.offset
}

// Correct goes on from the machine's clock, to which so much is added.
func (c *Clock) Correct(offset time.Duration) { c.base.Store(&base{offset: offset}) }

// tell goes on from a time of the upstream's.
func (c *Clock) tell(now time.Time) { c.base.Store(&base{told: new(steady.Tell(now))}) }

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
	if by != 0 || c.Sure().IsZero() {
		c.tell(now.Add(by))
	}
	return l.keepOffset(c.Offset())
}

// keepOffset notes how far apart the two clocks are, whichever of them was set.
func (l *loop) keepOffset(offset time.Duration) error {
	if (offset - l.offset).Abs() < keptOffset {
		return nil
	}
	if offset.Abs() > largeOffset && l.offset.Abs() <= largeOffset {
		l.log.Warn("this machine's clock is far from the upstream's, whose time is taken", slog.Duration(logOffset, offset))
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
