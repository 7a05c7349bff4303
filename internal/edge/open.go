package edge

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/collectors"
	"github.com/godwitkv/godwit/internal/feed"
)

const defaultValueCache = 1 << 30

func (c *Config) setDefaults() {
	if c.ValueCacheBytes <= 0 {
		c.ValueCacheBytes = defaultValueCache
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
}

// Open starts to follow, and returns at once, whether an upstream answers or
// not. Errors: an upstream's URL is none; the store's.
func Open(ctx context.Context, cfg Config) (*Edge, error) {
	cfg.setDefaults()
	if len(cfg.Upstreams) == 0 {
		return nil, errors.New("an edge needs an upstream")
	}
	e := &Edge{
		cfg: cfg, store: cfg.Store, log: cfg.Logger, follow: newFollower(cfg.Store, cfg.Catalog),
		memory: newMemory(), status: newBoard(cfg.Logger), lanes: newLanes(), identities: newIdentities(), failed: make(chan error, 1),
	}
	for _, url := range cfg.Upstreams {
		c, err := e.newClient(url)
		if err != nil {
			return nil, err
		}
		e.clients = append(e.clients, c)
	}
	e.metrics, e.values, e.reporter = newMetrics(e), newValues(e), newReporter(e)
	l, err := newLoop(e)
	if err == nil {
		err = l.apply.checkJurisdictions()
	}
	if err != nil {
		return nil, err
	}
	e.recall(l.apply.note)
	e.start(ctx, l)
	return e, nil
}

func (e *Edge) newClient(url string) (*feed.Client, error) {
	return feed.NewClient(feed.ClientConfig{URL: url, Token: e.cfg.Token, Dial: e.cfg.Dial, TLS: e.cfg.TLS})
}

// recall takes up where the process before left off: what it held is served at
// once, upstream or not.
func (e *Edge) recall(n note) {
	e.copied.Store(n.Copied)
	if n.Copied {
		e.follow.carry(n.Carries)
	}
	if e.store.Generation() == 0 { // else it may be of a centre that was replaced
		e.follow.setUpstream(nil, e.clients[0]) // until it turns out to be away
	}
}

func (e *Edge) start(ctx context.Context, l *loop) {
	e.metrics.registered = collectors.Register(e.cfg.Metrics, e.log, e.metrics.all...)
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, work := range []func(context.Context) error{l.run, l.prefer, e.reporter.run, e.values.run, e.syncLoop} {
		e.work.Go(func() error {
			err := work(e.ctx)
			if err != nil {
				e.fail(err)
			}
			return nil
		})
	}
}

// fail ends the edge's own work.
func (e *Edge) fail(err error) {
	select {
	case e.failed <- err:
	default: // it has failed already
	}
	e.cancel()
}

// Failed delivers an error once the edge cannot go on: the disk failed, or the
// upstream is of another account than this node was told.
func (e *Edge) Failed() <-chan error { return e.failed }

// Close stops following. The store stays open.
func (e *Edge) Close() error {
	e.cancel()
	_ = e.work.Wait() // its errors went to Failed
	e.values.close()
	e.follow.setUpstream(nil, nil)
	for _, c := range e.clients {
		c.Close()
	}
	e.metrics.registered.Unregister()
	return e.sync()
}
