package jetstream

import (
	"slices"
	"time"

	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/steady"
)

// yieldEvery is how often a server is to give its lead away whose clock is wrong.
const yieldEvery = 5 * time.Second

// membersTime is the time as members tell it: the lower of the middle two of their clocks,
// of which one may be wrong by years.
type membersTime struct {
	steady.Told
	clocks, of int // told by so many of so many members
}

// known is the time, and false if it was told too long ago.
func (t *membersTime) known() (time.Time, bool) {
	if t == nil {
		return time.Time{}, false
	}
	return t.Now(), time.Since(t.At) < presentFor
}

// ofMajority is the time if most members tell it.
func (t *membersTime) ofMajority() (time.Time, bool) {
	now, ok := t.known()
	return now, ok && 2*t.clocks > t.of
}

// ofThree is the time if so many tell it that one of them is known to be wrong.
func (t *membersTime) ofThree() (time.Time, bool) {
	now, ok := t.known()
	return now, ok && t.clocks > 2
}

// clocks is what members tell of the time now.
func (r *roster) clocks() *membersTime {
	now := time.Now()
	members := r.members()
	var clocks []int64
	for i := range members {
		if p := &members[i]; p.present(now) {
			clocks = append(clocks, p.pulse.Clock+now.Sub(p.at).Milliseconds())
		}
	}
	t := &membersTime{Told: steady.Told{At: now}, clocks: len(clocks), of: len(members)}
	if len(clocks) > 0 {
		slices.Sort(clocks)
		t.Time = time.UnixMilli(clocks[(len(clocks)-1)/2])
	}
	return t
}

// compareClocks finds out what the time is by most, and whether this machine's clock says
// so too.
func (m *Member) compareClocks() {
	m.told.Store(m.roster.clocks())
	t, ok := m.told.Load().ofThree()
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
	t, ok := m.told.Load().ofMajority()
	if !ok {
		return time.Time{}
	}
	if own := m.steady.Now(); own.Sub(t).Abs() <= state.MaxAhead {
		return own // to the second in which entries end
	}
	return t
}

// farAhead is the time as most members tell it, where that is known and this machine's
// clock is too far ahead of it.
func (m *Member) farAhead(now time.Time) (time.Time, bool) {
	t, ok := m.told.Load().ofThree()
	return t, ok && now.Sub(t) > state.MaxAhead
}

// batchTime is the time of a batch that leaves: by a clock that is far ahead of most
// members' the log's time, which never goes back, would be moved, if the stream's leader
// has that clock too.
func (m *Member) batchTime() time.Time {
	now := m.cfg.Now()
	if t, far := m.farAhead(now); far {
		return t
	}
	return now
}
