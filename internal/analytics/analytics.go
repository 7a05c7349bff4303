// Package analytics counts what is asked of each namespace at this node: how often,
// of how many keys and bytes, and how long it took, over the last hour and the last
// day. It owns those counts, which are in memory alone, and what they may cost. It
// may import the domain alone.
//
// To count a request is a look at a map that never changes and two additions, to
// counters that several processors share out among them. Nothing is allocated, but
// once a minute for a namespace that is in use.
package analytics

import (
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
)

// MaxNamespaces is how many are counted at once: one takes up to 70 KB. One that
// comes later is counted once another was idle for a day, or was counted by a clock that was
// ahead.
const MaxNamespaces = 512

// Action is what was asked for.
type Action uint8

// The actions.
const (
	Read Action = iota
	Write
	Delete
	List
	Actions // how many there are
)

// String is the action as clients read it.
func (a Action) String() string { return [Actions]string{"read", "write", "delete", "list"}[a] }

// Request is one that was carried out.
type Request struct {
	Action Action
	At     time.Time     // when it was answered
	Took   time.Duration // until then
	Keys   int           // that it was about
	Bytes  int64         // of their values
	Failed bool          // refused, or a fault
}

// Recorder counts. Its methods may be called from many goroutines.
type Recorder struct {
	series atomic.Pointer[map[godwit.NamespaceID]*series] // replaced whole
	mu     sync.Mutex                                     // held to replace it
	full   atomic.Int64                                   // the minute in which there was no room
	shards int
}

// New returns a Recorder that has counted nothing.
func New() *Recorder {
	const most = 8
	r := &Recorder{shards: 1 << (bits.Len(uint(min(runtime.GOMAXPROCS(0), most))) - 1)}
	r.series.Store(new(map[godwit.NamespaceID]*series))
	return r
}

// Record counts a request of a namespace.
func (r *Recorder) Record(ns godwit.NamespaceID, q Request) {
	minute := minuteOf(q.At)
	s := (*r.series.Load())[ns]
	if s == nil {
		if s = r.add(ns, minute); s == nil {
			return
		}
	}
	sl := s.live[minute&1].Load()
	if sl == nil || sl.minute < minute || sl.minute > minute+hourMinutes {
		sl = s.begin(minute, r.shards)
	}
	i := 0
	if len(sl.shards) > 1 {
		i = int(rand.Uint32()) & (len(sl.shards) - 1)
	}
	sl.shards[i][q.Action].record(&q)
}

// minuteOf is the minute of a time, since 1970: before that, where a clock may be that
// nobody has set, the first one.
func minuteOf(t time.Time) int64 { return max(t.Unix()/60, 1) }

// add makes room for a namespace; nil if there is none.
func (r *Recorder) add(ns godwit.NamespaceID, minute int64) *series {
	if r.full.Load() == minute { // it was looked for lately
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.series.Load()
	if s := old[ns]; s != nil {
		return s
	}
	next := make(map[godwit.NamespaceID]*series, len(old)+1)
	for id, s := range old {
		last := s.last.Load()
		if len(old) < MaxNamespaces || last > minute-dayMinutes && last <= minute+hourMinutes {
			next[id] = s
		}
	}
	if len(next) >= MaxNamespaces {
		r.full.Store(minute)
		return nil
	}
	s := new(series)
	s.last.Store(minute)
	next[ns] = s
	r.series.Store(&next)
	return s
}

// Report tells what was counted of a namespace until now; false if it is one too
// many to be counted.
func (r *Recorder) Report(ns godwit.NamespaceID, now time.Time) (hour, day [Actions]Totals, ok bool) {
	all := *r.series.Load()
	s := all[ns]
	if s == nil {
		return hour, day, len(all) < MaxNamespaces
	}
	hour, day = s.report(minuteOf(now))
	return hour, day, true
}
