package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/binding"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/dashboard"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/scrub"
	"github.com/godwitkv/godwit/internal/steady"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/trace"
	"github.com/godwitkv/godwit/internal/trace/export"
	"github.com/godwitkv/godwit/internal/watch"
)

// Log keys.
const (
	logAPI      = "api"
	logBinding  = "binding"
	logPprof    = "pprof"
	logDir      = "dir"
	logAccount  = "account"
	logCluster  = "cluster_id"
	logRevision = "revision"
	logVersion  = "version"
	logError    = "error"
	logFile     = "file"
	logTimeout  = "timeout"
	logAddress  = "address"
	logKey      = "encryption_key_id"

	logGeneration = "generation"
	logFencedBy   = "fenced_by"
	logAdvice     = "advice"
	logUse        = "use"
	logUntil      = "until"
	logMode       = "mode"
)

// Node is a running node. Its methods may be called from many goroutines.
type Node struct {
	cfg     Config
	id      string // of this process, in the tree of nodes
	started time.Time
	clock   *edge.Clock // corrected at an edge
	steady  *steady.Clock

	store    *store.Store
	origin   origin
	standing atomic.Pointer[standing]
	edge     atomic.Pointer[edge.Edge]        // nil unless the node is one
	member   atomic.Pointer[jetstream.Member] // nil unless the node is one
	catalog  atomic.Pointer[catalog.Catalog]
	feed     *feed.Server
	hub      *watch.Hub
	service  *api.Service
	scrub    *scrub.Scrubber
	again    chan struct{}    // told that the node is to become a new copy
	audit    *audit.Log       // nil: nothing is recorded
	traces   *export.Exporter // nil: nothing is traced

	certificates []certificate // that the node shows

	upstreamTLS *tls.Config
	passing     http.RoundTripper  // of requests to other nodes; nil at the centre
	registry    jetstream.Registry // of the members; nil unless the node is one
	joiner      *jetstream.Joiner  // nil unless the node is a member
	refreshes   *rate.Limiter
	ready       chan struct{} // closed once reads are served

	api       *http.Server
	dashboard *dashboard.Dashboard
	binding   *binding.Server
	pprof     *http.Server // nil: none
	listen    listeners
	draining  atomic.Bool

	fence        fence
	rotating     sync.Mutex // held to replace the root token
	rootByFlag   bool
	newRootToken string

	requests inFlight
	root     context.Context // of what requests and workers do
	cancel   context.CancelFunc
	workers  *errgroup.Group
	failed   context.Context // ends when a worker fails, or with root
	closing  sync.Once
	closed   error
}

// Open opens the store in cfg.Dir and all that stands on it, and serves. The
// node goes on until Close. Errors are those of Config.Validate, store.Open
// (ErrInUse, ErrVersion and ErrCorrupt leave the directory as it was), ErrMember,
// catalog.Open and of listening.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	n := &Node{
		cfg: cfg, id: newID(), started: cfg.Now(), clock: edge.NewClock(cfg.Now), steady: steady.New(cfg.Now, cfg.Doubt), rootByFlag: cfg.RootToken != "",
		refreshes: newRefreshes(), ready: make(chan struct{}), again: make(chan struct{}, 1),
	}
	n.root, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.open(ctx); err != nil {
		n.cancel()
		return nil, errors.Join(err, n.endStreams(ctx), n.release())
	}
	n.serve()
	n.announce()
	return n, nil
}

// open makes everything, from the disk up. Nothing serves yet.
func (n *Node) open(ctx context.Context) error {
	certificate, err := n.portsCertificate()
	if err != nil {
		return err
	}
	if n.upstreamTLS, err = n.cfg.upstreamTLS(); err != nil {
		return err
	}
	if err := n.openTraces(ctx); err != nil {
		return err
	}
	if err := n.openStore(ctx); err != nil {
		return err
	}
	if err := n.checkJurisdictions(); err != nil {
		return err
	}
	if n.listen, err = n.bind(certificate); err != nil {
		return err
	}
	n.openFollowers()
	if err := n.openLog(ctx); err != nil {
		return err
	}
	if err := n.openAudit(); err != nil {
		return err
	}
	n.traceOrigin()
	n.openService()
	return n.openScrub(ctx)
}

