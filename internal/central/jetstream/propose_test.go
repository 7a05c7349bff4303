package jetstream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
)

// numbers are those of the batches behind a sequence, by who sent them.
func (c *cluster) numbers(after uint64) (numbers []uint64, proposers [][]byte) {
	for _, m := range c.log.Messages() {
		if m.Sequence > after && (m.Data[1] == 'b' || m.Data[1] == 'z') {
			n, _ := binary.Uvarint(m.Data[18:])
			numbers, proposers = append(numbers, n), append(proposers, m.Data[2:18])
		}
	}
	return numbers, proposers
}

// write proposes something in the background.
func (m *member) write(all *sync.WaitGroup, key string) {
	all.Go(func() { m.propose(put(key, "value")) })
}

// TestResend: what was lost is sent again at once, whole, in order and ahead of what
// is new, so that the log need not be sent anything a third time.
func TestResend(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		for lost := 1; lost < 4; lost++ {
			time.Sleep(1200 * time.Millisecond) // no batch without a writer is on its way
			m.propose(put("key", "before"))
			after := c.state().Last
			var all sync.WaitGroup
			c.log.SetLeader(false)
			for n := range lost {
				m.write(&all, fmt.Sprint("lost", n))
				time.Sleep(100 * time.Microsecond)
			}
			time.Sleep(2 * time.Millisecond) // that they were is known
			c.log.SetLeader(true)
			start := time.Now()
			m.write(&all, "new")
			all.Wait()
			if d := time.Since(start); d > 10*time.Millisecond {
				t.Errorf("%d lost: it took %v", lost, d)
			}
			got, _ := c.numbers(after)
			var want []uint64
			for n := range lost + 1 {
				want = append(want, got[0]+uint64(n))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d lost (-want +got):\n%s", lost, diff)
			}
		}
	})
}

// TestFlights: batches are on their way side by side, and each takes as many writers
// along as the one before has.
func TestFlights(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		time.Sleep(500 * time.Millisecond)
		after := c.state().Last
		var all sync.WaitGroup
		for n := range 40 {
			m.write(&all, fmt.Sprint("key", n))
			time.Sleep(50 * time.Microsecond) // a message takes a millisecond
		}
		all.Wait()
		if got, _ := c.numbers(after); len(got) < 5 || len(got) > 12 {
			t.Errorf("%d batches", len(got))
		}
	})
}

// TestGivenUp: who gave a batch up goes on as somebody else, so that what it gave up
// cannot come between when it comes after all.
func TestGivenUp(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace(), put("key", "old"))
		after := c.state().Last
		c.log.SetLeader(false)
		_, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "given up")})
		if !isCode(err, godwit.CodeOutcomeUnknown) {
			t.Fatalf("without a leader: %v", err)
		}
		c.log.SetLeader(true)
		time.Sleep(2 * time.Second)
		m.propose(put("key", "new"))
		_, before := c.numbers(0)
		numbers, proposers := c.numbers(after)
		if numbers[0] != 1 || slices.ContainsFunc(before[:len(before)-len(proposers)], func(id []byte) bool { return bytes.Equal(id, proposers[0]) }) {
			t.Errorf("it goes on with number %d of %x", numbers[0], proposers[0])
		}
	})
}

// TestClockPutRight: a member whose clock was wrong writes again once it is right,
// and nothing of what it sent is in the way.
func TestClockPutRight(t *testing.T) {
	play(t, 2, func(c *cluster) {
		c.members[0].propose(createNamespace())
		m := c.members[1]
		for _, skew := range []time.Duration{time.Hour, -time.Hour} {
			m.skew.Store(int64(skew))
			time.Sleep(3 * time.Second)
			_, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "wrong")})
			if !isCode(err, godwit.CodeUnavailable) {
				t.Errorf("by %v: %v", skew, err)
			}
			m.skew.Store(0)
			time.Sleep(3 * time.Second)
			m.propose(put("key", "right"))
			if !m.Ready() || m.Problem() != "" {
				t.Errorf("after %v: ready %t, problem %q", skew, m.Ready(), m.Problem())
			}
		}
		if got := m.gathered(); got["godwit_cluster_batches_given_up_total"] != 0 || m.resent() != 0 {
			t.Errorf("%v batches were given up, %v sent again", got["godwit_cluster_batches_given_up_total"], m.resent())
		}
	})
}

// TestFreshness: how stale the copy may be counts from when a batch was made, not
// from when it came back.
func TestFreshness(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		c.log.SetLatency(400 * time.Millisecond)
		time.Sleep(5 * time.Second)
		least := time.Hour.Milliseconds()
		for range 200 {
			time.Sleep(10 * time.Millisecond)
			least = min(least, m.Status().StalenessMS)
		}
		if least < 400 {
			t.Errorf("it says %d ms, and the way takes 400", least)
		}
	})
}

