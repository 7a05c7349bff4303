package nats_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// TestDifferences holds that whatever is not as godwit makes it is named, with what
// it is and what it must be.
func TestDifferences(t *testing.T) {
	cfg := nats.StreamConfig{Cluster: cluster, Replicas: 3, MaxBytes: 1 << 30}
	for _, test := range []struct {
		name   string
		change func(map[string]any)
		want   []string
	}{
		{"nothing", func(map[string]any) {}, nil},
		{"what NATS leaves out", func(c map[string]any) { c["max_age"], c["sealed"], c["sources"] = float64(0), false, []any{} }, nil},
		{"what is free", func(c map[string]any) {
			c["description"], c["max_bytes"], c["placement"] = "ours", float64(2<<30), map[string]any{"cluster": "c"}
		}, nil},
		{"replicas", func(c map[string]any) { c["num_replicas"] = float64(1) }, []string{"num_replicas is 1, wanted 3"}},
		{"retention", func(c map[string]any) { c["retention"] = "workqueue" }, []string{`retention is "workqueue", wanted "limits"`}},
		{"storage", func(c map[string]any) { c["storage"] = "memory" }, []string{`storage is "memory", wanted "file"`}},
		{"age", func(c map[string]any) { c["max_age"] = float64(3600e9) }, []string{"max_age is 3600000000000, wanted none"}},
		{"messages", func(c map[string]any) { c["max_msgs"] = float64(10) }, []string{"max_msgs is 10, wanted -1"}},
		{"bytes", func(c map[string]any) { c["max_bytes"] = float64(-1) }, []string{"max_bytes is -1, wanted 67108864 or more"}},
		{"mirror", func(c map[string]any) { c["mirror"] = map[string]any{"name": "x"} }, []string{`mirror is {"name":"x"}, wanted none`}},
		{"what is new", func(c map[string]any) { c["allow_what_comes"] = true }, []string{"allow_what_comes is true, wanted none"}},
		{"two", func(c map[string]any) { delete(c, "republish"); c["subjects"] = []any{"a", "b>"} }, []string{
			`republish is none, wanted {"dest":"godwit.test.tail","src":"godwit.test.log"}`, `subjects is ["a","b>"], wanted ["godwit.test.log"]`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, nats.Differences(cfg, test.change)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

// TestChanged holds that a stream that somebody changed, made or deleted is told, and
// used only if it once was as it must be.
func TestChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	m := w.servers["n1"]
	mustSend(t, m.stream, "a")
	change := func(name string, value any) {
		t.Helper()
		var info struct {
			Config map[string]any `json:"config"`
		}
		if err := m.conn.API(t.Context(), "$JS.API.STREAM.INFO.godwit_test", nil, &info); err != nil {
			t.Fatal(err)
		}
		info.Config[name] = value
		if err := m.conn.API(t.Context(), "$JS.API.STREAM.UPDATE.godwit_test", info.Config, nil); err != nil {
			t.Fatal(err)
		}
	}
	change("max_age", time.Hour)
	m.stream.Look(t.Context())
	if err := m.stream.Problem(); err == nil || !strings.Contains(err.Error(), "max_age is 3600000000000, wanted none") {
		t.Errorf("a stream that was changed: %v", err)
	}
	mustSend(t, m.stream, "b")
	late := &member{name: "late", server: m.server}
	w.connect(late, nats.Config{Server: m.server}, 1)
	defer func() { _ = late.stream.Close(); late.conn.Close() }()
	var refused *nats.RefusedError
	if err := late.stream.Wait(t.Context()); !errors.As(err, &refused) {
		t.Errorf("opened a stream that was changed: %v", err)
	}
	if err := send(late.stream, "c"); !errors.As(err, &refused) {
		t.Errorf("sent to a stream that was changed: %v", err)
	}
	change("max_age", 0)
	w.wait2(late)
	m.stream.Look(t.Context())
	if err := m.stream.Problem(); err != nil {
		t.Errorf("a stream that was put right: %v", err)
	}
	testReplaced(t, m)
}

// testReplaced holds that a stream made again is another one, and is not made again
// by a member that knew the old one.
func testReplaced(t *testing.T, m *member) {
	before := mustState(t, m.stream)
	ended := make(chan error, 1)
	go func() {
		ended <- m.stream.Read(t.Context(), before.Last+1, func(jetstream.Message) error { return errors.New("read it") })
	}()
	if err := m.conn.API(t.Context(), "$JS.API.STREAM.DELETE.godwit_test", nil, nil); err != nil {
		t.Fatal(err)
	}
	m.stream.Look(t.Context())
	if _, err := m.stream.State(t.Context()); err == nil || m.stream.Problem() == nil {
		t.Errorf("a stream that was deleted: %v, %v", err, m.stream.Problem())
	}
	second, err := nats.OpenStream(t.Context(), nats.StreamConfig{Conn: m.conn, Cluster: cluster, Replicas: 1, MaxBytes: testMaxBytes / 2})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := mustState(t, m.stream); after.ID == before.ID {
		t.Error("a stream made again has the id of the old one")
	}
	m.stream.Look(t.Context())
	if err := m.stream.Problem(); !errors.Is(err, jetstream.ErrReplaced) {
		t.Errorf("a stream made again: %v", err)
	}
	if err := <-ended; !errors.Is(err, jetstream.ErrReplaced) {
		t.Errorf("the reader of the old stream ended with %v", err)
	}
}

// wait2 waits for a stream that was refused before.
func (w *world) wait2(m *member) {
	w.t.Helper()
	w.until("the stream is taken", func() bool { return m.stream.Wait(context.Background()) == nil })
}

// TestFull holds that a stream at its cap says so, and takes more once it is trimmed.
func TestFull(t *testing.T) {
	t.Parallel()
	w := prepare(t, 1)
	w.maxBytes = 64 << 20
	m := w.start("n1")
	w.wait(m)
	big := strings.Repeat("x", 7<<20)
	var err error
	for i := 0; err == nil && i < 20; i++ {
		err = send(m.stream, big)
	}
	if !errors.Is(err, jetstream.ErrFull) {
		t.Fatalf("a stream at its cap: %v", err)
	}
	state := mustState(t, m.stream)
	if state.First != 1 || state.Last < 5 {
		t.Errorf("what a full stream holds: %+v", state)
	}
	if err := m.stream.Trim(t.Context(), state.Last); err != nil {
		t.Fatal(err)
	}
	mustSend(t, m.stream, big)
}

// TestReadWhileTrimmed holds that a reader reads on as what it has read is removed.
func TestReadWhileTrimmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	s := w.servers["n1"].stream
	const n = 300
	go func() {
		for range n {
			s.Send([]byte("x"), func(error) {})
		}
	}()
	var next uint64 = 1
	err := s.Read(t.Context(), 1, func(m jetstream.Message) error {
		if m.Sequence != next {
			t.Errorf("read %d, want %d", m.Sequence, next)
		}
		next++
		if m.Sequence%50 == 0 {
			if err := s.Trim(t.Context(), m.Sequence-10); err != nil {
				return err
			}
		}
		if m.Sequence == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if state := mustState(t, s); state.First != n-10 {
		t.Errorf("state after: %+v", state)
	}
}
