package nats

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// peer is a server that the cluster counts on.
type peer struct {
	ID      string `json:"peer"`
	Name    string `json:"name"` // some words where NATS has forgotten it
	Offline bool   `json:"offline"`
}

// entry is a member with its server, if this process has one.
func (s *Server) entry(m jetstream.MemberInfo) entry {
	if s == nil {
		return entry{MemberInfo: m}
	}
	return entry{MemberInfo: m, Server: s.name, Peer: s.server.Node()}
}

// evict takes the stopped servers of a member out of the cluster, whatever disks they
// had: they count no longer where it elects, and their replicas are made anew on
// servers that run, as soon as there are enough. So it does with those that are gone,
// have no name any more and are of no other member. A server of the same node that
// runs stays: it is the one with a new disk. Errors: jetstream.ErrRuns, and
// jetstream.ErrHeardOf while NATS takes a server that was killed for running.
func (s *Server) evict(ctx context.Context, gone entry, others map[string]entry) error {
	ctx, cancel := context.WithTimeout(ctx, evictTimeout)
	defer cancel()
	nc, err := natsgo.Connect("", s.inProcess(s.admin), natsgo.NoReconnect())
	if err != nil {
		return err
	}
	defer nc.Close()
	peers, err := askPeers(ctx, nc, gone.Server, gone.Peer)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(peers, func(p peer) bool { return p.ID == gone.Peer && !p.Offline }) {
		return jetstream.ErrHeardOf // before any is removed: one of a new disk may just be starting
	}
	known := make(map[string]bool)
	for _, m := range others {
		known[m.Peer] = true
	}
	for _, p := range peers {
		if !p.Offline || known[p.ID] || isServerName(p.Name) && nodeOf(p.Name) != gone.Name {
			continue
		}
		request := object{"peer_id": p.ID}
		if err := ask(ctx, nc, server.JSApiRemoveServer, request, nil); err != nil && !hasCode(err, codeNotPeer) {
			return fmt.Errorf("remove server %s: %w", p.Name, err)
		}
		s.cfg.Logger.Info("nats server removed", logServer, p.Name)
	}
	return nil
}

const evictTimeout = 2 * handOverTimeout

// askPeers returns the servers of the cluster, as the leader of its metadata knows
// them, unless the server of the name runs. All servers are asked: the leader takes one
// that was killed for running for minutes, where one that has come since then does not
// know it, whose word counts of the server with this id. And the leader may take one for
// gone that it has not heard of yet, which has a moment to answer for itself. Error:
// jetstream.ErrRuns.
func askPeers(ctx context.Context, nc *natsgo.Conn, name, id string) ([]peer, error) {
	answers, err := nc.SubscribeSync(natsgo.NewInbox())
	if err != nil {
		return nil, err
	}
	if err := nc.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", answers.Subject, nil); err != nil {
		return nil, err
	}
	var peers []peer
	gone := false // the server with the id, by the word of any
	runs := make(map[string]bool)
	for {
		m, err := answers.NextMsgWithContext(ctx)
		switch {
		case err != nil && peers != nil:
			for i := range peers {
				p := &peers[i]
				p.Offline = (p.Offline || gone && p.ID == id) && !runs[p.ID]
			}
			return peers, nil
		case err != nil:
			return nil, fmt.Errorf("ask for the cluster's servers: %w", err)
		}
		var a serverAnswer
		if err := json.Unmarshal(m.Data, &a); err != nil {
			return nil, fmt.Errorf("decode the cluster's servers: %w", err)
		}
		if a.Server.Name == name {
			return nil, jetstream.ErrRuns
		}
		runs[peerID(a.Server.Name)] = true
		meta := a.Data.Meta
		if meta == nil {
			continue
		}
		for _, p := range meta.Replicas {
			gone = gone || p.Offline && p.ID == id
		}
		if meta.Leader == a.Server.Name {
			peers = append([]peer{{ID: meta.Peer, Name: meta.Leader}}, meta.Replicas...)
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, answerTimeout)
			defer cancel()
		}
	}
}

// answerTimeout is how long a server that runs has for its answer after the leader's.
const answerTimeout = 2 * time.Second

// serverAnswer is a server's. Each has replicas: not all those that there are, where the
// server is new.
type serverAnswer struct {
	Server struct {
		Name string `json:"name"`
	} `json:"server"`
	Data struct {
		Meta *struct {
			Leader   string `json:"leader"`
			Peer     string `json:"peer"`
			Replicas []peer `json:"replicas"`
		} `json:"meta_cluster"`
	} `json:"data"`
}

// peerID is what a cluster calls a server of a name, as server.Server.Node.
func peerID(name string) string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(name))
	id := sum[:8]
	for i := range id {
		id[i] = letters[int(id[i])%len(letters)]
	}
	return string(id)
}
