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
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// Headers of godwit's own, on both ports.
const (
	HeaderRevision    = "Godwit-Revision"
	HeaderRequestID   = "Godwit-Request-Id"
	HeaderMinRevision = "Godwit-Min-Revision"
	HeaderConsistency = "Godwit-Consistency"
	HeaderNamespace   = "Godwit-Namespace"
)

// Config is what a Service needs; all fields are required.
type Config struct {
	Reader   godwit.Reader
	Log      godwit.Log
	Uploader godwit.Uploader
	Catalog  *catalog.Catalog
	Limits   godwit.Limits
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

// Service carries requests out. Its methods may be called from many goroutines.
type Service struct {
	cfg Config
}

// New returns a Service.
func New(cfg Config) *Service { panic("stub") }

// Catalog is the catalog that the service asks.
func (s *Service) Catalog() *catalog.Catalog { return s.cfg.Catalog }

// Revision is the last revision held here.
func (s *Service) Revision() godwit.Revision { return s.cfg.Reader.Revision() }

// Authenticate returns whom the credential stands for. Guessing is counted by
// remote address, slowed down, and past a bound refused unevaluated. It does
// not allocate for a credential that is known.
// Errors: ErrUnauthenticated, CodeTooManyRequests.
func (s *Service) Authenticate(ctx context.Context, remote netip.Addr, secret []byte) (*catalog.Principal, error) {
	panic("stub")
}

// Read is what a request asks of a read, as text ("" where not given).
type Read struct {
	CacheTTL    string // cache_ttl
	MinRevision string // Godwit-Min-Revision
	Consistency string // Godwit-Consistency
}

// ReadOptions validates r for namespace ns. Errors: CodeInvalidCacheTTL,
// CodeInvalidRequest.
func (s *Service) ReadOptions(ns *godwit.Namespace, r Read) (godwit.ReadOptions, error) {
	panic("stub")
}

// Get returns the entry under key after validating key. Nothing is allocated
// for a hot key. Errors: those of ValidateKey and Reader.Get.
func (s *Service) Get(ctx context.Context, ns *godwit.Namespace, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	panic("stub")
}

// OpenValue opens an entry's value for streaming.
func (s *Service) OpenValue(ctx context.Context, ns *godwit.Namespace, e *godwit.Entry) (io.ReadCloser, error) {
	panic("stub")
}

// BulkGet is a read of several keys. Type is "", "text" or "json".
type BulkGet struct {
	Keys []string
	Type string
	Read godwit.ReadOptions
}

// BulkEntry is an entry with its value whole. A nil *BulkEntry is an absent key.
type BulkEntry struct {
	*godwit.Entry
	Text []byte // the value
}

// BulkGet returns one element for each key, in order, from one state of the
// store. With Type "json" every value is valid JSON. Errors, with SPEC 3.7's
// texts: CodeInvalidRequest (none or too many keys, bad type), those of
// ValidateKey in their bulk wording, CodeBulkJSON, CodeBulkTooLarge.
func (s *Service) BulkGet(ctx context.Context, ns *godwit.Namespace, q BulkGet) ([]*BulkEntry, godwit.Served, error) {
	panic("stub")
}

// List returns a page of keys. Limit 0 means the default, MaxListKeys. Errors:
// those of ValidatePrefix and Reader.List. The caller has checked that Limit is
// at most MaxListKeys in its protocol's words.
func (s *Service) List(ctx context.Context, ns *godwit.Namespace, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	panic("stub")
}

// Preconditions are the raw values of If-Match and If-None-Match, "" where not
// given.
type Preconditions struct {
	IfMatch     string
	IfNoneMatch string
}

// NotModified tells whether a GET or HEAD of an entry at this revision is
// answered 304. Malformed tags match nothing.
func (p Preconditions) NotModified(r godwit.Revision) bool { panic("stub") }

// AppendETag appends the entity tag of a revision, quotes included.
func AppendETag(b []byte, r godwit.Revision) []byte { panic("stub") }

// Put is a write as it came in. Body is read to its end, whatever goes wrong.
type Put struct {
	Key           []byte
	Body          io.Reader
	Metadata      []byte // JSON text; nil: none; "null" is none too
	Expiration    string // raw; "" where not given
	ExpirationTTL string // raw; "" where not given
	Preconditions Preconditions
	RequestID     string // Godwit-Request-Id as the client sent it, "" where not given
}

// Put validates in Cloudflare's order (key, expiration, metadata, value) and
// writes. Errors: those of ValidateKey, ParseExpiration, ValidateMetadata,
// Uploader.Upload and Log.Propose; ErrPrecondition, ErrTooManyWrites,
// ErrNamespaceNotFound, CodeInvalidRequest (malformed precondition or request id).
func (s *Service) Put(ctx context.Context, ns *godwit.Namespace, p Put) (godwit.Result, error) {
	panic("stub")
}

// Delete is a deletion as it came in.
type Delete struct {
	Key           []byte
	Preconditions Preconditions
	RequestID     string
}

// Delete deletes a key; that there is none is no error. Errors: as Put, but
// never CodeDiskFull.
func (s *Service) Delete(ctx context.Context, ns *godwit.Namespace, d Delete) (godwit.Result, error) {
	panic("stub")
}

// BulkPut is one pair of a bulk write, its value decoded.
type BulkPut struct {
	Key           string
	Value         godwit.Value
	Metadata      []byte
	Expiration    string
	ExpirationTTL string
}

// CheckBulkPut validates one pair without writing it. Errors: as Put.
func (s *Service) CheckBulkPut(ns *godwit.Namespace, p *BulkPut) error { panic("stub") }

// BulkPut writes pairs that CheckBulkPut has passed, each a transaction of its
// own, the last of a key winning. Errors: those of Log.Propose,
// ErrNamespaceNotFound.
func (s *Service) BulkPut(ctx context.Context, ns *godwit.Namespace, pairs []BulkPut, requestID string) (godwit.Result, error) {
	panic("stub")
}

// BulkDelete validates the keys and deletes them. Errors: those of ValidateKey,
// CodeInvalidRequest (over MaxBulkItems), those of Log.Propose.
func (s *Service) BulkDelete(ctx context.Context, ns *godwit.Namespace, keys []string, requestID string) (godwit.Result, error) {
	panic("stub")
}

// Upload takes a value in within the namespace's limit, slowed down when many
// large ones are under way. See godwit.Uploader.
func (s *Service) Upload(ctx context.Context, ns *godwit.Namespace, body io.Reader) (godwit.Value, error) {
	panic("stub")
}

// Discard drops values that no write will name.
func (s *Service) Discard(v godwit.Value) { s.cfg.Uploader.Discard(v) }

// RequestID returns the client's request id if it gave a valid one, else a new
// one; the response carries it as Godwit-Request-Id.
func (s *Service) RequestID(dst []byte, given []byte) ([]byte, error) { panic("stub") }
