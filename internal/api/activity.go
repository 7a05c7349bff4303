package api

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Activity is what was carried out since the service was made.
type Activity struct {
	Reads, Writes Operations
	Failed        uint64 // of both: full, busy, unknown outcome, a fault
}

// Operations are those of one kind, and how long they took.
type Operations struct {
	Count   uint64
	Buckets []Bucket // as Prometheus has them: each counts those before it, too
}

// Bucket counts the operations that took no longer than UpTo seconds.
type Bucket struct {
	UpTo  float64
	Count uint64
}

// Activity reads the service's metrics.
func (s *Service) Activity() Activity {
	var a Activity
	for o := range opCount {
		kind := &a.Writes
		if o <= opList {
			kind = &a.Reads
		}
		kind.add(s.metrics.seconds[o])
		a.Failed += counted(s.metrics.requests[o][statusFailed])
	}
	return a
}

func (o *Operations) add(seconds prometheus.Observer) {
	var read dto.Metric
	if m, ok := seconds.(prometheus.Metric); !ok || m.Write(&read) != nil {
		return // neither happens to a histogram
	}
	h := read.GetHistogram()
	o.Count += h.GetSampleCount()
	if o.Buckets == nil {
		o.Buckets = make([]Bucket, len(h.GetBucket()))
	}
	for i, b := range h.GetBucket() {
		o.Buckets[i].UpTo = b.GetUpperBound()
		o.Buckets[i].Count += b.GetCumulativeCount()
	}
}

func counted(c prometheus.Counter) uint64 {
	var read dto.Metric
	if c.Write(&read) != nil {
		return 0 // it does not happen to a counter
	}
	return uint64(read.GetCounter().GetValue())
}
