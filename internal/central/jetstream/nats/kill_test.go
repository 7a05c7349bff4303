package nats_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
	"github.com/godwitkv/godwit/internal/pause"
)

// lead makes a node's server the stream's leader.
func (w *world) lead(by *member, node string) {
	w.t.Helper()
	w.until(node+" leads", func() bool {
		status, err := by.stream.Status(w.t.Context())
		if err != nil || nodeOf(status.Leader) == node {
			return err == nil
		}
		for _, r := range status.Replicas {
			if r.Node == node && r.Current {
				request := map[string]any{"placement": map[string]any{"preferred": r.Server}}
				_ = by.conn.API(w.t.Context(), "$JS.API.STREAM.LEADER.STEPDOWN.godwit_"+cluster, request, nil)
			}
		}
		return false
	})
}

// patience is for machines that are busy with other things.
const patience = 90 * time.Second

// until waits for what another goroutine or a server brings about.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	defer func(began time.Time) { w.t.Logf("%v until %s", time.Since(began), what) }(time.Now())
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// history is what one reader read.
type history struct {
	mu   sync.Mutex
	read []jetstream.Message
}

// record reads from the stream's start until ctx ends.
func (h *history) record(ctx context.Context, s jetstream.Stream) error {
	return s.Read(ctx, 1, func(m jetstream.Message) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.read = append(h.read, m)
		return nil
	})
}

// holds tells whether all that was acknowledged was read, each sequence once and in
// order.
func (h *history) holds(t *testing.T, acked map[string]bool) bool {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make(map[string]bool)
	for i, m := range h.read {
		if m.Sequence != uint64(i)+1 {
			t.Fatalf("message %d read has sequence %d", i+1, m.Sequence)
		}
		seen[string(m.Data)] = true
	}
	for text := range acked {
		if !seen[text] {
			return false
		}
	}
	return true
}

// TestKill holds that nothing acknowledged is lost, doubled or late when servers are
// killed: first a follower, which writers must not notice, then, once it is back,
// the leader.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for an election")
	}
	t.Parallel()
	w := prepare(t, 3)
	a, b := w.start("n1"), w.start("n2")
	kill := w.spawn("n3")
	w.wait(a)
	w.wait(b)
	writer := w.again(a, w.timeout)
	w.lead(a, "n1")
	ctx, cancel := context.WithCancel(t.Context())
	var near, far history
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	workers.Go(func() { _ = near.record(ctx, a.stream) })
	workers.Go(func() { _ = far.record(ctx, b.stream) })

	acked := make(map[string]bool)
	write := func(n int) (failed int, longest time.Duration) {
		last := time.Now()
		for i := 0; i < n; {
			text := strconv.Itoa(len(acked)) + " " + strconv.Itoa(failed)
			if err := send(writer.stream, text); err != nil {
				failed++
				pause.For(ctx, 20*time.Millisecond)
				continue
			}
			acked[text] = true
			longest = max(longest, time.Since(last))
			last = time.Now()
			i++
		}
		return failed, longest
	}
	write(50)
	kill()
	if failed, longest := write(50); failed > 0 {
		t.Errorf("%d writes failed as a follower was killed", failed)
	} else {
		t.Logf("a follower killed: the longest pause of writes was %v", longest)
	}
	kill = w.spawn("n3")
	w.until("n3 is back", func() bool { return w.current(a, "n3") })
	w.lead(a, "n3")
	writer = w.again(a, nats.DefaultTimeout)
	write(50)
	kill()
	killed := time.Now()
	_, longest := write(50)
	t.Logf("the leader killed: the longest pause of writes was %v", longest)
	acknowledged := time.Now()
	w.until("both readers have all", func() bool { return near.holds(t, acked) && far.holds(t, acked) })
	if late := time.Since(acknowledged); late > 30*time.Second { // a busy machine
		t.Errorf("what was acknowledged was read %v later", late)
	}
	if longest > time.Minute { // a busy machine
		t.Errorf("writes went on %v after the leader was killed", time.Since(killed))
	}
}

// current tells whether a node's replica is.
func (w *world) current(by *member, node string) bool {
	status, err := by.stream.Status(w.t.Context())
	if err != nil {
		return false
	}
	for _, r := range status.Replicas {
		if r.Node == node && r.Current && !r.Offline {
			return true
		}
	}
	return nodeOf(status.Leader) == node
}

