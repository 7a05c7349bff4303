package nats_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
	"github.com/godwitkv/godwit/internal/certtest"
	"github.com/godwitkv/godwit/internal/porttest"
)

// external runs a NATS server as others run it, and returns its URL.
func external(t *testing.T, change func(*server.Options)) (url string, stop func()) {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}
	if change != nil {
		change(opts)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Start() }()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("nats did not start")
	}
	stop = func() { s.Shutdown(); s.WaitForShutdown(); <-done }
	t.Cleanup(stop)
	return "nats://" + s.Addr().String(), stop
}

// open opens a stream of one replica in an external NATS.
func open(t *testing.T, cfg nats.Config) *member {
	t.Helper()
	w := &world{t: t, maxBytes: 128 << 20}
	m := &member{name: "x"}
	w.connect(m, cfg, 1)
	t.Cleanup(func() {
		_ = m.stream.Close()
		m.conn.Close()
	})
	return m
}

func TestExternal(t *testing.T) {
	t.Parallel()
	url, _ := external(t, nil)
	m := open(t, nats.Config{URLs: []string{"nats://127.0.0.1:1", url}, Name: "godwit n1"})
	(&world{t: t}).wait(m)
	if err := m.stream.Begin(t.Context(), []byte("a")); err != nil {
		t.Fatal(err)
	}
	mustSend(t, m.stream, "b", "c")
	if got := readN(t, m.stream, 2, 2); string(got[0].Data)+string(got[1].Data) != "bc" {
		t.Errorf("read %q, %q", got[0].Data, got[1].Data)
	}
	if d := m.stream.Durability(); !strings.Contains(d, "could not be verified") {
		t.Errorf("durability: %s", d)
	}
	if n := m.conn.MaxMessage(); n != 1<<20 {
		t.Errorf("the longest message is %d", n)
	}
	if err := send(m.stream, strings.Repeat("x", 1<<20+1)); !errors.Is(err, jetstream.ErrTooLarge) {
		t.Errorf("a message longer than the server takes: %v", err)
	}
	mustSend(t, m.stream, "d")
}

// TestExternalAway holds that a NATS that goes away fails what is in flight at once,
// takes nothing meanwhile, and is found again.
func TestExternalAway(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), 0
	_, p, _ := net.SplitHostPort(porttest.Free(t))
	if _, err := fmt.Sscan(p, &port); err != nil {
		t.Fatal(err)
	}
	settings := func(o *server.Options) { o.Port, o.StoreDir = port, dir }
	url, stop := external(t, settings)
	m := open(t, nats.Config{URLs: []string{url}, Timeout: 20 * time.Second})
	w := &world{t: t}
	w.wait(m)
	mustSend(t, m.stream, "a")
	stop()
	began := time.Now()
	w.until("sends fail", func() bool { return send(m.stream, "lost") != nil })
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("a send took %v to fail without a connection", d)
	}
	if _, err := m.stream.State(t.Context()); err == nil {
		t.Error("there is a state without a connection")
	}
	external(t, settings)
	w.until("sends are taken again", func() bool { return send(m.stream, "b") == nil })
	state := mustState(t, m.stream)
	if got := readN(t, m.stream, 1, int(state.Last)); string(got[0].Data) != "a" || string(got[len(got)-1].Data) != "b" {
		t.Errorf("read %q to %q", got[0].Data, got[len(got)-1].Data)
	}
}

