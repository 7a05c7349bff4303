package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
)

// peer is a server that the cluster counts on.
type peer struct {
	Name    string `json:"name"`
	Offline bool   `json:"offline"`
}

// evict takes the stopped servers of a node out of the cluster: they count no longer
// where it elects, and their replicas are made anew on servers that run, as soon as
// there are enough. A server of the same node that runs stays: it is the one with a
// new disk.
func (s *Server) evict(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, evictTimeout)
	defer cancel()
	nc, err := natsgo.Connect("", s.inProcess(s.admin), natsgo.NoReconnect())
	if err != nil {
		return err
	}
	defer nc.Close()
	peers, err := askPeers(ctx, nc)
	if err != nil {
		return err
	}
	var runs, stopped int
	for _, p := range peers {
		switch {
		case nodeOf(p.Name) != node:
			continue
		case !p.Offline:
			runs++
			continue
		}
		stopped++
		request := object{"peer": p.Name}
		if err := ask(ctx, nc, server.JSApiRemoveServer, request, nil); err != nil && !hasCode(err, codeNotPeer) {
			return fmt.Errorf("remove server %s: %w", p.Name, err)
		}
		s.cfg.Logger.Info("nats server removed", logServer, p.Name)
	}
	if runs > 0 && stopped == 0 {
		return errRuns
	}
	return nil
}

const evictTimeout = 2 * handOverTimeout

var errRuns = errors.New("it is running: stop it first")

// askPeers returns the servers of the cluster, as the leader of its metadata knows
// them. All servers answer, and the leader names them.
func askPeers(ctx context.Context, nc *natsgo.Conn) ([]peer, error) {
	answers, err := nc.SubscribeSync(natsgo.NewInbox())
	if err != nil {
		return nil, err
	}
	if err := nc.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", answers.Subject, nil); err != nil {
		return nil, err
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask for the cluster's servers: %w", err)
		}
		var answer struct {
			Data struct {
				Meta *struct {
					Leader   string `json:"leader"`
					Replicas []peer `json:"replicas"`
				} `json:"meta_cluster"`
			} `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return nil, fmt.Errorf("decode the cluster's servers: %w", err)
		}
		if meta := answer.Data.Meta; meta != nil && len(meta.Replicas) > 0 {
			return append(meta.Replicas, peer{Name: meta.Leader}), nil
		}
	}
}
