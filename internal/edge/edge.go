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
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	cfg    Config
	store  *store.Store
	follow *follower
	values *values
}

var (
	_ godwit.Reader   = (*Edge)(nil)
	_ godwit.Log      = (*Edge)(nil)
	_ godwit.Uploader = (*Edge)(nil)
)

// Open starts to follow, and returns at once, whether an upstream answers or
// not.
func Open(ctx context.Context, cfg Config) (*Edge, error) { panic("later") }

// Close stops following. The store stays open.
func (e *Edge) Close() error { panic("later") }

// Failed delivers an error once the edge cannot go on: the disk failed, the
// upstream is of another cluster.
func (e *Edge) Failed() <-chan error { panic("later") }

// Ready tells whether reads can be served: the first copy is complete.
func (e *Edge) Ready() bool { panic("later") }

// Status is how the edge stands to its upstream.
type Status struct {
	Upstream  string        // URL followed now, or last
	Connected bool          // its feed is open and its heartbeats come
	Exact     bool          // the store has been an exact prefix since the start
	Staleness time.Duration // for how long the copy may have missed a write; below 0: unknown
	Lag       int64         // revisions behind the upstream, as last heard
	Progress  string        // of a reconcile, "" outside of one
	Missing   int           // values still to be fetched
	Problem   string        // why it does not follow, "" if it does
}

// Status returns how the edge stands.
func (e *Edge) Status() Status { panic("later") }

// Exact tells whether the store is an exact prefix of the log, as an upstream has
// said since the start: nobody may follow this node before.
func (e *Edge) Exact() bool { panic("later") }

// Age is for how long the copy may have missed a write, and very long while that
// is not known: what this node's heartbeats tell those behind it.
func (e *Edge) Age() time.Duration { panic("later") }

// Carries is what of the upstream's data the edge holds.
func (e *Edge) Carries() feed.Filter { panic("later") }

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