// TestManyInOne: more than a message holds goes as several, and results come in
// order; what no message holds is refused.
func TestManyInOne(t *testing.T) {
	playTuned(t, 1, func(cfg *jetstream.Config) { cfg.Formats = 1 }, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		var txs []godwit.Transaction
		for n := range 30 {
			txs = append(txs, put(fmt.Sprint("key", n), c.noise(500<<10)))
		}
		after := c.state().Last
		results := m.propose(txs...)
		if len(results) != len(txs) || !slices.IsSortedFunc(results, func(a, b godwit.Result) int { return int(a.Revision) - int(b.Revision) }) {
			t.Errorf("%d results: %v", len(results), results)
		}
		if got, _ := c.numbers(after); len(got) < 4 {
			t.Errorf("%d batches", len(got))
		}
		for n := range txs {
			if e, _, err := m.Get(context.Background(), ns, fmt.Append(nil, "key", n), godwit.ReadOptions{}); err != nil || e.Revision != results[n].Revision {
				t.Errorf("key %d: %v, want revision %d", n, err, results[n].Revision)
			}
		}
		huge := put("huge", c.noise(5<<20))
		huge.Mutations = append(huge.Mutations, put("huge2", c.noise(5<<20)).Mutations...)
		if _, err := m.Propose(context.Background(), []godwit.Transaction{huge}); !isCode(err, godwit.CodeBodyTooLarge) {
			t.Errorf("more than a message: %v", err)
		}
		m.propose(put("key", "after"))
	})
}

// TestClosing: who waits when a member closes is told that the outcome is unknown.
func TestClosing(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		c.log.SetLeader(false)
		var all sync.WaitGroup
		for n := range 6 { // on their way, or waiting to be
			all.Go(func() {
				_, err := m.Propose(context.Background(), []godwit.Transaction{put(fmt.Sprint(n), "value")})
				if !isCode(err, godwit.CodeOutcomeUnknown) && (n < 4 || !isCode(err, godwit.CodeUnavailable)) {
					t.Errorf("writer %d: %v", n, err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		m.stop()
		all.Wait()
		c.log.SetLeader(true)
		m.start()
		c.settle()
	})
}

// resent is how many times the member has sent a batch again.
func (m *member) resent() float64 {
	m.c.t.Helper()
	return m.gathered()["godwit_cluster_batches_resent_total"]
}

// TestComesTwice: that batches come twice is no reason to send any again.
func TestComesTwice(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		before := m.resent()
		c.log.SetFaults(streamtest.Faults{Twice: 1})
		for n := range 2000 {
			m.propose(put(fmt.Sprint("key", n%10), "value"))
			time.Sleep(time.Millisecond)
		}
		c.log.SetFaults(streamtest.Faults{})
		time.Sleep(5 * time.Second)
		if n := m.resent() - before; n != 0 {
			t.Errorf("%v batches were sent again", n)
		}
	})
}

// silent is a way to the log that loses messages and does not tell.
type silent struct {
	*streamtest.Stream
	lose atomic.Bool
}

func (s *silent) Send(msg []byte, done func(error)) {
	if !s.lose.Load() {
		s.Stream.Send(msg, done)
	}
}

// TestGapTells: that a batch is not there shows by the one behind it, before the
// time is over in which it should have come.
func TestGapTells(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		m.stop()
		way := new(silent)
		m.tune = func(cfg *jetstream.Config) {
			way.Stream = m.stream
			cfg.Stream = way
		}
		m.start()
		c.settle()
		m.propose(put("key", "before"))
		var all sync.WaitGroup
		start := time.Now()
		way.lose.Store(true)
		m.write(&all, "lost")
		time.Sleep(time.Millisecond)
		way.lose.Store(false)
		m.write(&all, "behind it")
		all.Wait()
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

// TestFreshnessOfResent: how stale the copy may be counts from when a batch was
// made, however often it was sent: the first may be the one that was taken.
func TestFreshnessOfResent(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		var all sync.WaitGroup
		c.log.SetLeader(false)
		m.write(&all, "key")
		time.Sleep(1200 * time.Millisecond)
		c.log.SetLeader(true)
		all.Wait()
		if ms := m.Status().StalenessMS; ms < 1200 {
			t.Errorf("it says %d ms of what was made 1200 ms ago", ms)
		}
	})
}

// TestCrashAnywhere: wherever a crash cuts what was not synced, a batch and the
// place behind it are both there or neither is.
func TestCrashAnywhere(t *testing.T) {
	play(t, 2, func(c *cluster) {
		c.members[0].propose(createNamespace())
		m := c.members[1]
		for round := range 10 {
			c.settle()
			time.Sleep(1100 * time.Millisecond) // all before is synced
			for n := range 60 {
				c.members[0].propose(put(fmt.Sprint("key", round, n), c.noise(900)))
			}
			m.crash(20 + c.rng.IntN(60))
			m.start()
		}
		c.settle()
	})
}
