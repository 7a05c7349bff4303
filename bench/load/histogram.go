package load

import (
	"math/bits"
	"time"
)

// A duration's bucket is its leading one bit and the subBits bits after it:
// at most 1/64 off, from a nanosecond to centuries.
const (
	subBits     = 6
	subBuckets  = 1 << subBits
	bucketCount = (64 - subBits) * subBuckets
)

// Histogram counts durations with a relative error of at most 1/64. The zero
// value is empty and ready.
type Histogram struct {
	counts [bucketCount]int64
	total  int64
	sum    time.Duration
	max    time.Duration
}

// Record counts d; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.total++
	h.sum += d
	h.max = max(h.max, d)
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Count is how many durations were recorded.
func (h *Histogram) Count() int64 { return h.total }

// Max is the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean is the average duration, exactly; 0 when there is none.
func (h *Histogram) Mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return h.sum / time.Duration(h.total)
}

// Quantile returns the duration that a share q (0 to 1) of those recorded do
// not exceed, never less than the true one; 0 when there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q * float64(h.total))
	rank = min(max(rank, 1), h.total)
	seen := int64(0)
	for i, n := range h.counts {
		seen += n
		if seen >= rank && n > 0 {
			return min(time.Duration(upperBound(i)), h.max)
		}
	}
	return 0
}

// bucketOf returns the index of the bucket that holds v, a value below 2^63.
func bucketOf(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

// upperBound returns the largest value in bucket i.
func upperBound(i int) uint64 {
	if i < subBuckets {
		return uint64(i)
	}
	shift := i/subBuckets - 1
	return (uint64(i%subBuckets+subBuckets)+1)<<shift - 1
}
