package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// TestWhoCounts holds that the leader of the cluster's metadata tells which servers count,
// and any of them who is gone: one that has just come answers first, and knows less.
func TestWhoCounts(t *testing.T) {
	t.Parallel()
	newID := nats.PeerID("n3-new") // which the leader has not heard of yet
	fresh := `{"server":{"name":"n3-new"},"data":{"meta_cluster":{"leader":"n1","peer":"p1","replicas":[{"peer":"p1","name":"n1"},{"peer":"p2","name":"n2","offline":true}]}}}`
	second := `{"server":{"name":"n2"},"data":{"meta_cluster":{"leader":"n1","peer":"p1","replicas":[{"peer":"p1","name":"n1"},{"peer":"p3","name":"?","offline":true},{"peer":"` + newID + `","name":"n3-new"}]}}}`
	leader := `{"server":{"name":"n1"},"data":{"meta_cluster":{"leader":"n1","peer":"p1","replicas":[{"peer":"p2","name":"n2"},{"peer":"p3","name":"n3-old"},{"peer":"` + newID + `","name":"?","offline":true}]}}}`
	old := `{"server":{"name":"n3-old"},"data":{}}`
	for name, tt := range map[string]struct {
		answers []string
		want    map[string]bool
		err     error
	}{
		"a new one first":       {[]string{fresh, leader, second}, map[string]bool{"p1": false, "p2": false, "p3": true, newID: false}, nil},
		"the new one is silent": {[]string{leader, second}, map[string]bool{"p1": false, "p2": false, "p3": true, newID: true}, nil},
		"nobody knows":          {[]string{fresh, leader}, map[string]bool{"p1": false, "p2": false, "p3": false, newID: false}, nil},
		"it answers itself":     {[]string{leader, second, old}, map[string]bool{}, jetstream.ErrRuns},
		"no leader answers":     {[]string{fresh, second}, map[string]bool{}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc := answering(t, tt.answers)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			got, err := nats.AskPeers(ctx, nc, "n3-old", "p3")
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("who is gone (-want +got):\n%s", diff)
			}
		})
	}
}

// answering connects to a NATS in which the question for servers has these answers.
func answering(t *testing.T, answers []string) *natsgo.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true, NoSystemAccount: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	nc, err := natsgo.Connect("", natsgo.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	_, err = nc.Subscribe("$SYS.REQ.SERVER.PING.JSZ", func(m *natsgo.Msg) {
		for _, a := range answers {
			_ = m.Respond([]byte(a)) // what is lost is missed
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// TestPeerID holds peerID to what a server calls itself.
func TestPeerID(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{ServerName: "n1-0123456789abcdef", DontListen: true, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	if got, want := nats.PeerID(s.Name()), s.Node(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