// TestExternalRefused holds that what somebody has to put right is said clearly.
func TestExternalRefused(t *testing.T) {
	t.Parallel()
	small, _ := external(t, nil)
	locked, _ := external(t, func(o *server.Options) { o.Username, o.Password = "u", "p" })
	denied, _ := external(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.>"}},
		}}}
	})
	old := oldServer(t)
	narrow, _ := external(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	for _, test := range []struct {
		name, url string
		replicas  int
		want      string
	}{
		{"too few servers", small, 3, "NATS has not the 3 servers"},
		{"credentials", locked, 1, "NATS refuses the credentials"},
		{"permission", strings.Replace(denied, "//", "//u:p@", 1), 1, "NATS denies what godwit needs"},
		{"version", old, 1, "the NATS server is version 2.9.1, and godwit needs 2.12 or newer"},
		{"short messages", narrow, 1, "takes messages of 65536 bytes at the most, and godwit needs 131072: set max_payload"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := refusal(t, test.url, test.replicas); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestRoom holds that a stream takes the room that NATS has for it, and that one which
// has next to none is refused.
func TestRoom(t *testing.T) {
	t.Parallel()
	url, _ := external(t, func(o *server.Options) { o.JetStreamMaxStore = 100 << 20 })
	m := open(t, nats.Config{URLs: []string{url}})
	(&world{t: t}).wait(m)
	if st := mustState(t, m.stream); st.Most != 64<<20 {
		t.Errorf("the stream may hold %d bytes", st.Most)
	}
	url, _ = external(t, func(o *server.Options) { o.JetStreamMaxStore = 60 << 20 })
	if err := refusal(t, url, 1); err == nil || !strings.Contains(err.Error(), "NATS has no room for a stream of 64 MiB") {
		t.Errorf("a NATS without room: %v", err)
	}
}

// TestNoJetStream holds that it is waited for: a server of a cluster that starts does
// not know of the others yet.
func TestNoJetStream(t *testing.T) {
	t.Parallel()
	url, _ := external(t, func(o *server.Options) { o.JetStream = false })
	m := open(t, nats.Config{URLs: []string{url}})
	waitsBecause(t, m, "it is not enabled, or none can be reached")
}

// waitsBecause holds that a stream is waited for, and that why is told: a busy machine
// may not know it at first.
func waitsBecause(t *testing.T, m *member, why string) {
	t.Helper()
	(&world{t: t}).until("it is told: "+why, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := m.stream.Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the stream was not waited for: %v", err)
		}
		return strings.Contains(err.Error(), why)
	})
}

// refusal is why a stream cannot be opened.
func refusal(t *testing.T, url string, replicas int) error {
	t.Helper()
	conn, err := nats.Connect(t.Context(), nats.Config{URLs: []string{url}})
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := nats.OpenStream(t.Context(), nats.StreamConfig{Conn: conn, Cluster: cluster, Replicas: replicas, MaxBytes: 128 << 20})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = s.Wait(ctx)
	var refused *nats.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("%v is no refusal", err)
	}
	return err
}

// oldServer says that it is an old NATS.
func oldServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(`INFO {"server_id":"x","version":"2.9.1","proto":1,"headers":true,"max_payload":1048576}` + "\r\n"))
			b := make([]byte, 4096)
			for n := 0; err == nil && !strings.Contains(string(b[:n]), "PING"); {
				var more int
				more, err = c.Read(b[n:])
				n += more
			}
			_, _ = c.Write([]byte("PONG\r\n"))
			t.Cleanup(func() { c.Close() })
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "nats://" + l.Addr().String()
}

func TestConnectFiles(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cfg  nats.Config
		want string
	}{
		{nats.Config{Creds: junk + "x"}, "--nats-creds: "},
		{nats.Config{CA: junk + "x"}, "--nats-ca: "},
		{nats.Config{CA: junk}, "--nats-ca: "},
	} {
		test.cfg.URLs = []string{"nats://127.0.0.1:1"}
		if _, err := nats.Connect(t.Context(), test.cfg); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
	if _, err := nats.MutualTLS(nil, junk); err == nil || !strings.HasPrefix(err.Error(), "--cluster-ca: ") {
		t.Errorf("junk as an authority: %v", err)
	}
}

// TestExternalTLS holds that the server must be of the authority given.
func TestExternalTLS(t *testing.T) {
	t.Parallel()
	a, other := certtest.New(t, "ours"), certtest.New(t, "another")
	cfg := load(t, a, "nats")
	url, _ := external(t, func(o *server.Options) {
		o.TLSConfig = &tls.Config{GetCertificate: cfg.GetCertificate, MinVersion: tls.VersionTLS12}
		o.TLSTimeout = 5
	})
	m := open(t, nats.Config{URLs: []string{url}, CA: a.File})
	(&world{t: t}).wait(m)
	mustSend(t, m.stream, "a")

	m = open(t, nats.Config{URLs: []string{url}, CA: other.File})
	waitsBecause(t, m, "certificate")
}
