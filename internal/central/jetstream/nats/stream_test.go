package nats_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/pause"
)

// TestStream holds what one cluster can be held by that stays whole: starting one
// takes some seconds.
func TestStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	t.Run("begin", func(t *testing.T) { testBegin(t, w) })
	t.Run("order", func(t *testing.T) { testOrder(t, w) })
	t.Run("size", func(t *testing.T) { testSize(t, w) })
	t.Run("trim", func(t *testing.T) { testTrim(t, w) })
	t.Run("register", func(t *testing.T) { testRegister(t, w) })
	t.Run("secret", func(t *testing.T) { testSecret(t, w) })
	t.Run("pulse", func(t *testing.T) { testPulse(t, w) })
	t.Run("status", func(t *testing.T) { testStatus(t, w) })
}

func testBegin(t *testing.T, w *world) {
	a, b := w.servers["n1"].stream, w.servers["n2"].stream
	state := mustState(t, a)
	if state.First != 0 || state.Last != 0 {
		t.Fatalf("a new stream: %+v", state)
	}
	if err := a.Begin(t.Context(), []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := b.Begin(t.Context(), []byte("second")); !errors.Is(err, jetstream.ErrNotEmpty) {
		t.Errorf("begin a stream that has begun: %v", err)
	}
	again := mustState(t, b)
	if again.First != 1 || again.Last != 1 || again.ID != state.ID || again.ID == "" || again.Bytes == 0 || again.Leader == "" {
		t.Errorf("a stream of one: %+v; was %+v", again, state)
	}
}

// testOrder holds that all members read the same, in order, whether they were there
// before or come later, and each sender's own messages as it sent them.
func testOrder(t *testing.T, w *world) {
	const each = 500
	first := mustState(t, w.servers["n1"].stream).Last + 1
	early := make(chan []jetstream.Message, 3)
	var readers sync.WaitGroup
	defer readers.Wait()
	for _, p := range w.peers {
		readers.Go(func() { early <- readN(t, w.servers[p.Name].stream, first, 3*each) })
	}
	results := make(chan error, 3*each)
	for _, p := range w.peers {
		go func() {
			for i := range each {
				w.servers[p.Name].stream.Send(fmt.Appendf(nil, "%s %d", p.Name, i), func(err error) { results <- err })
			}
		}()
	}
	for range 3 * each {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	want := readN(t, w.servers["n3"].stream, first, 3*each)
	for range w.peers {
		if diff := cmp.Diff(want, <-early); diff != "" {
			t.Fatalf("two readers differ (-late +early):\n%s", diff)
		}
	}
	next := make(map[string]int)
	for i, m := range want {
		var name string
		var n int
		if _, err := fmt.Sscanf(string(m.Data), "%s %d", &name, &n); err != nil || n != next[name] || m.Sequence != first+uint64(i) {
			t.Fatalf("message %d is %q at %d, want number %d of %s: %v", i, m.Data, m.Sequence, next[name], name, err)
		}
		next[name]++
		if age := time.Since(time.UnixMilli(m.Time)); age < -time.Second || age > time.Minute {
			t.Fatalf("message %d is of %v ago", i, age)
		}
	}
}

func testSize(t *testing.T, w *world) {
	s := w.servers["n2"].stream
	first := mustState(t, s).Last + 1
	most := w.servers["n2"].conn.MaxMessage()
	big := string(make([]byte, most))
	mustSend(t, s, big)
	if err := send(s, big+"x"); !errors.Is(err, jetstream.ErrTooLarge) {
		t.Errorf("a message too long: %v", err)
	}
	for _, p := range w.peers {
		if got := readN(t, w.servers[p.Name].stream, first, 1); len(got[0].Data) != most {
			t.Errorf("%s read %d bytes of %d", p.Name, len(got[0].Data), most)
		}
	}
}

func testTrim(t *testing.T, w *world) {
	s := w.servers["n3"].stream
	mustSend(t, s, "a", "b", "c")
	last := mustState(t, s).Last
	if err := s.Trim(t.Context(), last-1); err != nil {
		t.Fatal(err)
	}
	if state := mustState(t, s); state.First != last-1 || state.Last != last {
		t.Errorf("trimmed to %d: %+v", last-1, state)
	}
	for _, p := range w.peers {
		becomesTrimmed(t, w.servers[p.Name].stream, last-2)
		if got := readN(t, w.servers[p.Name].stream, last-1, 2); string(got[0].Data) != "b" || string(got[1].Data) != "c" {
			t.Errorf("%s read %q, %q after the trim", p.Name, got[0].Data, got[1].Data)
		}
	}
	if err := s.Trim(t.Context(), last+1); err != nil {
		t.Fatal(err)
	}
	becomesTrimmed(t, s, last)
	if state := mustState(t, s); state.First != last+1 || state.Last != last {
		t.Errorf("all trimmed: %+v, want first %d", state, last+1)
	}
	if err := s.Begin(t.Context(), []byte("x")); !errors.Is(err, jetstream.ErrNotEmpty) {
		t.Errorf("begin a stream of which all was trimmed: %v", err)
	}
}

// becomesTrimmed waits until the replica that is read has dropped a message: a
// follower is told of a trim a moment later.
func becomesTrimmed(t *testing.T, s jetstream.Stream, at uint64) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		err = s.Read(t.Context(), at, func(jetstream.Message) error { return errEnough })
		if !errors.Is(err, errEnough) {
			break
		}
	}
	if !errors.Is(err, jetstream.ErrTrimmed) {
		t.Errorf("read what was trimmed: %v", err)
	}
}

func mustState(t testing.TB, s jetstream.Stream) jetstream.State {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		state, err := s.State(t.Context())
		if err == nil {
			return state
		}
		if time.Now().After(deadline) { // an election is over by then
			t.Fatal(err)
		}
		pause.For(t.Context(), 50*time.Millisecond)
	}
}

var errEnough = errors.New("enough")

// readN reads n messages. It may be called from any goroutine.
func readN(t testing.TB, s jetstream.Stream, from uint64, n int) (got []jetstream.Message) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := s.Read(ctx, from, func(m jetstream.Message) error {
		got = append(got, m)
		if len(got) == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("read %d from %d: got %d: %v", n, from, len(got), err)
	}
	return got
}
