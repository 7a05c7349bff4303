package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/api"
)

// Bounds of what is kept: one sample each second, for a quarter of an hour.
const (
	sampleEvery = time.Second
	maxSamples  = 900
)

// sample is what a node did in one interval. Latencies are in seconds, below 0 where
// nothing was done.
type sample struct {
	At               int64 // unix milliseconds of its end
	Reads, Writes    float64
	Failed           float64
	ReadP50, ReadP99 float64
	WriteP50         float64
	WriteP99         float64
}

// samples are the latest, in a ring.
type samples struct {
	run int64 // unix nanoseconds of the first, to tell one life of the node from another

	mu    sync.Mutex
	ring  [maxSamples]sample
	count uint64 // of all there ever were
}

func newSamples() *samples { return new(samples) }

func (s *samples) add(one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == 0 {
		s.run = one.At
	}
	s.ring[s.count%maxSamples] = one
	s.count++
}

// after returns the samples behind the first n that are still kept, how many there
// were in all, and which life of the node they are of.
func (s *samples) after(n uint64) (kept []sample, count uint64, run int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.count {
		n = 0
	}
	if s.count > maxSamples {
		n = max(n, s.count-maxSamples)
	}
	kept = make([]sample, 0, s.count-n)
	for ; n < s.count; n++ {
		kept = append(kept, s.ring[n%maxSamples])
	}
	return kept, s.count, s.run
}

// Run gathers samples until ctx ends.
func (d *Dashboard) Run(ctx context.Context) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	before, at := d.cfg.Service.Activity(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, passed := d.cfg.Service.Activity(), time.Since(at)
		at = time.Now()
		d.samples.add(difference(before, now, passed, d.cfg.Now()))
		before = now
	}
}

// difference is what was done between two looks.
func difference(before, now api.Activity, passed time.Duration, at time.Time) sample {
	seconds := max(passed.Seconds(), 0.001)
	reads, writes := since(before.Reads, now.Reads), since(before.Writes, now.Writes)
	return sample{
		At:       at.UnixMilli(),
		Reads:    float64(reads.Count) / seconds,
		Writes:   float64(writes.Count) / seconds,
		Failed:   float64(now.Failed-before.Failed) / seconds,
		ReadP50:  quantile(reads, 0.5),
		ReadP99:  quantile(reads, 0.99),
		WriteP50: quantile(writes, 0.5),
		WriteP99: quantile(writes, 0.99),
	}
}

func since(before, now api.Operations) api.Operations {
	d := api.Operations{Count: now.Count - before.Count, Buckets: make([]api.Bucket, len(now.Buckets))}
	for i, b := range now.Buckets {
		d.Buckets[i] = b
		if i < len(before.Buckets) {
			d.Buckets[i].Count -= before.Buckets[i].Count
		}
	}
	return d
}

// quantile is the latency that q of the operations did not exceed, as near as the
// buckets tell; -1 if there were none. What took longer than the last bucket counts as
// that.
func quantile(o api.Operations, q float64) float64 {
	if o.Count == 0 || len(o.Buckets) == 0 {
		return -1
	}
	rank := q * float64(o.Count)
	from, below := 0.0, uint64(0)
	for _, b := range o.Buckets {
		if float64(b.Count) >= rank && b.Count > below {
			return from + (b.UpTo-from)*(rank-float64(below))/float64(b.Count-below)
		}
		from, below = b.UpTo, b.Count
	}
	return from
}