// TestWipedDisk holds that an emptied directory does not come back as the voter that
// it was: with one other member it is no quorum of the stream. Once the old one is
// removed it becomes a replica.
func TestWipedDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for elections")
	}
	t.Parallel()
	w := newWorld(t, 3)
	a := w.servers["n1"]
	for _, p := range w.peers {
		if err := registry(w, p.Name).Register(t.Context(), jetstream.MemberInfo{Name: p.Name, Identity: "of " + p.Name}); err != nil {
			t.Fatal(err)
		}
	}
	mustSend(t, a.stream, "kept")
	w.stop("n3")
	if err := os.RemoveAll(w.servers["n3"].dir); err != nil {
		t.Fatal(err)
	}
	was := status(t, a)
	c := w.start("n3")
	w.wait(c)
	if got := readN(t, c.stream, 1, 1); string(got[0].Data) != "kept" {
		t.Errorf("n3 read %q", got[0].Data)
	}
	mustSend(t, c.stream, "a quorum is there")
	for _, r := range append(status(t, a).Replicas, was.Replicas...) {
		if r.Server == c.server.Name() {
			t.Error("the new server has the name of the old one")
		}
	}

	hasty := w.again(a, time.Second)
	w.lead(a, "n1") // which goes on with whoever counts as a voter
	w.stop("n2")
	for stopped := time.Now(); time.Since(stopped) < 5*time.Second; {
		if err := send(hasty.stream, "lost"); err == nil {
			t.Fatal("an emptied disk was counted as the one that it replaced")
		}
	}
	b := w.start("n2")
	w.wait(b)
	w.until("there is a leader again", func() bool { return send(hasty.stream, "again") == nil })

	if counts, err := c.stream.Counts(t.Context()); counts || err != nil {
		t.Errorf("a disk that nobody has taken up counts for the stream: %t, %v", counts, err)
	}
	w.until("the old n3 is removed", func() bool {
		err := registryOf(hasty).Remove(t.Context(), "n3")
		return err == nil || errors.Is(err, jetstream.ErrNoMember)
	})
	w.until("the new n3 is registered", func() bool {
		return registryOf(w.again(c, time.Second)).Register(t.Context(), jetstream.MemberInfo{Name: "n3", Identity: "new"}) == nil
	})
	defer func() {
		if t.Failed() {
			now, err := a.stream.Status(context.Background())
			t.Logf("status: %+v, %v; the new server is %s", now, err, c.server.Name())
		}
	}()
	w.until("the new disk counts", func() bool {
		counts, err := c.stream.Counts(t.Context())
		return counts && err == nil
	})
	if !w.current(a, "n3") {
		t.Error("the new disk counts, and is no replica")
	}
	if r := status(t, a).Replicas; len(r) != 2 {
		t.Errorf("replicas: %+v", r)
	}
}

// TestStop holds that writes go on as the leader is stopped, and that with two of
// three gone nothing hangs.
func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	mustSend(t, w.servers["n1"].stream, "kept")
	testHandOver(t, w) // n3 is stopped
	a := w.again(w.servers["n1"], time.Second)
	w.stop("n2")
	began := time.Now()
	results := make(chan error, 10)
	for i := range cap(results) {
		a.stream.Send(fmt.Append(nil, i), func(err error) { results <- err })
	}
	for range cap(results) {
		if err := <-results; err == nil {
			t.Error("a message was acknowledged without a quorum")
		}
	}
	if _, err := a.stream.State(t.Context()); err == nil {
		w.until("it is known that there is no leader", func() bool { _, err := a.stream.State(t.Context()); return err != nil })
	}
	t.Logf("told after %v", time.Since(began))
	if got := readN(t, a.stream, 1, 1); string(got[0].Data) != "kept" {
		t.Errorf("read %q of what this member holds", got[0].Data)
	}
	if err := a.stream.Begin(t.Context(), []byte("x")); err == nil {
		t.Error("began without a quorum")
	}
	w.start("n2")
	w.until("two are enough again", func() bool { return send(a.stream, "again") == nil })
}

// testHandOver holds that writes hardly pause when the leader is stopped in good
// order.
func testHandOver(t *testing.T, w *world) {
	t.Helper()
	a := w.servers["n1"]
	w.lead(a, "n3")
	// pausedUntil writes until twenty times something is so.
	pausedUntil := func(over func() bool) (longest time.Duration) {
		for last, after := time.Now(), 0; after < 20; {
			if over() {
				after++
			}
			if send(a.stream, "x") == nil {
				longest = max(longest, time.Since(last))
				last = time.Now()
			}
			pause.For(t.Context(), 5*time.Millisecond)
		}
		return longest
	}
	usual := pausedUntil(func() bool { return true })
	ended := make(chan struct{})
	go func() { defer close(ended); w.stop("n3") }()
	longest := pausedUntil(func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	t.Logf("the longest pause was %v, of %v usually", longest, usual)
	if limit := 3*time.Second + 10*usual; longest > limit { // an election takes 4 s and more
		t.Errorf("writes paused for %v, more than %v", longest, limit)
	}
	if _, err := os.Stat(filepath.Join(w.servers["n3"].dir, "nats-identity")); err != nil {
		t.Error(err)
	}
}

// TestYield: a server that is to yield the lead does, and another has it, while writes go
// on.
func TestYield(t *testing.T) {
	t.Parallel()
	w := prepare(t, 3)
	a, b := w.start("n1"), w.start("n2")
	w.wait(w.start("n3"))
	w.wait(a)
	w.wait(b)
	w.lead(a, "n2")
	b.server.Yield()
	w.until("another leads", func() bool {
		status, err := a.stream.Status(t.Context())
		return err == nil && status.Leader != "" && nodeOf(status.Leader) != "n2"
	})
	writer := w.again(a, nats.DefaultTimeout)
	w.until("writes go on", func() bool { return send(writer.stream, "text") == nil })
}
