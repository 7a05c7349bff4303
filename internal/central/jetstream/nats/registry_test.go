package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

func registry(w *world, name string) *nats.Registry {
	return registryOf(w.servers[name])
}

func registryOf(m *member) *nats.Registry {
	return nats.NewRegistry(nats.RegistryConfig{Conn: m.conn, Cluster: cluster, Logger: logger()})
}

func testRegister(t *testing.T, w *world) {
	a, b := registry(w, "n1"), registry(w, "n2")
	w.until("there is a registry", func() bool {
		got, err := b.Members(t.Context())
		if len(got) > 0 {
			t.Fatalf("members of a new cluster: %v", got)
		}
		return err == nil
	})
	one := jetstream.MemberInfo{Name: "n1", Identity: "i1", URL: "http://n1", Version: "v1", Formats: 1}
	two := jetstream.MemberInfo{Name: "n2", Identity: "i2", URL: "http://n2", Version: "v1", Formats: 1}
	done := make(chan error, 2)
	go func() { done <- a.Register(t.Context(), one) }()
	go func() { done <- b.Register(t.Context(), two) }()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	two.Version = "v2"
	if err := b.Register(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	var taken *jetstream.TakenError
	err := a.Register(t.Context(), jetstream.MemberInfo{Name: "n2", Identity: "i3"})
	if !errors.As(err, &taken) || taken.Name != "n2" || taken.Identity != "i2" {
		t.Errorf("register a name that another disk has: %v", err)
	}
	got, err := a.Members(t.Context())
	if diff := cmp.Diff([]jetstream.MemberInfo{one, two}, got); diff != "" || err != nil {
		t.Errorf("members (-want +got):\n%s%v", diff, err)
	}
	if err := a.Remove(t.Context(), "n9"); !errors.Is(err, jetstream.ErrNoMember) {
		t.Errorf("remove who is not there: %v", err)
	}
	if err := a.Remove(t.Context(), "n2"); !errors.Is(err, jetstream.ErrRuns) {
		t.Errorf("remove a member whose server runs: %v", err)
	}
}

func testSecret(t *testing.T, w *world) {
	a, b := registry(w, "n1"), registry(w, "n3")
	if got, err := a.Secret(t.Context(), "token"); err != nil || got != "" {
		t.Fatalf("a secret that nobody offered: %q, %v", got, err)
	}
	type result struct {
		kept string
		err  error
	}
	done := make(chan result, 2)
	for r, secret := range map[*nats.Registry]string{a: "from a", b: "from b"} {
		go func() {
			kept, err := r.Offer(t.Context(), "token", secret)
			done <- result{kept, err}
		}()
	}
	first, second := <-done, <-done
	if first.err != nil || second.err != nil || first.kept != second.kept {
		t.Errorf("two offers: %+v and %+v", first, second)
	}
	if got, err := b.Secret(t.Context(), "token"); err != nil || got != first.kept {
		t.Errorf("kept %q, %v, want %q", got, err, first.kept)
	}
}

func testPulse(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	ears := make(map[string]chan jetstream.Pulse)
	ended := make(chan error, len(w.peers))
	for _, p := range w.peers {
		ear, r := make(chan jetstream.Pulse, 100), registry(w, p.Name)
		ears[p.Name] = ear
		go func() { ended <- r.Hear(ctx, func(p jetstream.Pulse) { ear <- p }) }()
	}
	want := jetstream.Pulse{Name: "n1", Identity: "i1", Clock: 1, Applied: 2, Flushed: 3, Revision: "4", Ready: true, Epoch: "e", Digest: "d", DigestAt: 5}
	tell := time.NewTicker(20 * time.Millisecond) // until both hear: what is told to nobody is lost
	defer tell.Stop()
	for _, name := range []string{"n2", "n3"} {
		for heard := false; !heard; {
			select {
			case got := <-ears[name]:
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s heard (-want +got):\n%s", name, diff)
				}
				heard = true
			case <-tell.C:
				registry(w, "n1").Tell(want)
			}
		}
	}
	cancel()
	for range w.peers {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("hear ended with %v", err)
		}
	}
	if len(ears["n1"]) > 0 {
		t.Error("a member hears itself")
	}
}

func testStatus(t *testing.T, w *world) {
	for _, p := range w.peers {
		status, err := w.servers[p.Name].stream.Status(t.Context())
		if err != nil || status.Leader == "" || len(status.Replicas) != len(w.peers)-1 || status.Durability == "" {
			t.Errorf("%s: %+v, %v", p.Name, status, err)
		}
		for _, r := range status.Replicas {
			if r.Offline || r.Node == "" || r.Node == r.Server {
				t.Errorf("%s: %+v", p.Name, r)
			}
		}
	}
}

// status asks again: a leader that steps down answers nobody.
func status(t *testing.T, m *member) nats.Status {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		s, err := m.stream.Status(ctx)
		cancel()
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
