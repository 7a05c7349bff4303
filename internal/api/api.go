// Package api is what a request means, whatever protocol it came in: the
// operations that the REST API, the binding protocol and the native API share,
// with their validation, limits and authorisation. The protocols in the
// packages below this one only translate.
//
// It knows the interfaces of the domain and the catalog; it cannot tell a
// central node from an edge. It must not import a store, a log or an HTTP
// server.
package api

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/room"
)

// Headers of godwit's own, on both ports.
const (
	HeaderRevision    = "Godwit-Revision"
	HeaderRequestID   = "Godwit-Request-Id"
	HeaderMinRevision = "Godwit-Min-Revision"
	HeaderConsistency = "Godwit-Consistency"
	HeaderNamespace   = "Godwit-Namespace"
	HeaderIfNotExists = "Godwit-If-Not-Exists"
)

// Config is what a Service needs; all fields but Audit and History are required.
type Config struct {
	Reader   godwit.Reader
	Log      godwit.Log
	Uploader godwit.Uploader
	History  godwit.History // nil: it is kept elsewhere
	Catalog  *catalog.Catalog
	Limits   godwit.Limits
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
	Audit    *audit.Log // nil: nothing is recorded
}

// Service carries requests out. Its methods may be called from many goroutines.
type Service struct {
	cfg        Config
	guard      *guard
	rate       *writeRate
	requests   *requestRate
	uploads    *slots
	bulkMemory *room.Room // of the values that bulk gets hold
	ids        *requestIDs
	metrics    *metrics
	copyBudget copyBudget
	copies     *slots
	analytics  *analytics.Recorder
	notables   analytics.Notables
	started    time.Time
}

// New returns a Service. It registers its metrics, and panics if they are
// registered already.
func New(cfg Config) *Service {
	return &Service{
		cfg:        cfg,
		guard:      newGuard(cfg),
		rate:       newWriteRate(),
		requests:   newRequestRate(cfg.Metrics),
		uploads:    newSlots(maxLargeUploads, maxUploadsLimited, maxUploadsEach),
		bulkMemory: room.New(bulkMemory),
		ids:        newRequestIDs(),
		metrics:    newMetrics(cfg.Metrics),
		copyBudget: defaultCopyBudget(),
		copies:     newSlots(maxCopies, maxCopiesLimited, maxCopiesEach),
		analytics:  analytics.New(),
		started:    time.Now(),
	}
}

// Catalog is the catalog that the service asks.
func (s *Service) Catalog() *catalog.Catalog { return s.cfg.Catalog }

// Audit is where the protocols record what they have carried out; nil: nowhere.
func (s *Service) Audit() *audit.Log { return s.cfg.Audit }

// Answered is how many operations were carried out so far.
func (s *Service) Answered() uint64 { return s.metrics.answered.Load() }

// Revision is the last revision held here.
func (s *Service) Revision() godwit.Revision { return s.cfg.Reader.Revision() }

// limits are those in force for ns.
func (s *Service) limits(ns *godwit.Namespace) godwit.Limits {
	return s.cfg.Limits.For(ns.Settings)
}
