package probe_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/internal/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world acknowledges a heartbeat after a while and shows it at targets, each
// with a delay of its own, counted from when it was written.
type world struct {
	ack    time.Duration
	delays []time.Duration
	feeds  []chan string
	writes int
}

func (w *world) write(ctx context.Context) (string, error) {
	w.writes++
	revision := strconv.Itoa(w.writes)
	for i, d := range w.delays {
		time.AfterFunc(d, func() {
			select {
			case w.feeds[i] <- revision:
			case <-ctx.Done():
			}
		})
	}
	time.Sleep(w.ack)
	return revision, nil
}

func (w *world) revisions(i int) func(context.Context) iter.Seq2[string, error] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for {
				select {
				case <-ctx.Done():
					return
				case r := <-w.feeds[i]:
					if !yield(r, nil) {
						return
					}
				}
			}
		}
	}
}

// run probes for a minute and returns what each target took.
func run(w *world, oneWay time.Duration) map[int][]time.Duration {
	var mu sync.Mutex
	took := make(map[int][]time.Duration)
	cfg := probe.Config{
		Write: w.write, Every: time.Second,
		Seen: func(target int, d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			took[target] = append(took[target], d)
		},
		Failed: func(int, error) {},
	}
	for i := range w.delays {
		w.feeds = append(w.feeds, make(chan string))
		cfg.Targets = append(cfg.Targets, probe.Target{Name: strconv.Itoa(i), Revisions: w.revisions(i), OneWay: oneWay})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	probe.Run(ctx, cfg)
	return took
}

// TestPropagation: what took how long is told for each target, less what the
// answer was on its way, and nothing below zero where a target was faster than
// the acknowledgement.
func TestPropagation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{ack: 10 * time.Millisecond, delays: []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 3 * time.Second}}
		took := run(w, 2*time.Millisecond)
		for i, want := range []time.Duration{0, 18 * time.Millisecond, 2988 * time.Millisecond} {
			if len(took[i]) < 50 {
				t.Errorf("target %d showed %d heartbeats", i, len(took[i]))
			}
			for _, d := range took[i] {
				if d != want {
					t.Fatalf("target %d took %v, not %v", i, d, want)
				}
			}
		}
	})
}

// TestFailures: a write that fails and a watch that breaks off are told and do
// not end the probe.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var mu sync.Mutex
		failures := make(map[int]int)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		probe.Run(ctx, probe.Config{
			Write: func(context.Context) (string, error) { return "", broken },
			Every: time.Second,
			Targets: []probe.Target{{Name: "a", Revisions: func(context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) { yield("", broken) }
			}}},
			Seen: func(int, time.Duration) { t.Error("seen") },
			Failed: func(target int, err error) {
				if !errors.Is(err, broken) {
					t.Errorf("failed with %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				failures[target]++
			},
		})
		if failures[-1] < 9 || failures[0] < 19 {
			t.Errorf("told of %d writes and %d watches", failures[-1], failures[0])
		}
	})
}
