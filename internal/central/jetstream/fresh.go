package jetstream

import (
	"sync/atomic"
	"time"
)

// freshness is since when the copy has missed nothing: all that was acknowledged
// before a batch of this member was sent stands in the log before that batch. No
// wall clock is asked.
type freshness struct {
	start time.Time
	heard atomic.Int64 // nanoseconds since start; 0: never
}

// hear notes that all that was acknowledged before at is here.
func (f *freshness) hear(at time.Time) {
	f.heard.Store(max(f.heard.Load(), int64(at.Sub(f.start)), 1))
}

func (f *freshness) known() bool { return f.heard.Load() != 0 }

// staleness is for how long the copy may have missed a write, and false if that is
// not known.
func (f *freshness) staleness() (time.Duration, bool) {
	heard := f.heard.Load()
	return time.Since(f.start) - time.Duration(heard), heard != 0
}
