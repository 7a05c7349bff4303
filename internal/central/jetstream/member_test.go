package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
)

// TestMembersAreEqual: a write at any member shows there at once and at the
// others soon, and all decide alike.
func TestMembersAreEqual(t *testing.T) {
	play(t, 3, func(c *cluster) {
		c.members[0].propose(createNamespace())
		c.settle()
		for i, m := range c.members {
			key := fmt.Sprint("key", i)
			r := m.propose(put(key, "value"))
			if r[0].Outcome != godwit.Applied || m.value(key) != "value" {
				t.Errorf("%s: %+v, value %q", m.name, r, m.value(key))
			}
		}
		c.settle()
		first := c.members[0].propose(onlyIf(put("new", "1"), godwit.MustBeAbsent))
		second := c.members[1].propose(onlyIf(put("new", "2"), godwit.MustBeAbsent))
		if first[0].Outcome != godwit.Applied || second[0].Outcome != godwit.ConditionFailed {
			t.Errorf("%+v and %+v", first, second)
		}
	})
}

// TestClusterIsOne: all members have the cluster id and lineage of the one that
// began the log.
func TestClusterIsOne(t *testing.T) {
	play(t, 3, func(c *cluster) {
		want := c.members[0].store
		for _, m := range c.members {
			l := m.store.Lineage()
			if m.store.Cluster() != want.Cluster() || len(l) != 1 || l[0] != want.Lineage()[0] || l[0].First == 0 {
				t.Errorf("%s is of cluster %s, lineage %v", m.name, m.store.Cluster(), l)
			}
		}
	})
}

// TestFaults: whatever happens to messages, what was acknowledged is there, nothing
// takes effect twice, and each writer's writes take effect in its order.
func TestFaults(t *testing.T) {
	for name, faults := range map[string]streamtest.Faults{
		"lost":  {Lose: 0.2},
		"late":  {Late: 0.1},
		"twice": {Twice: 0.3},
		"mute":  {Mute: 0.2},
		"all":   {Lose: 0.05, Late: 0.05, Twice: 0.1, Mute: 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 3, func(c *cluster) {
				c.members[0].propose(createNamespace())
				c.settle()
				c.log.SetFaults(faults)
				h := newHistory(t)
				var writers sync.WaitGroup
				for i := range 12 {
					writers.Go(func() { h.write(c.members[i%3], i) })
				}
				writers.Wait()
				c.log.SetFaults(streamtest.Faults{})
				time.Sleep(5 * time.Second) // what is late has come
				c.settle()
				h.check(c.members[0])
			})
		})
	}
}

// history is writers that each count up under a key of their own, every write on
// the condition that the one before it is there.
type history struct {
	t  *testing.T
	mu sync.Mutex
	// by writer: the last acknowledged count, and whether the one behind it may
	// have taken effect too
	acked map[int]int
	maybe map[int]bool
}

func newHistory(t *testing.T) *history {
	return &history{t: t, acked: make(map[int]int), maybe: make(map[int]bool)}
}

func (h *history) write(m *member, writer int) {
	key := fmt.Sprint("writer", writer)
	var at godwit.Revision
	for n := 1; n <= 60; n++ {
		tx := onlyIf(put(key, fmt.Sprint(n)), godwit.MustMatch, at)
		if at == 0 {
			tx = onlyIf(put(key, fmt.Sprint(n)), godwit.MustBeAbsent)
		}
		r, err := m.Propose(context.Background(), []godwit.Transaction{tx})
		switch {
		case isCode(err, godwit.CodeUnavailable):
			time.Sleep(100 * time.Millisecond)
			n--
			continue
		case isCode(err, godwit.CodeOutcomeUnknown):
			h.mu.Lock()
			h.maybe[writer] = true
			h.mu.Unlock()
			return
		case err != nil || r[0].Outcome != godwit.Applied || r[0].Revision <= at:
			h.t.Errorf("writer %d, count %d: %+v, %v", writer, n, r, err)
			return
		}
		at = r[0].Revision
		h.mu.Lock()
		h.acked[writer] = n
		h.mu.Unlock()
	}
}

func (h *history) check(m *member) {
	h.t.Helper()
	for writer, n := range h.acked {
		got := m.value(fmt.Sprint("writer", writer))
		if got != fmt.Sprint(n) && (!h.maybe[writer] || got != fmt.Sprint(n+1)) {
			h.t.Errorf("writer %d: %q is there, %d was acknowledged last", writer, got, n)
		}
	}
}

