package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/central/quota"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// readyEvery is how often an edge is asked whether it is ready, until it is.
const readyEvery = 20 * time.Millisecond

// origin is what answers a node's reads and decides its writes: at the centre
// its store and its log, at an edge the edge. It is filled in after those who
// hold it are made, and before anything is served.
type origin struct {
	godwit.Reader
	godwit.Log
	godwit.Uploader
}

// openFollowers makes what tells others of commits, and hooks it to the store,
// into which nothing has been written yet.
func (n *Node) openFollowers() {
	n.feed = feed.NewServer(feed.ServerConfig{
		Store: n.store, Reader: &n.origin, Log: &n.origin, Uploader: &n.origin,
		Catalog: n.catalog.Load, Limits: n.cfg.Limits, Owner: !n.cfg.edge(), Shared: n.cfg.member(), Place: n.placeOf,
		Outranked: n.outranked, Exact: n.exact, Age: n.age, Carries: n.carries, Self: n.self, Requests: n.answered,
		Now: n.now, Sure: n.sure, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	n.hub = watch.New(watch.Config{
		Store: n.store, Follower: n.cfg.follows(), Now: n.now, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	n.store.SetOnSystem(func(records []godwit.Record) {
		if c := n.catalog.Load(); c != nil { // else it reads them from the store
			c.Apply(records)
		}
	})
	n.store.SetOnCommit(func(c *store.Committed) {
		n.cfg.Observer.Committed(c)
		n.feed.Committed(c)
		n.hub.Committed(c)
	})
	n.store.SetOnExpired(n.hub.Expired)
}

// answered is how many requests were answered so far.
func (n *Node) answered() uint64 { return n.service.Answered() }

// openCentre starts the log, and the catalog behind it. Records that come
// before the catalog is there are in the store when it reads it.
func (n *Node) openCentre(ctx context.Context) error {
	log, err := embedded.Open(ctx, embedded.Config{Store: n.store, Now: n.sure, Logger: n.cfg.Logger})
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	n.stand(centre{log})
	n.origin = origin{&centreReader{n.store}, n.withinQuotas(log), n.store}
	n.fence.log = log
	if by := n.store.Fenced(); by != 0 {
		n.tellFenced(by)
	}
	close(n.ready)
	return n.openCatalog(ctx, catalog.Config{MayMake: n.mayCarry})
}

// withinQuotas is a log that holds namespaces to what they may hold. The catalog may
// not be open yet.
func (n *Node) withinQuotas(log godwit.Log) godwit.Log {
	return quota.New(quota.Config{
		Log: log, Size: n.store.NamespaceStats, Reader: n.store, Metrics: n.cfg.Metrics,
		Namespace: func(id godwit.NamespaceID) *godwit.Namespace {
			if c := n.catalog.Load(); c != nil {
				return c.KnownNamespace(id)
			}
			return nil
		},
	})
}

// openEdge opens the catalog as the store has it, and starts to follow.
func (n *Node) openEdge(ctx context.Context) error {
	err := n.openCatalog(ctx, catalog.Config{Follower: true, Identify: n.identify, Refresh: n.refresh})
	if err != nil {
		return err
	}
	e, err := edge.Open(n.root, edge.Config{
		Store: n.store, Clock: n.clock, Upstreams: n.cfg.Upstreams, Token: n.cfg.UpstreamToken, Account: n.cfg.Account,
		Namespaces: n.cfg.Namespaces, MaxValue: n.cfg.MaxValue, ValueCacheBytes: n.cfg.ValueCacheBytes,
		Jurisdictions: n.cfg.Jurisdictions, Catalog: n.catalog.Load(),
		Dial: n.cfg.Dial, TLS: n.upstreamTLS, Self: n.self, Followers: n.feed.Followers,
		Mixed: n.mixed, Exact: n.whole,
		Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	if err != nil {
		return fmt.Errorf("open edge: %w", err)
	}
	n.edge.Store(e)
	n.stand(e)
	n.origin = origin{e, e, e}
	return nil
}

// mixed and whole are told when the store stops being an exact prefix of the log,
// and when it is one again.

func (n *Node) mixed() {
	n.cfg.Observer.Mixed()
	n.feed.Suspend()
	n.hub.Mixed()
}

func (n *Node) whole(reset bool) {
	n.cfg.Observer.Exact(reset)
	n.feed.Resume()
	n.hub.Exact(reset)
}

func (n *Node) openCatalog(ctx context.Context, cfg catalog.Config) error {
	cfg.Source, cfg.Log, cfg.Now = n.store, &n.origin, n.now
	cfg.Account, cfg.RootToken = n.cfg.Account, n.cfg.RootToken
	c, err := catalog.Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("open catalog: %w", err)
	}
	n.catalog.Store(c)
	return nil
}

// awaitReady notes when a follower's copy is complete. Error: none; it ends with
// ctx.
func (n *Node) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for !n.isReady() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	close(n.ready)
	n.cfg.Logger.Info("reads are served: the copy is complete",
		slog.String(logAccount, n.Account()), slog.String(logRevision, n.store.Revision().String()))
	return nil
}

// Ready is closed once reads are served.
func (n *Node) Ready() <-chan struct{} { return n.ready }

func (n *Node) carries() feed.Filter {
	if e := n.edge.Load(); e != nil {
		return e.Carries()
	}
	return feed.Filter{}
}

// carriesNamespace tells whether the node answers for a namespace from its own copy.
func (n *Node) carriesNamespace(ns godwit.NamespaceID) bool {
	f := n.carries()
	j := n.catalog.Load().Jurisdiction(ns)
	if j != "" && f.Jurisdictions != nil && !slices.Contains(f.Jurisdictions, j) {
		return false
	}
	return f.Namespaces == nil || slices.Contains(f.Namespaces, ns)
}

// newID names this process in the tree of nodes.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process first
	return hex.EncodeToString(b[:])
}
