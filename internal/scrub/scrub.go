// Package scrub reads, over weeks, all that a node's store has on its disk, finds what
// is not as it was written, and mends it from whoever has it whole.
//
// It knows neither edges nor clusters: who is asked comes in through its Config. It
// must not import them, nor an API.
package scrub

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// Defaults and bounds of a Config.
const (
	DefaultRate = 4 << 20
	MinEvery    = time.Minute
	MaxEvery    = 10 * 365 * 24 * time.Hour
	MinRate     = 64 << 10
	MaxRate     = 1 << 40
)

// firstAfter is how long after its first start a node begins its first pass, at most.
const firstAfter = 24 * time.Hour

// Config is what a Scrubber needs. Store and Now are required.
type Config struct {
	Store *store.Store
	Every time.Duration // from the beginning of a pass to that of the next; 0: only when asked
	Rate  int64         // bytes read a second; 0: DefaultRate

	// Fetch returns the value of a blob as another node has it; it is compared with
	// the blob's hash. nil: there is nobody to ask.
	Fetch func(ctx context.Context, d store.Damage) (io.ReadCloser, error)

	// Absent tells whether it is in order that a blob has no file here. nil: it never is.
	Absent func(ns godwit.NamespaceID, b godwit.Blob) bool

	// Broken is told that a file of the database is damaged, which only a new copy
	// mends, and tells whether one is under way. nil: nobody has one.
	Broken func() bool

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

func (c *Config) setDefaults() {
	if c.Rate <= 0 {
		c.Rate = DefaultRate
	}
	if c.Absent == nil {
		c.Absent = func(godwit.NamespaceID, godwit.Blob) bool { return false }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
}

// Log keys.
const (
	logError     = "error"
	logNamespace = "namespace"
	logRevision  = "revision"
	logBytes     = "bytes"
	logFound     = "found"
	logMended    = "mended"
	logTook      = "took"
)

// burst bounds how much is read at once: a pass that was held up does not make up for
// it all at once.
const burst = 256 << 10

// Scrubber reads a store. Its methods may be called from many goroutines.
type Scrubber struct {
	cfg     Config
	log     *slog.Logger
	limiter *rate.Limiter
	metrics *metrics
	met     chan store.Damage // by reads
	now     chan struct{}     // asks for a pass

	mu   sync.Mutex
	note note
	lost map[store.Damage]struct{} // not mended; without errors

	tableBroken bool // one of the database's files, in this pass

	ctx    context.Context // of the scrubber's own work
	cancel context.CancelFunc
	work   *errgroup.Group
}

// maxMet bounds how many damaged values that reads have met wait to be mended. Of more
// the next read tells, or the next pass.
const maxMet = 1024

// New returns a scrubber, which does nothing until Open.
func New(cfg Config) *Scrubber {
	cfg.setDefaults()
	return &Scrubber{
		cfg: cfg, log: cfg.Logger, limiter: rate.NewLimiter(rate.Limit(cfg.Rate), burst),
		met: make(chan store.Damage, maxMet), now: make(chan struct{}, 1), lost: make(map[store.Damage]struct{}),
	}
}

// Open goes on where the process before left off. Error: the store's.
func (s *Scrubber) Open(ctx context.Context) error {
	n, err := readNote(s.cfg.Store)
	if err != nil {
		return err
	}
	if n.Since == 0 {
		n.Since = s.cfg.Now().Unix()
	}
	s.note = n
	s.metrics = newMetrics(s)
	s.cfg.Store.SetOnDamaged(s.meet)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.work, s.ctx = errgroup.WithContext(s.ctx)
	s.work.Go(func() error { return s.passes(s.ctx) })
	s.work.Go(func() error { return s.mendMet(s.ctx) })
	return nil
}

// Close ends the work, and keeps how far it came. The store stays open.
func (s *Scrubber) Close() error {
	s.cancel()
	_ = s.work.Wait() // it has no errors of its own
	s.metrics.unregister()
	return s.keep()
}

// Start begins a pass at once, unless one is under way.
func (s *Scrubber) Start() {
	select {
	case s.now <- struct{}{}:
	default: // one has been asked for
	}
}

// meet is told of what a read found damaged.
func (s *Scrubber) meet(d store.Damage) {
	select {
	case s.met <- d:
	default:
	}
}

// pace waits until so many bytes may be read. Error: the context's.
func (s *Scrubber) pace(ctx context.Context, n int) error {
	for left := n; left > 0; left -= burst {
		if err := s.limiter.WaitN(ctx, min(left, burst)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.note.Bytes += int64(n)
	s.mu.Unlock()
	s.metrics.read.Add(float64(n))
	return nil
}
