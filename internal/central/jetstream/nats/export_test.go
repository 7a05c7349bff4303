package nats

import (
	"context"
	"encoding/json"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Client is the client under a connection.
func (c *Conn) Client() *natsgo.Conn { return c.nc }

// API asks JetStream.
func (c *Conn) API(ctx context.Context, subject string, request, response any) error {
	return c.api(ctx, subject, request, response)
}

// Differences are those of a configuration from that of the stream of cfg.
func Differences(cfg StreamConfig, change func(map[string]any)) []string {
	is := wanted(&cfg, "id")
	change(is)
	return differences(is, wanted(&cfg, ""))
}

// Look looks at the stream at once.
func (s *Stream) Look(ctx context.Context) {
	id, err := s.find(ctx)
	s.found(id, err)
}

// ErrNoLeader tells that nothing was stored, because nobody could.
var ErrNoLeader = errNoLeader

// NodeOf is whose a server is, by its name.
var NodeOf = nodeOf

// Stop ends a server without handing over.
func (s *Server) Stop() { s.stop() }

// ConnectOutside connects to the port that the server listens on for clients, once
// without credentials, and once with the very keys that are good inside.
func (s *Server) ConnectOutside() []error {
	url := s.server.ClientURL()
	var errs []error
	for _, pair := range []nkeys.KeyPair{nil, s.user, s.admin} {
		var opts []natsgo.Option
		if pair != nil {
			public, _ := pair.PublicKey()
			opts = append(opts, natsgo.Nkey(public, pair.Sign))
		}
		nc, err := natsgo.Connect(url, opts...)
		if err == nil {
			nc.Close()
		}
		errs = append(errs, err)
	}
	return errs
}

// Counts is clusterInfo.counts of what NATS says.
func Counts(t *testing.T, text, server string, replicas int) bool {
	t.Helper()
	var c *clusterInfo
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c.counts(server, replicas)
}

// Led is clusterInfo.led of what NATS says.
func Led(t *testing.T, text string) error {
	t.Helper()
	var c *clusterInfo
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c.led()
}

// AskPeers is askPeers: the names of those that count, by whether they are gone.
func AskPeers(ctx context.Context, nc *natsgo.Conn, name, id string) (map[string]bool, error) {
	peers, err := askPeers(ctx, nc, name, id)
	gone := make(map[string]bool)
	for _, p := range peers {
		gone[p.ID] = p.Offline
	}
	return gone, err
}

// PeerID is peerID.
func PeerID(name string) string { return peerID(name) }

// Current is current.
func (s *Server) Current() bool { return s.current() }

// HandOver is handOver. It returns who leads each group then, "" if nobody does.
func (s *Server) HandOver() (led []string) {
	s.handOver()
	for g := range s.groups() {
		led = append(led, g.Leader)
	}
	return led
}
