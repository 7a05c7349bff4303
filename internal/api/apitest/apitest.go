// Package apitest opens a whole node's insides, from the store to the Service,
// in memory, for tests of the protocols. It is for tests alone, and so may
// import what package api must not.
package apitest

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
)

// Account and RootToken are those of every Env.
const (
	Account   = "0123456789abcdef0123456789abcdef"
	RootToken = "apitest-root-token"
)

// Env is a Service and all that it stands on.
type Env struct {
	Service   *api.Service
	Store     *store.Store
	Log       *embedded.Log
	Catalog   *catalog.Catalog
	RootToken string
	Clock     *Clock
	Metrics   *prometheus.Registry
}

// Option changes how an Env is opened.
type Option func(*options)

type options struct {
	store store.Config
	api   api.Config
	wrap  []func(*api.Config)
}

// WithLimits puts other limits than DefaultLimits in force.
func WithLimits(l godwit.Limits) Option { return func(o *options) { o.api.Limits = l } }

// WithService lets change put something around the reader, the log or the
// uploader of the service. The catalog keeps the log as it is.
func WithService(change func(*api.Config)) Option {
	return func(o *options) { o.wrap = append(o.wrap, change) }
}

// Open opens everything on a file system in memory. It is closed when the test
// ends.
func Open(t testing.TB, opts ...Option) *Env {
	t.Helper()
	env := &Env{RootToken: RootToken, Clock: NewClock(), Metrics: prometheus.NewRegistry()}
	o := options{
		store: store.Config{
			Dir: "/data", FS: store.NewMemFS(), Now: env.Clock.Now, DiskReserve: -1,
			CacheBytes: 1 << 20, HotBytes: 256 << 10,
		},
		api: api.Config{
			Limits: godwit.DefaultLimits(), Now: env.Clock.Now,
			Logger: slog.New(slog.DiscardHandler), Metrics: env.Metrics,
		},
	}
	for _, opt := range opts {
		opt(&o)
	}
	if err := env.open(t, &o); err != nil {
		t.Fatalf("open: %v", err)
	}
	return env
}

func (e *Env) open(t testing.TB, o *options) (err error) {
	ctx := context.Background()
	if e.Store, err = store.Open(ctx, o.store); err != nil {
		return err
	}
	var opened atomic.Pointer[catalog.Catalog]
	e.Store.SetOnSystem(func(records []godwit.Record) {
		if c := opened.Load(); c != nil { // before that, Open reads them
			c.Apply(records)
		}
	})
	e.Log, err = embedded.Open(ctx, embedded.Config{Store: e.Store, Now: e.Clock.Now})
	if err != nil {
		return errors.Join(err, e.Store.Close())
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Log.Close(), e.Store.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	e.Catalog, err = catalog.Open(ctx, catalog.Config{
		Source: e.Store, Log: e.Log, Account: Account, RootToken: RootToken, Now: e.Clock.Now,
	})
	if err != nil {
		return err
	}
	opened.Store(e.Catalog)

	o.api.Reader, o.api.Log, o.api.Uploader, o.api.Catalog = e.Store, e.Log, e.Store, e.Catalog
	for _, change := range o.wrap {
		change(&o.api)
	}
	e.Service = api.New(o.api)
	return nil
}

// Namespace makes a namespace.
func (e *Env) Namespace(t testing.TB, title string) *godwit.Namespace {
	t.Helper()
	ns, err := e.Catalog.CreateNamespace(t.Context(), title, "", godwit.RequestKey{})
	if err != nil {
		t.Fatalf("create namespace %q: %v", title, err)
	}
	return ns
}

// Set gives a namespace these settings, and returns it with them.
func (e *Env) Set(t testing.TB, ns *godwit.Namespace, s godwit.Settings) *godwit.Namespace {
	t.Helper()
	set, err := e.Catalog.SetNamespace(t.Context(), ns.ID, func(godwit.Settings) (godwit.Settings, error) { return s, nil })
	if err != nil {
		t.Fatalf("set namespace %q: %v", ns.Title, err)
	}
	return set
}

// Token makes a token and returns its secret. Without namespaces it is for all.
func (e *Env) Token(t testing.TB, p godwit.Permission, namespaces ...*godwit.Namespace) string {
	t.Helper()
	spec := godwit.Token{Name: string(p), Permission: p}
	for _, ns := range namespaces {
		spec.Namespaces = append(spec.Namespaces, ns.ID)
	}
	secret, _, err := e.Catalog.CreateToken(t.Context(), spec)
	if err != nil {
		t.Fatalf("create token: %v", err)
	}
	return secret
}

// Clock is a time that only a test moves. It may be read from many goroutines.
type Clock struct{ ns atomic.Int64 }

// NewClock returns a clock that stands at the first second of 2027.
func NewClock() *Clock {
	c := new(Clock)
	c.Set(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	return c
}

// Now is the time.
func (c *Clock) Now() time.Time { return time.Unix(0, c.ns.Load()).UTC() }

// Set puts the clock to now.
func (c *Clock) Set(now time.Time) { c.ns.Store(now.UnixNano()) }

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }
