package nats_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
	"github.com/godwitkv/godwit/internal/porttest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

const cluster = "test"

// world is the servers of one cluster on loopback.
type world struct {
	t       testing.TB
	peers   []nats.Peer
	timeout time.Duration // of answers: long, since the machine may be busy with other tests
	servers map[string]*member

	maxBytes int64  // of the stream
	key      string // of the servers' files
	tls      func(node string) *tls.Config
}

// member is a server with a connection and the cluster's stream.
type member struct {
	name   string
	dir    string
	server *nats.Server
	conn   *nats.Conn
	stream *nats.Stream
}

// newWorld makes a cluster of n whose stream is there.
func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := prepare(t, n)
	for _, p := range w.peers {
		w.start(p.Name)
	}
	for _, p := range w.peers {
		w.wait(w.servers[p.Name])
	}
	w.settle()
	return w
}

// settle waits for the end of what follows a cluster's first election: for some
// moments a leader may still change, and not all servers know of it.
func (w *world) settle() {
	w.t.Helper()
	const often = 5
	leader, same := "", 0
	w.until("the cluster has settled", func() bool {
		for _, p := range w.peers {
			s, err := w.servers[p.Name].stream.Status(w.t.Context())
			if err != nil || s.Leader != leader || slices.ContainsFunc(s.Replicas, func(r nats.Replica) bool { return !r.Current }) {
				leader, same = s.Leader, 0
				return false
			}
		}
		same++
		return same == often
	})
}

// prepare makes a cluster of which nothing runs yet.
func prepare(t testing.TB, n int) *world {
	t.Helper()
	w := &world{t: t, timeout: 20 * time.Second, maxBytes: testMaxBytes / 2, servers: make(map[string]*member)}
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		w.peers = append(w.peers, nats.Peer{Name: name, Address: porttest.Free(t)})
		w.servers[name] = &member{name: name, dir: filepath.Join(t.TempDir(), name)}
	}
	t.Cleanup(func() {
		for _, p := range w.peers {
			w.stop(p.Name)
		}
	})
	return w
}

func (w *world) config(name string) nats.ServerConfig {
	cfg := nats.ServerConfig{
		Cluster: cluster, Node: name, Dir: w.servers[name].dir, Peers: w.peers, MaxBytes: testMaxBytes, Logger: logger(), Key: w.key,
	}
	if w.tls != nil {
		cfg.TLS = w.tls(name)
	}
	for _, p := range w.peers {
		if p.Name == name {
			cfg.Listen = p.Address
		}
	}
	return cfg
}

const testMaxBytes = 1 << 30

func logger() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	return slog.New(slog.DiscardHandler)
}

// start runs a server, connects to it and opens the stream.
func (w *world) start(name string) *member {
	w.t.Helper()
	m := w.servers[name]
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	var err error
	if m.server, err = nats.OpenServer(w.t.Context(), w.config(name)); err != nil {
		w.t.Fatal(err)
	}
	w.connect(m, nats.Config{Server: m.server, Logger: logger(), Timeout: w.timeout}, len(w.peers))
	return m
}

func (w *world) connect(m *member, cfg nats.Config, replicas int) {
	w.t.Helper()
	var err error
	if m.conn, err = nats.Connect(w.t.Context(), cfg); err != nil {
		w.t.Fatal(err)
	}
	m.stream, err = nats.OpenStream(w.t.Context(), nats.StreamConfig{
		Conn: m.conn, Cluster: cluster, Replicas: replicas, MaxBytes: w.maxBytes, Logger: logger(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// again is a member's second connection, with another timeout of answers.
func (w *world) again(m *member, timeout time.Duration) *member {
	w.t.Helper()
	second := &member{name: m.name, server: m.server}
	w.connect(second, nats.Config{Server: m.server, Logger: logger(), Timeout: timeout}, len(w.peers))
	w.t.Cleanup(func() {
		if err := second.stream.Close(); err != nil {
			w.t.Error(err)
		}
		second.conn.Close()
	})
	w.wait(second)
	return second
}

func (w *world) wait(m *member) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := m.stream.Wait(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// stop ends a member in good order.
func (w *world) stop(name string) {
	w.t.Helper()
	m := w.servers[name]
	if m.stream != nil {
		if err := m.stream.Close(); err != nil {
			w.t.Error(err)
		}
		m.conn.Close()
		m.stream = nil
	}
	if m.server != nil {
		if err := m.server.Close(); err != nil {
			w.t.Error(err)
		}
		m.server = nil
	}
}

// send appends a message and returns once it is known what became of it.
func send(s jetstream.Stream, text string) error {
	done := make(chan error, 1)
	s.Send([]byte(text), func(err error) { done <- err })
	return <-done
}

func mustSend(t testing.TB, s jetstream.Stream, texts ...string) {
	t.Helper()
	for _, text := range texts {
		err := send(s, text)
		for deadline := time.Now().Add(patience); errors.Is(err, nats.ErrNoLeader) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
			err = send(s, text)
		}
		if err != nil {
			t.Fatalf("send %.40q: %v", text, err)
		}
	}
}
