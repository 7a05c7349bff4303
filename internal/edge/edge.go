// Package edge follows an upstream: it applies the upstream's feed to the local
// store, knows how stale the copy is, answers reads from it or asks upstream,
// and passes writes on.
//
// To the packages above it is a godwit.Reader, a godwit.Log and a
// godwit.Uploader, as a central node's are. It must not import an API.
package edge

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// Config is what an edge needs. Store, Clock, Upstreams and Token are required.
type Config struct {
	Store     *store.Store // opened with Follower, Clock.Now and Clock.Sure
	Clock     *Clock
	Upstreams []string // URLs, in order of preference
	Token     string
	Account   string // that the upstream must have, or the edge fails; "": any

	Namespaces      []string // ids or titles; nil: all
	MaxValue        int64    // longer values are fetched when they are read; 0: none
	ValueCacheBytes int64    // of those kept; default 1 GiB

	// Jurisdictions are those whose namespaces this node may carry: nothing of others
	// comes to its disk, and their requests go upstream. feed.AllJurisdictions: those
	// that the upstream carries.
	Jurisdictions []string
	// Catalog is that of the store's content: it says which namespaces are of which.
	// nil: nothing is read or written through this node.
	Catalog *catalog.Catalog

	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config
	Self func() feed.NodeInfo // for the tree; the edge fills in what it knows better

	// Followers are those behind this node, for the tree; nil: none.
	Followers func() []feed.Node

	// Mixed is told before the store stops being an exact prefix of the log, and
	// Exact once it is one again; reset: deletions were left out on the way, so
	// that nobody may go on from before. nil: nobody is told.
	Mixed func()
	Exact func(reset bool)

	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Edge follows. Its methods may be called from many goroutines.
type Edge struct {
	cfg     Config
	store   *store.Store
	log     *slog.Logger
	clients []*feed.Client // in order of preference

	follow   *follower
	values   *values
	reporter *reporter
	status   *board
	metrics  *metrics
	session  atomic.Pointer[session] // the stream that is followed; nil: none

	hold       hold
	bound      bound
	behind     behind
	lanes      lanes
	identities *identities

	memory   *memory     // uploads that must not come to the disk
	copied   atomic.Bool // a first copy was completed
	unsynced atomic.Bool // something was applied since the last sync

	ctx    context.Context // of the edge's own work
	cancel context.CancelFunc
	work   errgroup.Group
	failed chan error
}

var (
	_ godwit.Reader   = (*Edge)(nil)
	_ godwit.Log      = (*Edge)(nil)
	_ godwit.Uploader = (*Edge)(nil)
)
