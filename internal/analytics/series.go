package analytics

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	hourMinutes = 60
	dayMinutes  = 24 * hourMinutes
	// dayHours is how many hours a day may reach into.
	dayHours = 25
	// buckets of latencies: the first is below a microsecond, each reaches twice as
	// far as the one before, and the last has no end.
	buckets = 26
)

// series is what was asked of one namespace. The minute that runs and the one before
// are counted in; then they are summed up and kept, minutes for an hour and hours for
// a day. What was counted stands in one place at any time.
type series struct {
	live [2]atomic.Pointer[slot] // by minute: odd and even
	last atomic.Int64            // the minute that began last

	mu      sync.Mutex // held to change which slots are live, and for what follows
	minutes [hourMinutes]*slot
	hours   [dayHours]*tally
}

// slot is a minute that is counted in. Each shard is several lines of a processor's
// cache, so two that count in different ones do not wait for each other.
type slot struct {
	minute int64
	shards [][Actions]cell
}

// cell counts one action.
type cell struct {
	more    atomic.Uint64 // keys but the one that each request has
	bytes   atomic.Uint64
	failed  atomic.Uint64
	latency [buckets]atomic.Uint32
}

func (c *cell) record(q *Request) {
	c.latency[bucket(q.Took)].Add(1)
	if q.Bytes > 0 {
		c.bytes.Add(uint64(q.Bytes))
	}
	if q.Keys != 1 {
		c.more.Add(uint64(q.Keys) - 1) // of none, one less
	}
	if q.Failed {
		c.failed.Add(1)
	}
}

func bucket(d time.Duration) int {
	return min(bits.Len64(uint64(max(d.Microseconds(), 0))), buckets-1)
}

// tally is a sum over a minute or an hour.
type tally struct {
	at     int64 // which one, since 1970
	totals [Actions]Totals
}

// Totals are the counts of one action.
type Totals struct {
	Requests uint64
	Keys     uint64
	Bytes    uint64
	Failed   uint64
	latency  [buckets]uint64
}

func (t *Totals) add(o *Totals) {
	t.Requests += o.Requests
	t.Keys += o.Keys
	t.Bytes += o.Bytes
	t.Failed += o.Failed
	for i, n := range o.latency {
		t.latency[i] += n
	}
}

// Quantile is a latency that the share q of all requests did not exceed, right within
// a factor of two; 0 if there were none.
func (t *Totals) Quantile(q float64) time.Duration {
	rank := q * float64(t.Requests)
	var below float64
	for i, n := range t.latency {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		from, to := 0.0, 1.0
		if i > 0 {
			from, to = math.Exp2(float64(i-1)), math.Exp2(float64(i))
		}
		return time.Duration((from + (to-from)*(rank-below)/float64(n)) * float64(time.Microsecond))
	}
	return 0
}

// sum is what was counted in a slot.
func (s *slot) sum() *tally {
	t := &tally{at: s.minute}
	for i := range s.shards {
		for a := range s.shards[i] {
			c, sum := &s.shards[i][a], &t.totals[a]
			for b := range c.latency {
				n := uint64(c.latency[b].Load())
				sum.latency[b] += n
				sum.Requests += n
				sum.Keys += n
			}
			sum.Keys += c.more.Load()
			sum.Bytes += c.bytes.Load()
			sum.Failed += c.failed.Load()
		}
	}
	return t
}

// merged is s in one shard, in which it takes the least memory.
func (s *slot) merged() *slot {
	if len(s.shards) == 1 {
		return s
	}
	m := &slot{minute: s.minute, shards: make([][Actions]cell, 1)}
	for i := range s.shards {
		for a := range s.shards[i] {
			m.shards[0][a].add(&s.shards[i][a])
		}
	}
	return m
}

func (c *cell) add(o *cell) {
	c.more.Add(o.more.Load())
	c.bytes.Add(o.bytes.Load())
	c.failed.Add(o.failed.Load())
	for b := range o.latency {
		c.latency[b].Add(o.latency[b].Load())
	}
}

// begin has a minute counted in. The slot that it takes the place of is of two minutes
// ago at least: nobody counts in it any more. If the clock was put back by less than an
// hour, a later minute goes on.
func (s *series) begin(minute int64, shards int) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.Load() > minute+hourMinutes {
		s.forgetAfter(minute)
	}
	at := &s.live[minute&1]
	if old := at.Load(); old != nil {
		if old.minute >= minute {
			return old
		}
		s.keep(old.merged())
	}
	next := &slot{minute: minute, shards: make([][Actions]cell, shards)}
	at.Store(next)
	s.last.Store(minute)
	return next
}

// forgetAfter forgets what was counted in later minutes: the clock was ahead.
func (s *series) forgetAfter(minute int64) {
	for i := range s.live {
		if sl := s.live[i].Load(); sl != nil && sl.minute > minute {
			s.live[i].Store(nil)
		}
	}
	for i, sl := range s.minutes {
		if sl != nil && sl.minute > minute {
			s.minutes[i] = nil
		}
	}
	for i, t := range s.hours {
		if t != nil && t.at*hourMinutes > minute {
			s.hours[i] = nil
		}
	}
}

// keep keeps a minute that is over, and sums the one up whose place it takes.
func (s *series) keep(sl *slot) {
	at := &s.minutes[sl.minute%hourMinutes]
	if old := *at; old != nil {
		s.sumUp(old.sum())
	}
	*at = sl
}

// sumUp adds a minute to its hour.
func (s *series) sumUp(t *tally) {
	hour := t.at / hourMinutes
	at := &s.hours[hour%dayHours]
	switch {
	case *at == nil || (*at).at < hour:
		*at = &tally{at: hour, totals: t.totals}
	case (*at).at == hour:
		for a := range t.totals {
			(*at).totals[a].add(&t.totals[a])
		}
	}
}

// report sums up the 60 minutes, and the 24 hours, that end with a minute. Hours that
// have been summed up are in the day if they began in it. What began over an hour later was
// counted while the clock was ahead.
func (s *series) report(now int64) (hour, day [Actions]Totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(t *tally, began int64) {
		if began > now+hourMinutes {
			return
		}
		for a := range t.totals {
			if began > now-dayMinutes {
				day[a].add(&t.totals[a])
			}
			if began > now-hourMinutes {
				hour[a].add(&t.totals[a])
			}
		}
	}
	for i := range s.live {
		if sl := s.live[i].Load(); sl != nil {
			add(sl.sum(), sl.minute)
		}
	}
	for _, sl := range s.minutes {
		if sl != nil {
			add(sl.sum(), sl.minute)
		}
	}
	for _, t := range s.hours {
		if t != nil {
			add(t, t.at*hourMinutes)
		}
	}
	return hour, day
}
