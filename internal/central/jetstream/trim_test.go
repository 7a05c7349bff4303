package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
)

const (
	testWindow = 64 << 10
	testCap    = 512 << 10
)

func smallLog(cfg *jetstream.Config) { cfg.TrimWindow, cfg.TrimCap = testWindow, testCap }

// fill writes about so many bytes.
func (m *member) fill(bytes int) {
	m.c.t.Helper()
	for n := range bytes / 4000 {
		m.propose(put(fmt.Sprint("key", n%20), m.c.noise(4000)))
	}
}

// noise is a value that does not get shorter when it is packed.
func (c *cluster) noise(size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(c.rng.Uint32()), byte(c.rng.Uint32())}).Read(b)
	return string(b)
}

func (c *cluster) state() jetstream.State {
	c.t.Helper()
	st, err := c.log.Stream().State(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	return st
}

// trimmed tells whether the stream has about the bytes of the window and not less.
func (c *cluster) trimmed() bool {
	b := c.state().Bytes
	return b >= testWindow && b < testWindow+testWindow/4
}

// notJoining counts how often a member wants to become a copy.
func (m *member) notJoining() *atomic.Int64 {
	n := new(atomic.Int64)
	m.join = func(context.Context, []jetstream.MemberInfo) (jetstream.Place, error) {
		n.Add(1)
		return jetstream.Place{}, errors.New("not in this test")
	}
	return n
}

// TestTrim: the stream is kept short, but never below the window.
func TestTrim(t *testing.T) {
	playTuned(t, 3, smallLog, testTrim)
}

// TestTrimToRoom: a stream that may hold little is kept to a part of that.
func TestTrimToRoom(t *testing.T) {
	playTuned(t, 3, func(*jetstream.Config) {}, func(c *cluster) {
		c.log.SetMost(testCap)
		testTrim(c)
		if most := c.members[0].Status().Cap; most != testCap/2 {
			t.Errorf("the cap is told to be %d", most)
		}
	})
}

func testTrim(c *cluster) {
	t, m := c.t, c.members[0]
	m.propose(createNamespace())
	m.fill(testWindow / 2)
	time.Sleep(20 * time.Second)
	if st := c.state(); st.First != 1 {
		t.Errorf("shorter than the window, it begins at %d", st.First)
	}
	for range 5 {
		m.fill(2 * testWindow)
		for range 20 {
			time.Sleep(time.Second)
			if c.state().Bytes < testWindow {
				t.Errorf("%d bytes are kept", c.state().Bytes)
			}
		}
		if !c.trimmed() {
			t.Errorf("%d bytes are kept", c.state().Bytes)
		}
	}
}

// TestTrimWithoutOne: two of three suffice; the third finds its place while the
// window has it, and knows when it has not.
func TestTrimWithoutOne(t *testing.T) {
	playTuned(t, 3, smallLog, func(c *cluster) {
		m, away := c.members[0], c.members[2]
		joins := away.notJoining()
		m.propose(createNamespace())
		m.fill(2 * testWindow)
		time.Sleep(10 * time.Second)
		away.stop()
		m.fill(testWindow / 2)
		time.Sleep(20 * time.Second)
		away.start()
		c.settle()
		if joins.Load() != 0 {
			t.Error("its place was in the window, and it wants to become a copy")
		}
		away.stop()
		m.fill(3 * testWindow)
		time.Sleep(20 * time.Second)
		if !c.trimmed() {
			t.Errorf("%d bytes are kept", c.state().Bytes)
		}
		away.start()
		time.Sleep(5 * time.Second)
		if joins.Load() == 0 || away.Ready() || !strings.Contains(away.Problem(), "become a copy") {
			t.Errorf("it has asked to become a copy %d times, ready %t, problem %q", joins.Load(), away.Ready(), away.Problem())
		}
		away.stop()
	})
}

// TestTrimWaits: with half of the members away nothing is trimmed that one of them
// lacks, until the stream is at its cap.
func TestTrimWaits(t *testing.T) {
	playTuned(t, 4, smallLog, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		m.fill(2 * testWindow)
		time.Sleep(20 * time.Second)
		last := c.state().Last
		c.members[2].stop()
		c.members[3].stop()
		m.fill(4 * testWindow)
		time.Sleep(20 * time.Second)
		if st := c.state(); st.First > last || st.Bytes < 4*testWindow {
			t.Errorf("the stream begins at %d, those that are away need %d", st.First, last)
		}
		m.fill(4 * testWindow)
		time.Sleep(5 * time.Second)
		if st := c.state(); st.First <= last || st.Bytes >= testCap || st.Bytes < testWindow {
			t.Errorf("past the cap the stream begins at %d and has %d bytes", st.First, st.Bytes)
		}
	})
}

// TestLogFull: who is the only one left of three trims nothing that another lacks,
// and refuses writes at the cap; with another one they go on, also where neither
// has seen what fills the stream.
func TestLogFull(t *testing.T) {
	playTuned(t, 3, smallLog, func(c *cluster) {
		m, other := c.members[0], c.members[1]
		m.propose(createNamespace())
		time.Sleep(2 * time.Second)
		last := c.state().Last
		other.stop()
		c.members[2].stop()
		m.fill(testCap)
		time.Sleep(5 * time.Second)
		if st := c.state(); st.First > last {
			t.Errorf("the stream begins at %d, those that are away need %d", st.First, last)
		}
		_, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "value")})
		if !isCode(err, godwit.CodeUnavailable) || !strings.Contains(err.Error(), "log is full") || !strings.Contains(m.Problem(), "log is full") {
			t.Errorf("a write: %v, problem %q", err, m.Problem())
		}
		if e, _, err := m.Get(context.Background(), ns, []byte("key1"), godwit.ReadOptions{Strong: true}); err != nil || e.Value.Size() < 4000 {
			t.Errorf("a strong read: %v", err)
		}
		m.stop()
		m.start() // it has forgotten how long the messages were
		time.Sleep(5 * time.Second)
		other.start()
		time.Sleep(10 * time.Second)
		m.propose(put("key", "value"))
		other.propose(put("key", "value"))
		if st := c.state(); st.First <= last || st.Bytes > testCap/2 {
			t.Errorf("the stream begins at %d and has %d bytes", st.First, st.Bytes)
		}
		if p := m.Problem(); p != "" {
			t.Errorf("problem %q", p)
		}
		c.settle()
	})
}

// TestTrimAlone: a cluster of one trims what it holds itself, once it is flushed.
func TestTrimAlone(t *testing.T) {
	playTuned(t, 1, smallLog, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		m.fill(3 * testWindow)
		time.Sleep(10 * time.Second)
		if !c.trimmed() {
			t.Errorf("%d bytes are kept", c.state().Bytes)
		}
		m.crash(100)
		m.start()
		c.settle()
	})
}
