package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/binding"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
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
	logTimeout  = "timeout"
	logAddress  = "address"
)

// Node is a running node. Its methods may be called from many goroutines.
type Node struct {
	cfg     Config
	started time.Time

	store   *store.Store
	log     *embedded.Log
	catalog atomic.Pointer[catalog.Catalog]
	service *api.Service

	api      *http.Server
	binding  *binding.Server
	pprof    *http.Server // nil: none
	listen   listeners
	draining atomic.Bool

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
// (ErrInUse, ErrVersion and ErrCorrupt leave the directory as it was),
// catalog.Open and of listening.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	n := &Node{cfg: cfg, started: cfg.Now(), rootByFlag: cfg.RootToken != ""}
	n.root, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.open(ctx); err != nil {
		n.cancel()
		return nil, errors.Join(err, n.release())
	}
	n.serve()
	n.announce()
	return n, nil
}

// open makes everything, from the disk up. Nothing serves yet.
func (n *Node) open(ctx context.Context) error {
	certificate, err := n.certificate()
	if err != nil {
		return err
	}
	if err := n.openStore(ctx); err != nil {
		return err
	}
	if !n.rootByFlag {
		var created bool
		if n.cfg.RootToken, created, err = loadRootToken(n.cfg.Dir); err != nil {
			return err
		}
		if created {
			n.newRootToken = n.cfg.RootToken
		}
	}
	if err := n.openCatalog(ctx); err != nil {
		return err
	}
	n.service = api.New(api.Config{
		Reader: n.store, Log: n.log, Uploader: n.store, Catalog: n.catalog.Load(),
		Limits: n.cfg.Limits, Now: n.cfg.Now, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	n.cfg.Metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	if n.listen, err = n.bind(certificate); err != nil {
		return err
	}
	n.newServers()
	return nil
}

func (n *Node) certificate() (*tls.Certificate, error) {
	if n.cfg.TLSCert == "" {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(n.cfg.TLSCert, n.cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("load TLS certificate: %w", err)
	}
	return &c, nil
}

func (n *Node) openStore(ctx context.Context) (err error) {
	if n.cfg.FS == nil {
		// The store makes the directory too, but for its owner alone is ours.
		if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	n.store, err = store.Open(ctx, store.Config{
		Dir: n.cfg.Dir, FS: n.cfg.FS, Now: n.cfg.Now, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
		InlineBytes: n.cfg.InlineBytes, DiskReserve: n.cfg.DiskReserve, CacheBytes: n.cfg.CacheBytes,
	})
	return err
}

// openCatalog starts the log, and the catalog behind it. Records that come
// before the catalog is there are in the store when it reads it.
func (n *Node) openCatalog(ctx context.Context) (err error) {
	n.store.SetOnSystem(func(records []godwit.Record) {
		if c := n.catalog.Load(); c != nil {
			c.Apply(records)
		}
	})
	n.log, err = embedded.Open(ctx, embedded.Config{Store: n.store, Now: n.cfg.Now, Logger: n.cfg.Logger})
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	c, err := catalog.Open(ctx, catalog.Config{
		Source: n.store, Log: n.log, Account: n.cfg.Account, RootToken: n.cfg.RootToken, Now: n.cfg.Now,
	})
	if err != nil {
		return fmt.Errorf("open catalog: %w", err)
	}
	n.catalog.Store(c)
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
	n.workers.Go(func() error {
		select {
		case err := <-n.log.Failed():
			return fmt.Errorf("the log failed: %w", err)
		case <-done.Done():
			return nil
		}
	})
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (n *Node) announce() {
	stats := n.store.Stats()
	n.cfg.Logger.Info("node is ready",
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
