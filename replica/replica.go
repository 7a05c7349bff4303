// Package replica is an edge inside your own process: a copy of a godwit's
// data, or of some of its namespaces, in memory or in a directory, that follows
// the same feed and keeps the same promises as a node of its own. Reads are
// function calls; a hot key costs well under a microsecond and no allocation.
//
//	r, err := replica.Open(ctx, replica.Config{
//		Upstreams: []string{"https://godwit.example.com"},
//		Token:     os.Getenv("GODWIT_TOKEN"), // permission replicate
//	})
//	...
//	flags, err := r.Namespace(ctx, "flags")
//	...
//	e, err := flags.Get(ctx, "new-checkout")
//
// A write goes to the upstream ([Config.WriteToken]), and this process sees it
// at once. While the upstream is away reads go on from the copy; how old that may
// be is in [Replica.Status].
//
// Errors are those of package godwit, to be told by [errors.Is]:
// [godwit.ErrKeyNotFound], [godwit.ErrNamespaceNotFound], and others that each
// method names. docs/consistency.md states what a read may miss.
package replica

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// Config is what a replica needs. Upstreams and Token are required.
type Config struct {
	// Upstreams are URLs of API ports, such as https://godwit.example.com, in
	// order of preference.
	Upstreams []string
	// Token has permission replicate, for all namespaces or for some.
	Token string
	// WriteToken has permission write. Default: none, and writes are refused.
	WriteToken string

	// Dir keeps the copy, so that the next start goes on from there, whether the
	// upstream answers or not. One replica or node at a time may have it open.
	// Default: memory, and each start begins with a first copy.
	Dir string
	// EncryptionKeyFile holds the keys that Dir is encrypted with, one a line, the
	// active one first: 32 random bytes as hexadecimal digits or base64. The file is
	// its owner's alone. Default: Dir is not encrypted.
	EncryptionKeyFile string
	// Namespaces are ids or titles. Default: all that the token may read. Reads
	// of others are passed on.
	Namespaces []string
	// Jurisdictions are those whose namespaces may be in this process and in Dir: "eu",
	// "us", "fedramp". Default: none; reads of namespaces that are of any are passed on,
	// and nothing of theirs is kept.
	Jurisdictions []string
	// MaxValue withholds longer values, in bytes, until they are read.
	// Default: none.
	MaxValue int64
	// ValueCacheBytes bounds the withheld values that are kept. Default: 1 GiB.
	ValueCacheBytes int64
	// CacheBytes is memory for what is read most. Default: 64 MiB.
	CacheBytes int64

	Location string       // for the tree of nodes
	TLS      *tls.Config  // of upstreams; default: the system's
	Logger   *slog.Logger // default: none
	// Metrics has the replica's while it is open. Of several replicas, only the first
	// comes into a registry: give each its own, or prometheus.WrapRegistererWith.
	// Default: none.
	Metrics prometheus.Registerer
}

const (
	defaultCacheBytes = 64 << 20
	memoryDir         = "/replica" // in a file system of its own
	refreshWait       = time.Second
)

// Replica follows. Its methods may be called from many goroutines.
type Replica struct {
	cfg     Config
	id      string
	store   *store.Store
	edge    *edge.Edge
	hub     *watch.Hub
	catalog atomic.Pointer[catalog.Catalog]
	clock   *edge.Clock
	reads   gate
	closing sync.Once
	closed  error
}

