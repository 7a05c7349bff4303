package api

import (
	"container/list"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/pause"
)

const (
	maxSuspects      = 4096            // addresses remembered
	freeFailures     = 100             // answered at once
	failureForgotten = 6 * time.Second // one failure is forgiven in this time
	delayStep        = 100 * time.Millisecond
	maxDelay         = time.Second
	maxDelayed       = 32   // failures held back at once for one address
	knownSlots       = 8192 // a power of two
)

// Authenticate returns whom the credential stands for. Guessing is counted by
// remote address, slowed down, and past a bound refused unevaluated. It does
// not allocate for a credential that is known.
// Errors: ErrUnauthenticated, CodeTooManyRequests.
func (s *Service) Authenticate(ctx context.Context, remote netip.Addr, secret []byte) (*catalog.Principal, error) {
	if len(secret) == 0 { // none was given: that is no guess
		s.guard.failures.Inc()
		return nil, godwit.ErrUnauthenticated
	}
	remote = network(remote)
	pair := s.guard.pair(remote, secret)
	if s.guard.refuses(remote, pair) {
		return nil, errGuessing()
	}
	p, err := s.cfg.Catalog.Authenticate(ctx, secret)
	if err == nil {
		s.guard.succeeded(pair)
		return p, nil
	}
	if errors.Is(err, godwit.ErrUnauthenticated) {
		s.recordSignIn(remote)
	}
	return nil, s.guard.failed(ctx, remote, err)
}

// recordSignIn records that a credential was refused, and from where.
func (s *Service) recordSignIn(remote netip.Addr) {
	if !s.cfg.Audit.On() {
		return
	}
	s.cfg.Audit.Record(audit.Entry{
		Operation: "sign_in", Remote: remote.String(), Outcome: audit.OutcomeRefused, Status: http.StatusUnauthorized,
	})
}

// network is the address that guesses are counted by: of IPv6, where anyone has
// many, the network of 64 bits.
func network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// guard makes guessing credentials slow, and keeps who has a good one from
// noticing. It remembers which credential succeeded lately from which address
// as a hash in a table that forgets by overwriting, so that a request with a
// good one costs a hash and a load.
type guard struct {
	logger   *slog.Logger
	now      func() time.Time
	failures prometheus.Counter
	refused  prometheus.Counter

	seed  maphash.Seed
	known [knownSlots]atomic.Uint64

	full     atomic.Int64 // suspects with maxDelayed held back
	mu       sync.Mutex
	suspects map[netip.Addr]*suspect
	recent   *list.List // of *suspect, last failed first
}

// suspect is an address that failures came from.
type suspect struct {
	addr    netip.Addr
	count   int       // failures not yet forgiven
	counted time.Time // up to when they were forgiven
	delayed int       // held back now
	place   *list.Element
}

func newGuard(cfg Config) *guard {
	g := &guard{
		logger: cfg.Logger,
		now:    cfg.Now,
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_auth_failures_total",
			Help: "Requests without a credential or with one that is not known.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_auth_refused_total",
			Help: "Requests refused unevaluated because too many failures came from their address.",
		}),
		seed:     maphash.MakeSeed(),
		suspects: make(map[netip.Addr]*suspect),
		recent:   list.New(),
	}
	cfg.Metrics.MustRegister(g.failures, g.refused)
	return g
}

// pair is the hash of an address and a credential; the seed is secret, so
// nobody can choose one.
func (g *guard) pair(addr netip.Addr, secret []byte) uint64 {
	a := addr.As16()
	return maphash.Bytes(g.seed, secret)*0x9e3779b97f4a7c15 ^ maphash.Bytes(g.seed, a[:])
}

func (g *guard) succeeded(pair uint64) {
	if slot := &g.known[pair%knownSlots]; slot.Load() != pair {
		slot.Store(pair)
	}
}

// refuses tells whether a request is not even evaluated: its address has as
// many failures held back as it may, and this credential has not succeeded from
// there lately.
func (g *guard) refuses(addr netip.Addr, pair uint64) bool {
	if g.full.Load() == 0 || g.known[pair%knownSlots].Load() == pair {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.suspects[addr]; s == nil || s.delayed < maxDelayed {
		return false
	}
	g.refused.Inc()
	return true
}

// failed counts a failure, holds it back if there were many, and returns what
// to answer: err, or CodeTooManyRequests when too many are held back already.
func (g *guard) failed(ctx context.Context, addr netip.Addr, err error) error {
	g.failures.Inc()
	s, delay := g.count(addr)
	if delay == 0 {
		return err
	}
	if s == nil {
		return errGuessing()
	}
	defer g.release(s)
	pause.For(ctx, delay)
	return err
}

// count counts a failure and returns for how long to hold it back. If that is
// not 0, the suspect is to be released; nil if it may hold back no more.
func (g *guard) count(addr netip.Addr) (*suspect, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.suspect(addr)
	s.forgive(g.now())
	s.count++
	over := s.count - freeFailures
	if over <= 0 {
		return nil, 0
	}
	if over == 1 {
		g.logger.Warn("slowing down guesses", "remote", addr.String(), "failures", s.count)
	}
	delay := min(time.Duration(over)*delayStep, maxDelay)
	if s.delayed >= maxDelayed {
		return nil, delay
	}
	if s.delayed++; s.delayed == maxDelayed {
		g.full.Add(1)
	}
	return s, delay
}

func (g *guard) release(s *suspect) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.delayed == maxDelayed {
		g.full.Add(-1)
	}
	s.delayed--
}

// suspect returns the address's suspect, made if there is none, as the one that
// failed last.
func (g *guard) suspect(addr netip.Addr) *suspect {
	if s, ok := g.suspects[addr]; ok {
		g.recent.MoveToFront(s.place)
		return s
	}
	if len(g.suspects) >= maxSuspects {
		g.evict()
	}
	s := &suspect{addr: addr, counted: g.now()}
	s.place = g.recent.PushFront(s)
	g.suspects[addr] = s
	return s
}

// evict forgets the address that failed longest ago. Failures of it that are
// held back still release their suspect.
func (g *guard) evict() {
	oldest := g.recent.Back()
	g.recent.Remove(oldest)
	delete(g.suspects, oldest.Value.(*suspect).addr)
}

// forgive takes off the failures that time has made up for.
func (s *suspect) forgive(now time.Time) {
	n := int(now.Sub(s.counted) / failureForgotten)
	switch {
	case n < 0: // the clock was corrected
		s.counted = now
	case n >= s.count:
		s.count, s.counted = 0, now
	default:
		s.count -= n
		s.counted = s.counted.Add(time.Duration(n) * failureForgotten)
	}
}

func errGuessing() error {
	return godwit.Errorf(godwit.CodeTooManyRequests, "Too many failed requests: try again later.")
}
