package nats

import (
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// How soon a connection to a peer that says nothing is given up: pings are two
// seconds apart and three may be missing. TCP alone would take minutes, and until
// then what goes to a peer behind a cut is lost.
const (
	routePing     = 2 * time.Second
	routePingsOut = 3
	routeTLS      = 5 * time.Second
)

// clusterOptions make the server one of several.
func (s *Server) clusterOptions(opts *server.Options) {
	host, port := split(s.cfg.Listen)
	opts.Cluster = server.ClusterOpts{
		Name: s.cfg.Cluster, Host: host, Port: port, NoAdvertise: true,
		PingInterval: routePing, MaxPingsOut: routePingsOut, ConnectBackoff: false,
		Compression: server.CompressionOpts{Mode: server.CompressionOff},
		PoolSize:    1, // there is one account, and so one connection to carry it
	}
	if s.cfg.TLS != nil {
		opts.Cluster.TLSConfig = s.cfg.TLS.Clone()
		opts.Cluster.TLSTimeout = routeTLS.Seconds()
	}
	// A peer that is down is tried every second; one line a minute tells it.
	opts.ConnectErrorReports, opts.ReconnectErrorReports = 60, 60
	for _, p := range s.cfg.Peers {
		if p.Name == s.cfg.Node {
			opts.Cluster.Advertise = p.Address
			continue
		}
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: p.Address})
	}
}
