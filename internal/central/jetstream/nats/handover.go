package nats

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
)

// handOver gives what this server leads to others and waits until they do. The
// server's own shutdown gives it away too, but may cut the connections before the
// others have read that; then they elect, which takes 4 to 9 s.
func (s *Server) handOver() {
	if len(s.cfg.Peers) == 1 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOverTimeout)
	defer cancel()
	s.Yield()
	if s.server.JetStreamIsLeader() {
		_ = s.asAdmin(ctx, server.JSApiLeaderStepDown, nil, nil)
	}
	poll := time.NewTicker(handOverPoll)
	defer poll.Stop()
	for !s.ledByOthers() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

// Yield has others lead the streams that this server leads, and goes on.
func (s *Server) Yield() {
	for _, stream := range []string{streamName(s.cfg.Cluster), bucketStream(s.cfg.Cluster)} {
		// An error says that there is nothing to hand over.
		_ = s.server.JetStreamStepdownStream(server.DEFAULT_GLOBAL_ACCOUNT, stream)
	}
}

const handOverPoll = 10 * time.Millisecond

// ledByOthers tells whether each Raft group of this server has another leader.
func (s *Server) ledByOthers() bool {
	self := s.server.Node()
	for g := range s.groups() {
		if g.Leader == "" || g.Leader == self {
			return false
		}
	}
	return true
}

// groups are the server's Raft groups: that of the cluster's metadata, and one for each
// stream. A single server has none.
func (s *Server) groups() iter.Seq[server.RaftzGroup] {
	return func(yield func(server.RaftzGroup) bool) {
		for _, account := range []string{server.DEFAULT_SYSTEM_ACCOUNT, server.DEFAULT_GLOBAL_ACCOUNT} {
			groups := s.server.Raftz(&server.RaftzOptions{AccountFilter: account})
			if groups == nil {
				continue
			}
			for _, g := range (*groups)[account] {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// asAdmin asks the servers what only the system account may.
func (s *Server) asAdmin(ctx context.Context, subject string, request, response any) error {
	nc, err := natsgo.Connect("", s.inProcess(s.admin), natsgo.NoReconnect())
	if err != nil {
		return err
	}
	defer nc.Close()
	return ask(ctx, nc, subject, request, response)
}

// ask sends a request of JetStream's API and decodes the response, or its error.
func ask(ctx context.Context, nc *natsgo.Conn, subject string, request, response any) error {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	msg, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	var failed struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &failed); err != nil {
		return err
	}
	if failed.Error != nil {
		return failed.Error
	}
	if response == nil {
		return nil
	}
	return json.Unmarshal(msg.Data, response)
}