// TestNoQuorum: without a leader writes, barriers and strong reads are refused soon
// and with a reason, reads go on as stale, and all goes on by itself.
func TestNoQuorum(t *testing.T) {
	play(t, 3, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace(), put("key", "value"))
		c.settle()
		c.log.SetLeader(false)
		start := time.Now()
		_, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "other")})
		if d := time.Since(start); !isCode(err, godwit.CodeOutcomeUnknown) || d > 2*time.Second {
			t.Errorf("a write under way: %v after %v", err, d)
		}
		start = time.Now()
		_, err = m.Propose(context.Background(), []godwit.Transaction{put("key", "other")})
		if d := time.Since(start); !isCode(err, godwit.CodeUnavailable) || d > 0 || !strings.Contains(err.Error(), "no quorum") {
			t.Errorf("the next one: %v after %v", err, d)
		}
		_, _, err = m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{Strong: true})
		if !isCode(err, godwit.CodeUnavailable) {
			t.Errorf("a strong read: %v", err)
		}
		time.Sleep(5 * time.Second)
		e, served, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{})
		if err != nil || string(e.Value.Inline) != "value" || served.Status != godwit.StatusStale {
			t.Errorf("a read: %v, %v, %v", e, served, err)
		}
		c.log.SetLeader(true)
		time.Sleep(2 * time.Second)
		m.propose(put("key", "again"))
		if _, served, _ = m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{}); served.Status != godwit.StatusHit {
			t.Errorf("afterwards a read is %v", served.Status)
		}
	})
}

// TestCutOff: a member that is cut off says so; the others go on, and it catches
// up.
func TestCutOff(t *testing.T) {
	play(t, 3, func(c *cluster) {
		m, other := c.members[0], c.members[1]
		m.propose(createNamespace(), put("key", "old"))
		c.settle()
		m.stream.Cut(true)
		time.Sleep(4 * time.Second)
		for most, want := range map[time.Duration]godwit.CacheStatus{
			0: godwit.StatusHit, time.Minute: godwit.StatusHit, 2 * time.Second: godwit.StatusStale,
		} {
			_, served, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{MaxStaleness: most})
			if err != nil || served.Status != want {
				t.Errorf("cut off for 4 s, a read that takes %v is %v, %v", most, served.Status, err)
			}
		}
		time.Sleep(6 * time.Second)
		other.propose(put("key", "new"))
		if _, served, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{}); err != nil || served.Status != godwit.StatusStale || m.value("key") != "old" {
			t.Errorf("cut off: %v, %v", served, err)
		}
		m.stream.Cut(false)
		c.settle()
		time.Sleep(time.Second) // it has asked whether there is a quorum
		e, served, err := m.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{Strong: true})
		if err != nil || string(e.Value.Inline) != "new" || served.Status != godwit.StatusHit {
			t.Errorf("healed: %v, %v, %v", e, served, err)
		}
	})
}

// TestStrongRead: a strong read sees what another member acknowledged before.
func TestStrongRead(t *testing.T) {
	play(t, 2, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		for n := range 20 {
			a.propose(put("key", fmt.Sprint(n)))
			e, _, err := b.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{Strong: true})
			if err != nil || string(e.Value.Inline) != fmt.Sprint(n) {
				t.Fatalf("%d: %v, %v", n, e, err)
			}
			r := a.propose(put("key", "min"))
			e, _, err = b.Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{MinRevision: r[0].Revision})
			if err != nil || e.Revision != r[0].Revision {
				t.Fatalf("%d: %v, %v", n, e, err)
			}
		}
	})
}

