package edge

import (
	"errors"
	"math/rand/v2"
	"time"
)

// How long to wait once no upstream will do.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// unwelcomePause is for upstreams that do not take the token, and may count
	// the attempts.
	unwelcomePause = 5 * time.Second
)

// itinerary says which upstream comes next, and when: the first one after a
// stream that was steady, or once that is preferred; else one after the other, with
// a pause after each time round, twice as long as the one before. A quarter of it is
// chance, so that nodes that were cut off together do not come back together.
type itinerary struct {
	upstreams int
	at        int
	pause     time.Duration
	worth     bool // one of this time round may do better soon
}

// lost takes how following upstream at ended, and returns for how long to wait
// before the next attempt. steady: the stream was in order for a while.
func (t *itinerary) lost(steady bool, err error) time.Duration {
	if steady {
		t.pause, t.worth = 0, false
	}
	switch {
	case steady && errors.Is(err, errStale):
		t.at = (t.at + 1) % t.upstreams
		return 0
	case steady, errors.Is(err, errPreferred):
		t.at = 0
		return 0
	}
	t.worth = t.worth || !unwelcome(err)
	if t.at++; t.at < t.upstreams {
		return 0
	}
	worth := t.worth
	t.at, t.worth = 0, false
	if !worth {
		return unwelcomePause
	}
	t.pause = min(max(2*t.pause, firstPause), lastPause)
	return t.pause - rand.N(t.pause/4)
}

// patience bounds how often an upstream is left because others may be fresher:
// all of them may have lost the same one.
type patience struct {
	until time.Time
	next  time.Duration
}

const (
	staleAfter    = 5 * time.Second // an upstream's age above which another may be better
	firstPatience = 10 * time.Second
	lastPatience  = 5 * time.Minute
)

// over takes an upstream's age and tells whether to try another.
func (p *patience) over(age time.Duration, now time.Time) bool {
	if age <= staleAfter {
		*p = patience{}
		return false
	}
	if now.Before(p.until) {
		return false
	}
	p.next = min(max(2*p.next, firstPatience), lastPatience)
	p.until = now.Add(p.next)
	return true
}

// comeback bounds how often an upstream is left because one that is preferred answers
// again: that may soon fail once more.
type comeback struct {
	from int // the upstream left last
	left time.Time
	next time.Duration // until it, or one that comes after it, may be left again
}

const firstReturn = time.Minute

// due tells whether an upstream may be left.
func (c *comeback) due(now time.Time) bool { return now.Sub(c.left) >= c.next }

// follows notes which upstream is followed. One that was gone back to is good if it is
// still followed once it might be left again.
func (c *comeback) follows(index int, now time.Time) {
	if index < c.from && c.due(now) {
		*c = comeback{}
	}
}

// leaves notes that an upstream is left.
func (c *comeback) leaves(index int, now time.Time) {
	c.from, c.left = index, now
	c.next = min(max(2*c.next, firstReturn), lastPatience)
}
