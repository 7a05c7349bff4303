package jetstream

import (
	"slices"
	"time"

	"github.com/godwitkv/godwit/internal/state"
)

// yieldEvery is how often a server is to give its lead away whose clock is wrong.
const yieldEvery = 5 * time.Second

// common is the time as members tell it: the lower of the middle two of their clocks, of
// which one may be wrong by years.
type common struct {
	time, at time.Time // it was this when that was
	told, of int       // by so many of so many members
}

// now is the time, and false if it was told too long ago.
func (c *common) now() (time.Time, bool) {
	if c == nil {
		return time.Time{}, false
	}
	since := time.Since(c.at)
	return c.time.Add(since), since < presentFor
}

// most is the time if most members tell it.
func (c *common) most() (time.Time, bool) {
	now, ok := c.now()
	return now, ok && 2*c.told > c.of
}

// judge is the time if so many tell it that one of them is known to be wrong.
func (c *common) judge() (time.Time, bool) {
	now, ok := c.now()
	return now, ok && c.told > 2
}

// clocks is what members tell of the time now.
func (r *roster) clocks() *common {
	now := time.Now()
	members := r.members()
	c := &common{at: now, of: len(members)}
	var clocks []int64
	for i := range members {
		if p := &members[i]; p.present(now) {
			clocks = append(clocks, p.pulse.Clock+now.Sub(p.at).Milliseconds())
		}
	}
	if c.told = len(clocks); c.told > 0 {
		slices.Sort(clocks)
		c.time = time.UnixMilli(clocks[(c.told-1)/2])
	}
	return c
}

// compareClocks finds out what the time is by most, and whether this machine's clock says
// so too.
func (m *Member) compareClocks() {
	m.common.Store(m.roster.clocks())
	t, ok := m.common.Load().judge()
	if !ok {
		return // the stream's time is what there is: see hear
	}
	m.board.clock(m.cfg.Now().Sub(t), pulseEvery)
	if m.board.clockIsOff() && time.Since(m.yielded) >= yieldEvery {
		m.yielded = time.Now()
		m.cfg.Yield()
	}
}

// Sure is the time by this machine's clock, unless that is far from most members': then
// it is theirs. Zero: that is not known.
func (m *Member) Sure() time.Time {
	t, ok := m.common.Load().most()
	if !ok {
		return time.Time{}
	}
	if own := m.steady.Now(); own.Sub(t).Abs() <= state.MaxAhead {
		return own // to the second in which entries end
	}
	return t
}

// ahead is by how much this machine's clock is ahead of most members', where that is known.
func (m *Member) ahead() time.Duration {
	t, ok := m.common.Load().judge()
	if !ok {
		return 0
	}
	return m.cfg.Now().Sub(t)
}

// batchTime is the time of a batch that leaves: by a clock that is far ahead of most
// members' the log's time, which never goes back, would be moved, if the stream's leader
// has that clock too.
func (m *Member) batchTime() time.Time {
	now := m.cfg.Now()
	if ahead := m.ahead(); ahead > state.MaxAhead {
		return now.Add(-ahead)
	}
	return now
}
