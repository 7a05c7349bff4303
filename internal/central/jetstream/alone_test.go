package jetstream_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// TestNotReadyBeforeServing: while the cluster is there, a member that cannot settle in is
// not ready, however long that takes. Where there is none, it is after ten seconds.
func TestNotReadyBeforeServing(t *testing.T) {
	for name, leader := range map[string]bool{"led": true, "leaderless": false} {
		t.Run(name, func(t *testing.T) {
			var fail atomic.Bool
			playTuned(t, 1, func(cfg *jetstream.Config) {
				cfg.Serving = func(context.Context) error {
					if fail.Load() {
						return errors.New("no root token yet")
					}
					return nil
				}
			}, func(c *cluster) {
				m := c.members[0]
				m.propose(createNamespace(), put("key", "value"))
				m.stop()
				fail.Store(true)
				c.log.SetLeader(leader)
				m.start()
				time.Sleep(8 * time.Second)
				if m.Ready() {
					t.Error("ready after 8 s")
				}
				time.Sleep(22 * time.Second)
				if m.Ready() == leader {
					t.Errorf("ready: %t, problem %q", m.Ready(), m.Problem())
				}
				if v := m.value("key"); v != "value" {
					t.Errorf("it reads %q", v)
				}
				c.log.SetLeader(true)
				fail.Store(false)
				c.settle()
			})
		})
	}
}

// slow is a stream that takes long to be read.
type slow struct{ *uncounted }

func (s slow) Read(ctx context.Context, from uint64, fn func(jetstream.Message) error) error {
	select {
	case <-time.After(15 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.uncounted.Read(ctx, from, fn)
}

// TestSlowToCatchUp: a member that takes long to catch up is not ready before the log
// counts on it.
func TestSlowToCatchUp(t *testing.T) {
	n := 0
	playTuned(t, 1, func(cfg *jetstream.Config) {
		u := &uncounted{Stream: cfg.Stream}
		if n++; n == 1 {
			u.counts.Store(true)
			cfg.Stream = u
			return
		}
		cfg.Stream = slow{u}
	}, func(c *cluster) {
		m := c.add("n2")
		m.start()
		time.Sleep(30 * time.Second)
		if m.Ready() {
			t.Errorf("ready though the log does not count on it; problem %q", m.Problem())
		}
	})
}