// Open opens the copy and starts to follow. It returns at once, whether an
// upstream answers or not; see [Replica.Ready]. Errors: the configuration, a
// directory in use or damaged.
func Open(ctx context.Context, cfg Config) (*Replica, error) {
	if len(cfg.Upstreams) == 0 || cfg.Token == "" {
		return nil, errors.New("a replica needs Upstreams and a Token")
	}
	for _, j := range cfg.Jurisdictions {
		if err := godwit.ValidateJurisdiction(j); err != nil {
			return nil, err
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	r := &Replica{cfg: cfg, id: newID()}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Replica) open(ctx context.Context) (err error) {
	r.clock = edge.NewClock(time.Now)
	sc := store.Config{
		Dir: memoryDir, Now: r.clock.Now, Sure: r.clock.Sure, Logger: r.cfg.Logger, Metrics: r.cfg.Metrics,
		CacheBytes: r.cfg.CacheBytes, Follower: true,
	}
	if r.cfg.Dir == "" {
		sc.FS, sc.DiskReserve = store.NewMemFS(), -1
	} else {
		sc.Dir = r.cfg.Dir
		if sc.Keys, err = store.ReadKeys(r.cfg.EncryptionKeyFile); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Clean(sc.Dir), 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	if r.store, err = store.Open(ctx, sc); err != nil {
		return err
	}
	r.hub = watch.New(watch.Config{Store: r.store, Follower: true, Now: r.clock.Now, Logger: r.cfg.Logger, Metrics: r.cfg.Metrics})
	r.store.SetOnCommit(r.hub.Committed)
	r.store.SetOnExpired(r.hub.Expired)
	r.store.SetOnSystem(func(records []godwit.Record) {
		if c := r.catalog.Load(); c != nil { // else it reads them from the store
			c.Apply(records)
		}
	})
	c, err := catalog.Open(ctx, catalog.Config{Source: r.store, Now: r.clock.Now, Follower: true, Refresh: r.refresh})
	if err != nil {
		return fmt.Errorf("open catalog: %w", err)
	}
	r.catalog.Store(c)
	r.edge, err = edge.Open(ctx, edge.Config{
		Store: r.store, Clock: r.clock, Upstreams: r.cfg.Upstreams, Token: r.cfg.Token,
		Namespaces: r.cfg.Namespaces, MaxValue: r.cfg.MaxValue, ValueCacheBytes: r.cfg.ValueCacheBytes,
		Jurisdictions: r.cfg.Jurisdictions, Catalog: c,
		TLS: r.cfg.TLS, Self: r.self, Mixed: r.hub.Mixed, Exact: r.hub.Exact,
		Logger: r.cfg.Logger, Metrics: r.cfg.Metrics,
	})
	return err
}

// refresh waits until the copy has what the upstream had when it was asked.
func (r *Replica) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	revision, err := r.edge.Barrier(ctx)
	if err != nil {
		return err
	}
	return r.edge.Await(ctx, revision)
}

func (r *Replica) self() feed.NodeInfo {
	return feed.NodeInfo{ID: r.id, Role: "replica", Location: r.cfg.Location, Jurisdictions: r.cfg.Jurisdictions}
}

// Close stops following and closes the copy, once the reads under way are done. Watches
// end; what is asked afterwards is CodeUnavailable. Closing again returns the same.
func (r *Replica) Close() error {
	r.closing.Do(func() { r.closed = r.close() })
	return r.closed
}

func (r *Replica) close() (err error) {
	if r.hub != nil {
		r.hub.Close()
	}
	if r.edge != nil {
		err = r.edge.Close()
	}
	r.reads.close()
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	return err
}

// Failed delivers an error once the replica can follow no longer: its disk
// failed, or the upstream's data is of another cluster than the directory's.
func (r *Replica) Failed() <-chan error { return r.edge.Failed() }

// readyEvery is how often Ready looks.
const readyEvery = 5 * time.Millisecond

// Ready returns once reads can be served: when the first copy is complete, or at
// once where the directory holds one. Errors: the context's; CodeUnavailable when the
// replica is closed.
func (r *Replica) Ready(ctx context.Context) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		if ready, err := r.ready(); ready || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (r *Replica) ready() (bool, error) {
	if err := r.reads.enter(); err != nil {
		return false, err
	}
	defer r.reads.leave()
	return r.edge.Ready(), nil
}

// Status is how a replica stands to its upstream.
type Status struct {
	Upstream  string          // URL that is followed, or was last
	Connected bool            // its feed is open
	Revision  godwit.Revision // the last that the copy holds
	Staleness time.Duration   // for how long the copy may have missed a write; below 0: unknown
	Keys      int64           // entries
	Bytes     int64           // of their keys, values and metadata
	Progress  string          // of becoming a copy, "" when it is one
	Problem   string          // why it does not follow, "" if it does
}

// Status returns how the replica stands. Closed, it has a Problem, and nothing else is
// known of it.
func (r *Replica) Status() Status {
	if err := r.reads.enter(); err != nil {
		return Status{Staleness: -1, Problem: godwit.MessageOf(err)}
	}
	defer r.reads.leave()
	e, s := r.edge.Status(), r.store.Stats()
	return Status{
		Upstream: e.Upstream, Connected: e.Connected, Revision: s.Revision, Staleness: e.Staleness,
		Keys: s.Keys, Bytes: s.Bytes, Progress: e.Progress, Problem: e.Problem,
	}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
