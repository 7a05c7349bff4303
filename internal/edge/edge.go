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
	"io"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// Config is what an edge needs. Store, Clock, Upstreams and Token are required.
type Config struct {
	Store     *store.Store // opened with Follower, and Clock.Now
	Clock     *Clock
	Upstreams []string // URLs, in order of preference
	Token     string
	Account   string // that the upstream must have, or the edge fails; "": any

	Namespaces      []string // ids or titles; nil: all
	MaxValue        int64    // longer values are fetched when they are read; 0: none
	ValueCacheBytes int64    // of those kept; default 1 GiB

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

// Get implements godwit.Reader.
func (e *Edge) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	panic("later")
}

// GetMany implements godwit.Reader.
func (e *Edge) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	panic("later")
}

// List implements godwit.Reader.
func (e *Edge) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	panic("later")
}

// OpenValue implements godwit.Reader. A value that is not here is fetched.
// Error: godwit.ErrReplaced, after which the caller gets the entry again.
func (e *Edge) OpenValue(ctx context.Context, ns godwit.NamespaceID, entry *godwit.Entry) (io.ReadCloser, error) {
	panic("later")
}

// Revision implements godwit.Reader.
func (e *Edge) Revision() godwit.Revision { panic("later") }

// Propose implements godwit.Log: the upstream decides, with the credential that
// ctx carries (see godwit.WithCredential), and this node waits until it shows
// the effect.
func (e *Edge) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	panic("later")
}

// Barrier implements godwit.Log.
func (e *Edge) Barrier(ctx context.Context) (godwit.Revision, error) { panic("later") }

// Upload implements godwit.Uploader: the value is kept here until it is
// proposed.
func (e *Edge) Upload(ctx context.Context, r io.Reader, limit int64) (godwit.Value, error) {
	panic("later")
}

// Discard implements godwit.Uploader.
func (e *Edge) Discard(v godwit.Value) { panic("later") }

// Identify asks upstream whom a credential stands for that is not known here.
// Answers are kept for a while. Error: ErrUnauthenticated; CodeUnavailable
// while the upstream is away.
func (e *Edge) Identify(ctx context.Context, secret []byte) (t *godwit.Token, root bool, err error) {
	panic("later")
}
