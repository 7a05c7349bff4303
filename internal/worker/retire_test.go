package worker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/internal/worker"
)

// TestLinger holds for how long a generation lives on for its tasks: from its last answer,
// not from when it was replaced.
func TestLinger(t *testing.T) {
	for name, test := range map[string]struct {
		tasks bool
		idle  time.Duration // since the last answer
		stop  time.Duration // when there is no more time
		want  time.Duration
	}{
		"just answered":        {true, 0, time.Hour, 30 * time.Second},
		"answered a while ago": {true, 20 * time.Second, time.Hour, 10 * time.Second},
		"answered long ago":    {true, time.Minute, time.Hour, 0},
		"stopped":              {true, 0, time.Second, time.Second},
		"one without tasks":    {false, 0, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				linger := worker.Answered(test.tasks)
				time.Sleep(test.idle)
				ctx, cancel := context.WithTimeout(t.Context(), test.stop)
				defer cancel()
				began := time.Now()
				linger(ctx, 30*time.Second)
				if took := time.Since(began); took != test.want {
					t.Errorf("it lived on for %v, want %v", took, test.want)
				}
			})
		})
	}
}