// TestBarriersAreShared: those who wait for a barrier that has not left share it.
func TestBarriersAreShared(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		before := len(c.log.Messages())
		var readers sync.WaitGroup
		for range 500 {
			readers.Go(func() {
				if _, err := m.Barrier(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if n := len(c.log.Messages()) - before; n > 8 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestRestart: a member that stops, or crashes with whatever loss, goes on from
// where its disk is.
func TestRestart(t *testing.T) {
	play(t, 3, func(c *cluster) {
		c.members[0].propose(createNamespace())
		rng := rand.New(rand.NewPCG(3, 3))
		for round := range 12 {
			m := c.members[round%3]
			c.settle()
			for n := range 20 {
				m.propose(put(fmt.Sprint("key", rng.IntN(30)), fmt.Sprint(round, n)))
			}
			if round%2 == 0 {
				m.crash(rng.IntN(101))
			} else {
				m.stop()
			}
			c.members[(round+1)%3].propose(put("meanwhile", fmt.Sprint(round)))
			m.start()
		}
		c.settle()
	})
}

// TestLargeValues: values that are blobs are at every member when the entry is,
// also at one that crashed among their chunks.
func TestLargeValues(t *testing.T) {
	play(t, 3, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		c.settle()
		for n := range 6 {
			content := make([]byte, 1<<20+n*777_777)
			rng := rand.NewChaCha8([32]byte{byte(n)})
			_, _ = rng.Read(content)
			v, err := m.Upload(context.Background(), bytes.NewReader(content), 25<<20)
			if err != nil {
				t.Fatal(err)
			}
			tx := put("large", "")
			tx.Mutations[0].Value = v
			var crash sync.WaitGroup
			if n%2 == 1 {
				crash.Go(func() {
					time.Sleep(1500 * time.Microsecond)
					c.members[2].crash(50)
					c.members[2].start()
				})
			}
			m.propose(tx)
			crash.Wait()
			time.Sleep(time.Second)
			c.settle()
			for _, other := range c.members {
				other.holds("large", content)
			}
		}
	})
}

func (m *member) holds(key string, content []byte) {
	m.c.t.Helper()
	e, _, err := m.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{})
	if err != nil {
		m.c.t.Fatalf("%s: %v", m.name, err)
	}
	r, err := m.OpenValue(context.Background(), ns, e)
	if err != nil {
		m.c.t.Fatalf("%s: open value: %v", m.name, err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		m.c.t.Errorf("%s: %d bytes, %v", m.name, len(got), err)
	}
}

// TestUnknownFormat: a member stops at a message that it cannot read, and says so.
func TestUnknownFormat(t *testing.T) {
	for name, msg := range map[string][]byte{
		"format": {99, 'b'}, "kind": {1, 'y'}, "kind of a later format": {1, 'z'}, "next format": {1, 'f', 77},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 1, func(c *cluster) {
				c.log.Append(msg)
				err := <-c.members[0].Failed()
				if err == nil || !strings.Contains(err.Error(), "this version of godwit cannot read") {
					t.Errorf("got %v", err)
				}
				_, err = c.members[0].Propose(context.Background(), []godwit.Transaction{put("key", "v")})
				if !isCode(err, godwit.CodeUnavailable) && !isCode(err, godwit.CodeOutcomeUnknown) {
					t.Errorf("a write: %v", err)
				}
			})
		})
	}
}

// TestWrongClock: a member whose clock is far ahead takes no writes, does not
// poison the log's time, and is not ready; one that is behind writes, and is not
// ready either.
func TestWrongClock(t *testing.T) {
	play(t, 2, func(c *cluster) {
		c.members[0].propose(createNamespace())
		fast := c.add("fast")
		fast.skew.Store(int64(time.Hour))
		fast.start()
		slow := c.add("slow")
		slow.skew.Store(int64(-30 * time.Second))
		slow.start()
		time.Sleep(5 * time.Second)
		_, err := fast.Propose(context.Background(), []godwit.Transaction{put("key", "fast")})
		if !isCode(err, godwit.CodeUnavailable) || fast.Ready() || !strings.Contains(fast.Problem(), "1h0m0s ahead") {
			t.Errorf("fast: %v, ready %t, problem %q", err, fast.Ready(), fast.Problem())
		}
		slow.propose(put("key", "slow"))
		if slow.Ready() || !strings.Contains(slow.Problem(), "30s behind") {
			t.Errorf("slow: ready %t, problem %q", slow.Ready(), slow.Problem())
		}
		r := c.members[0].propose(put("key", "right"))
		e, _, err := c.members[0].Get(context.Background(), ns, []byte("key"), godwit.ReadOptions{MinRevision: r[0].Revision})
		if err != nil || time.UnixMilli(e.Modified).After(time.Now()) {
			t.Errorf("modified at %v, %v", e, err)
		}
		fast.stop()
		slow.stop()
	})
}

// TestFoundedFarAhead: a log is not begun by a clock that leaves it few revisions.
func TestFoundedFarAhead(t *testing.T) {
	playTuned(t, 0, nil, func(c *cluster) {
		m := c.add("n1")
		m.skew.Store(int64(270 * 365 * 24 * time.Hour))
		m.start()
		time.Sleep(5 * time.Second)
		if why := m.Problem(); !strings.Contains(why, "set the clock right") || c.state().Last != 0 {
			t.Errorf("the log has %d messages, problem %q", c.state().Last, why)
		}
		m.skew.Store(0)
		c.settle()
	})
}
