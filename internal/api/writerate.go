package api

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	rateShards      = 64
	maxShardKeys    = 4096 // 262,144 keys in all, some 10 MiB
	rateSweepPeriod = time.Second
)

// writeRate bounds the writes a second on each key of this node. It remembers
// keys by a 64-bit hash, and only those written lately; when there are too many
// of these it forgets some, and lets their next write pass.
type writeRate struct {
	seed   maphash.Seed
	shards [rateShards]rateShard
}

// rateShard holds, for each key, when its writes so far will have been paid
// for, in unix nanoseconds.
type rateShard struct {
	mu     sync.Mutex
	paid   map[uint64]int64
	swept  int64
	latest int64 // what the clock has said
}

func newWriteRate() *writeRate { return &writeRate{seed: maphash.MakeSeed()} }

// take counts a write and tells whether it may happen: at most perSecond in any
// second, at least one at a time. No limit if perSecond is 0.
func (w *writeRate) take(ns godwit.NamespaceID, key string, perSecond float64, now time.Time) bool {
	if perSecond <= 0 {
		return true
	}
	sum, cost := w.sum(ns, key), rateCost(perSecond)
	credit := max(int64(time.Second)-cost, 0) // the first second's writes may come at once
	return w.shards[sum%rateShards].take(sum, cost, credit, now.UnixNano())
}

// give takes back what take counted for a write that is not to happen.
func (w *writeRate) give(ns godwit.NamespaceID, key string, perSecond float64) {
	if perSecond <= 0 {
		return
	}
	sum := w.sum(ns, key)
	w.shards[sum%rateShards].give(sum, rateCost(perSecond))
}

func (w *writeRate) sum(ns godwit.NamespaceID, key string) uint64 {
	var h maphash.Hash
	h.SetSeed(w.seed)
	_, _ = h.Write(ns[:])
	_, _ = h.WriteString(key)
	return h.Sum64()
}

// rateCost is the nanoseconds that a write pays for.
func rateCost(perSecond float64) int64 { return max(int64(float64(time.Second)/perSecond), 1) }

func (s *rateShard) take(sum uint64, cost, credit, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paid == nil {
		s.paid = make(map[uint64]int64)
	}
	s.follow(now)
	paid := max(s.paid[sum], now)
	if paid-now > credit {
		return false
	}
	s.sweep(now)
	s.paid[sum] = paid + cost
	return true
}

// follow has what is to be paid go back with a clock that was put back: all would be
// refused until it is where it was. Less than a period is no step: the clock was looked
// at before others that have come here first.
func (s *rateShard) follow(now int64) {
	back := s.latest - now
	if back < int64(rateSweepPeriod) {
		s.latest = max(s.latest, now)
		return
	}
	for sum := range s.paid {
		s.paid[sum] -= back
	}
	s.latest = now
}

func (s *rateShard) give(sum uint64, cost int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.paid[sum]; ok {
		s.paid[sum] -= cost
	}
}

// sweep forgets keys whose writes are paid for, once a period; at the bound it
// forgets any.
func (s *rateShard) sweep(now int64) {
	if now-s.swept >= int64(rateSweepPeriod) || now < s.swept {
		s.swept = now
		for sum, paid := range s.paid {
			if paid <= now {
				delete(s.paid, sum)
			}
		}
	}
	for sum := range s.paid {
		if len(s.paid) < maxShardKeys {
			return
		}
		delete(s.paid, sum)
	}
}