// openAudit opens the audit log, if there is to be one.
func (n *Node) openAudit() (err error) {
	if n.cfg.AuditLog == "" {
		return nil
	}
	n.audit, err = audit.Open(audit.Config{
		File: n.cfg.AuditLog, MaxBytes: n.cfg.AuditMaxBytes, Strict: n.cfg.AuditStrict, Node: cmp.Or(n.cfg.Node, n.cfg.Location, n.APIURL()),
		Upstream: n.cfg.edge(), Withheld: n.barred, Now: n.now, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	return err
}

// Reload has the audit log's file opened again by its name, and certificates read again.
func (n *Node) Reload() {
	n.audit.Reopen()
	n.renewCertificates()
}

// openLog opens what the node's writes go to, wherever that is.
func (n *Node) openLog(ctx context.Context) error {
	switch {
	case n.cfg.edge():
		n.passing = trace.Transport(newPassTransport(&n.cfg, n.upstreamTLS), passSpan)
		return n.openEdge(ctx)
	case n.cfg.member():
		n.passing = trace.Transport(newPassTransport(&n.cfg, n.upstreamTLS), passSpan)
		return n.openMember(ctx)
	}
	if err := n.openRootToken(); err != nil {
		return err
	}
	return n.openCentre(ctx)
}

// now is the time, corrected by the upstream's at an edge.
func (n *Node) now() time.Time { return n.clock.Now() }

// sure is a time that has come for sure, whatever becomes of this machine's clock; zero:
// none is known to have.
func (n *Node) sure() time.Time {
	switch {
	case n.cfg.edge():
		return n.clock.Sure()
	case !n.cfg.member():
		return n.steady.Now()
	}
	if m := n.member.Load(); m != nil {
		return m.Sure()
	}
	return time.Time{}
}

// openRootToken reads the root token, or makes one, if none was given.
func (n *Node) openRootToken() error {
	if n.rootByFlag {
		return nil
	}
	token, created, err := loadRootToken(n.cfg.Dir)
	if err != nil {
		return err
	}
	n.cfg.RootToken = token
	if created {
		n.newRootToken = token
	}
	return nil
}

// history is where earlier versions of keys are read; an edge keeps none.
func (n *Node) history() godwit.History {
	if n.cfg.edge() {
		return nil
	}
	return n.store
}

// openService makes what answers clients.
func (n *Node) openService() {
	n.service = api.New(api.Config{
		Reader: n.origin.Reader, Log: n.origin.Log, Uploader: n.origin.Uploader, Catalog: n.catalog.Load(),
		History: n.history(), Limits: n.cfg.Limits, Now: n.now, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
		Audit: n.audit,
	})
	n.cfg.Metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	n.newServers()
}

func (n *Node) openStore(ctx context.Context) (err error) {
	// The store makes the directory too, but for its owner alone is ours.
	if err := n.makeDirectory(); err != nil {
		return err
	}
	cfg := store.Config{
		Dir: n.cfg.Dir, FS: n.cfg.FS, Now: n.now, Sure: n.sure, Follower: n.cfg.follows(), History: n.cfg.member(),
		Logger: n.cfg.Logger, Metrics: n.cfg.Metrics, InlineBytes: n.cfg.InlineBytes, DiskReserve: n.cfg.DiskReserve, CacheBytes: n.cfg.CacheBytes,
		Retention: n.cfg.Retention, WipeAbove: n.cfg.WipeAbove, Keys: n.cfg.EncryptionKeys,
	}
	if n.store, err = store.Open(ctx, cfg); err != nil {
		return whose(ctx, cfg, err)
	}
	if n.cfg.EncryptionKeys != nil {
		n.cfg.Logger.Info("data directory is encrypted", slog.String(logKey, n.cfg.EncryptionKeys.Active().String()))
	}
	n.cfg.Observer.Opened(n.store)
	return nil
}

// serve starts all workers.
func (n *Node) serve() {
	n.workers, n.failed = errgroup.WithContext(n.root)
	done := n.failed
	n.workers.Go(func() error { return ignoreClosed(n.api.Serve(n.listen.api)) })
	n.workers.Go(func() error { return n.binding.Serve(n.listen.binding) })
	if n.pprof != nil {
		n.workers.Go(func() error { return ignoreClosed(n.pprof.Serve(n.listen.pprof)) })
	}
	failure := n.stands().Failed()
	n.workers.Go(func() error {
		select {
		case err := <-failure:
			return fmt.Errorf("this node can go on no longer: %w", err)
		case <-done.Done():
			return nil
		}
	})
	n.workers.Go(func() error { return n.dashboard.Run(done) })
	n.workers.Go(func() error { return n.awaitAgain(done) })
	if len(n.certificates) > 0 {
		n.workers.Go(func() error { return n.keepCertificates(done) })
	}
	if n.cfg.follows() {
		n.workers.Go(func() error { return n.awaitReady(done) })
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (n *Node) announce() {
	stats := n.store.Stats()
	what := "node is ready"
	switch {
	case n.cfg.edge():
		what = "edge is listening"
	case n.cfg.member():
		what = "member is listening"
	}
	n.cfg.Logger.Info(what,
		slog.String(logVersion, n.cfg.Version), slog.String(logAPI, n.APIURL()), slog.String(logBinding, n.BindingURL()),
		slog.String(logDir, n.cfg.Dir), slog.String(logAccount, n.Account()),
		slog.String(logCluster, stats.ClusterID), slog.String(logRevision, stats.Revision.String()))
	if n.pprof != nil {
		n.cfg.Logger.Info("profiler is listening", slog.String(logPprof, n.listen.pprof.Addr().String()))
	}
	for _, ln := range []net.Listener{n.listen.api, n.listen.binding} {
		if n.cfg.TLSCert == "" && !loopback(ln.Addr()) {
			n.cfg.Logger.Warn("tokens travel this address unencrypted: set --tls-cert and --tls-key, or put TLS in front",
				slog.String(logAddress, ln.Addr().String()))
		}
	}
}
