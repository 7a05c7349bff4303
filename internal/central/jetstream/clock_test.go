package jetstream_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// ending is a put of what ends so much later.
func ending(key string, after time.Duration) godwit.Transaction {
	tx := put(key, "v")
	tx.Mutations[0].Expiration = time.Now().Add(after).Unix()
	return tx
}

// has tells whether a member's copy still has a key, whatever the time is.
func (m *member) has(key string) bool {
	m.c.t.Helper()
	m.skew.Store(0)
	_, _, err := m.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{})
	return err == nil
}

// TestClockAheadForAMoment: a member whose clock was ahead has what the others have, once
// it is right again, also where it stays so for hours.
func TestClockAheadForAMoment(t *testing.T) {
	for name, long := range map[string]time.Duration{"some seconds": 4 * time.Second, "long": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			play(t, 3, func(c *cluster) {
				m := c.members[1]
				c.members[0].propose(createNamespace())
				c.members[0].propose(ending("soon", 5*time.Second))
				c.members[0].propose(ending("later", 30*time.Minute))
				time.Sleep(2 * time.Second)
				m.skew.Store(int64(time.Hour))
				time.Sleep(long)
				if m.Ready() || !strings.Contains(m.Problem(), "1h0m0s ahead of the cluster's") {
					t.Errorf("ready %t, problem %q", m.Ready(), m.Problem())
				}
				if !m.has("later") || m.has("soon") {
					t.Error("it has dropped what has not ended, or has what has")
				}
				time.Sleep(2 * time.Second)
				if !m.Ready() {
					t.Errorf("not ready: %s", m.Problem())
				}
			})
		})
	}
}

// TestLeadersClock: where the clock of the stream's leader is wrong, the members that are
// right are not told that theirs are, the log's time stays what it is, and another is to
// lead.
func TestLeadersClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			var yields, others atomic.Int64
			tune := func(cfg *jetstream.Config) {
				cfg.Yield = func() {
					if cfg.Self.Name == "n2" {
						yields.Add(1)
					} else {
						others.Add(1)
					}
				}
			}
			playTuned(t, 3, tune, func(c *cluster) {
				leader := c.members[1]
				leader.propose(createNamespace())
				leader.propose(ending("later", 15*time.Minute))
				leader.skew.Store(int64(skew))
				c.log.SetClock(leader.now)
				for _, m := range c.members { // whatever becomes of it
					_, _ = m.Propose(context.Background(), []godwit.Transaction{put("other", "v")})
				}
				time.Sleep(10 * time.Second)
				for _, m := range c.members {
					if want := m != leader; m.Ready() != want {
						t.Errorf("%s: ready %t, problem %q", m.name, m.Ready(), m.Problem())
					}
				}
				if yields.Load() == 0 || others.Load() > 0 {
					t.Errorf("it was to yield %d times, others %d", yields.Load(), others.Load())
				}
				c.log.SetClock(time.Now) // another leads
				time.Sleep(2 * time.Second)
				c.members[0].propose(put("key", "right"))
				leader.skew.Store(0)
				time.Sleep(2 * time.Second)
				for _, m := range c.members {
					if at := m.store.Time() - time.Now().UnixMilli(); at > 1000 || !m.has("later") {
						t.Errorf("%s: the log's time is %v ahead", m.name, time.Duration(at)*time.Millisecond)
					}
				}
			})
		})
	}
}
