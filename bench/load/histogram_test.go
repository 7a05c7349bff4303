package load_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/godwitkv/godwit/bench/load"
)

func TestHistogramQuantilesAreWithinOneSixtyFourth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64/1000), 1, 500).Draw(t, "durations")
		var a, b load.Histogram
		for i, d := range all {
			if i%2 == 0 {
				a.Record(time.Duration(d))
			} else {
				b.Record(time.Duration(d))
			}
		}
		a.Merge(&b)
		slices.Sort(all)
		if a.Count() != int64(len(all)) || a.Max() != time.Duration(all[len(all)-1]) {
			t.Fatalf("count %d, max %d; want %d, %d", a.Count(), a.Max(), len(all), all[len(all)-1])
		}
		for _, q := range []float64{0, 0.5, 0.99, 1} {
			rank := min(max(int(q*float64(len(all))), 1), len(all))
			want, got := all[rank-1], int64(a.Quantile(q))
			if got < want || got-want > want/64 {
				t.Errorf("quantile %v is %d, want %d or up to 1/64 more", q, got, want)
			}
		}
	})
}

func TestHistogramWithoutDurations(t *testing.T) {
	var h load.Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Max() != 0 {
		t.Error("an empty histogram is not all zero")
	}
	h.Record(-time.Second)
	if h.Quantile(1) != 0 || h.Count() != 1 {
		t.Error("a negative duration is not counted as zero")
	}
}
