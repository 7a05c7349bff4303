package nats

import (
	"context"
	"time"
)

// Status is how the stream is kept.
type Status struct {
	Leader   string    `json:"leader"` // server that leads it
	Replicas []Replica `json:"replicas,omitempty"`
	// Durability is what is known of when a message that a quorum has taken is on
	// disks.
	Durability string `json:"durability"`
}

// Replica is a server that follows the leader.
type Replica struct {
	Server  string        `json:"server"`
	Node    string        `json:"node,omitempty"` // whose server that is, where servers are embedded
	Current bool          `json:"current"`
	Offline bool          `json:"offline,omitempty"`
	Lag     uint64        `json:"lag,omitempty"` // messages that it lacks
	Seen    time.Duration `json:"seen"`          // how long ago the leader heard of it
}

// Status asks the leader how the stream is kept.
func (s *Stream) Status(ctx context.Context) (Status, error) {
	status := Status{Durability: s.Durability()}
	if err := s.usable(); err != nil {
		return status, err
	}
	i, err := s.info(ctx)
	if err != nil {
		return status, err
	}
	if i.Cluster == nil {
		status.Leader = s.conn.nc.ConnectedServerName()
		return status, nil
	}
	status.Leader = i.Cluster.Leader
	for _, r := range i.Cluster.Replicas {
		replica := Replica{Server: r.Name, Current: r.Current, Offline: r.Offline, Lag: r.Lag, Seen: r.Active}
		if s.conn.cfg.Server != nil && isServerName(r.Name) {
			replica.Node = nodeOf(r.Name)
		}
		status.Replicas = append(status.Replicas, replica)
	}
	return status, nil
}

// Durability says what is known of it. NATS tells no client how often its servers
// sync, so of servers that others run it is not known.
func (s *Stream) Durability() string {
	if s.conn.cfg.Server != nil {
		return "synced by a quorum before it is acknowledged (sync_interval: always)"
	}
	return "acknowledged by a quorum; whether its servers sync first could not be verified: set sync_interval: always in their configuration"
}
