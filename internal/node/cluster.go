package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// member tells whether c is of one of several nodes that share a log.
func (c *Config) member() bool { return c.Cluster != "" || c.OpenShared != nil }

// ownServer tells whether the member's NATS is in this process.
func (c *Config) ownServer() bool { return len(c.NATS) == 0 }

// validateCluster returns what is wrong with what makes a member.
func (c *Config) validateCluster() (problems []error) {
	complain := func(flag, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", flag, fmt.Sprintf(format, args...)))
	}
	if c.Cluster == "" {
		for _, f := range []struct {
			flag  string
			given bool
		}{
			{"--node", c.Node != "" && c.OpenShared == nil}, {"--cluster-listen", c.ClusterListen != ""}, {"--cluster-peers", len(c.ClusterPeers) > 0},
			{"--nats", len(c.NATS) > 0}, {"--nats-creds", c.NATSCreds != ""}, {"--nats-ca", c.NATSCA != ""},
			{"--cluster-cert", c.ClusterCert != ""}, {"--cluster-key", c.ClusterKey != ""}, {"--cluster-ca", c.ClusterCA != ""},
		} {
			if f.given {
				complain(f.flag, "is for a member, which --cluster makes")
			}
		}
		return problems
	}
	if c.edge() {
		complain("--cluster", "--cluster and --upstream exclude each other: a member follows the cluster's log")
	}
	if err := nats.CheckName(c.Cluster); err != nil {
		complain("--cluster", "%v", err)
	}
	if err := nats.CheckName(c.Node); err != nil {
		complain("--node", "%v", err)
	}
	if c.ownServer() {
		return append(problems, c.validateServer()...)
	}
	for flag, given := range map[string]bool{
		"--cluster-listen": c.ClusterListen != "", "--cluster-peers": len(c.ClusterPeers) > 0,
		"--cluster-cert": c.ClusterCert != "", "--cluster-key": c.ClusterKey != "", "--cluster-ca": c.ClusterCA != "",
	} {
		if given {
			complain(flag, "is for a cluster's own server, which --nats replaces")
		}
	}
	return problems
}

// validateServer returns what is wrong with a NATS server in this process.
func (c *Config) validateServer() (problems []error) {
	complain := func(flag, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", flag, fmt.Sprintf(format, args...)))
	}
	if c.NATSCreds != "" || c.NATSCA != "" {
		complain("--nats-creds", "--nats-creds and --nats-ca go with --nats")
	}
	peers, err := nats.ParsePeers(c.ClusterPeers, c.Node)
	switch {
	case len(c.ClusterPeers) == 0:
		complain("--cluster-peers", "is needed with --cluster, or else --nats: name all members as name=host:port")
		return problems
	case err != nil:
		complain("--cluster-peers", "%v", err)
		return problems
	}
	if c.ClusterListen == "" && len(peers) > 1 {
		complain("--cluster-listen", "is needed with --cluster-peers")
	} else if c.ClusterListen != "" {
		if err := nats.CheckListen(c.ClusterListen); err != nil {
			complain("--cluster-listen", "%v", err)
			return problems
		}
	}
	withTLS := c.ClusterCert != "" && c.ClusterKey != "" && c.ClusterCA != ""
	if !withTLS && (c.ClusterCert != "" || c.ClusterKey != "" || c.ClusterCA != "") {
		complain("--cluster-cert", "--cluster-cert, --cluster-key and --cluster-ca go together")
	} else if c.ClusterListen != "" {
		if err := nats.CheckExposure(c.ClusterListen, peers, withTLS); err != nil {
			complain("--cluster-listen", "%v", err)
		}
	}
	return problems
}

// openShared opens the log that the members share.
func (n *Node) openShared(ctx context.Context) (*Shared, error) {
	if n.cfg.OpenShared != nil {
		return n.cfg.OpenShared(ctx)
	}
	c := &n.cfg
	replicas := 3
	conn := nats.Config{URLs: c.NATS, Creds: c.NATSCreds, CA: c.NATSCA, Name: "godwit " + c.Node, Logger: c.Logger}
	if c.ownServer() {
		server, err := n.openServer(ctx)
		if err != nil {
			return nil, err
		}
		conn.Server, replicas = server, len(c.ClusterPeers)
	}
	s, err := connectShared(ctx, c, conn, replicas)
	if err != nil && conn.Server != nil {
		err = errors.Join(err, conn.Server.Close())
	}
	return s, err
}

func (n *Node) openServer(ctx context.Context) (*nats.Server, error) {
	c := &n.cfg
	peers, err := nats.ParsePeers(c.ClusterPeers, c.Node)
	if err != nil {
		return nil, err
	}
	var mutual *tls.Config
	if c.ClusterCert != "" {
		if mutual, err = n.clusterTLS(); err != nil {
			return nil, err
		}
	}
	key, err := n.natsKey()
	if err != nil {
		return nil, err
	}
	return nats.OpenServer(ctx, nats.ServerConfig{
		Key:     key,
		Cluster: c.Cluster, Node: c.Node, Dir: c.Dir, Listen: c.ClusterListen, Peers: peers, TLS: mutual, Logger: c.Logger,
	})
}

// connectShared opens stream and registry over a connection.
func connectShared(ctx context.Context, c *Config, cfg nats.Config, replicas int) (*Shared, error) {
	conn, err := nats.Connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	stream, err := nats.OpenStream(ctx, nats.StreamConfig{Conn: conn, Cluster: c.Cluster, Replicas: replicas, Logger: c.Logger})
	if err != nil {
		conn.Close()
		return nil, err
	}
	var yield func() // another's servers have their own clocks
	if cfg.Server != nil {
		yield = cfg.Server.Yield
	}
	return &Shared{
		Yield:    yield,
		Stream:   stream,
		Registry: nats.NewRegistry(nats.RegistryConfig{Conn: conn, Cluster: c.Cluster, Replicas: replicas, Logger: c.Logger}),
		Close: func() error {
			err := stream.Close()
			if cfg.Server != nil { // it hands over what it leads, over a connection of its own
				err = errors.Join(err, cfg.Server.Close())
			}
			conn.Close()
			return err
		},
	}, nil
}
