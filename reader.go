package godwit

import (
	"context"
	"io"
	"time"
)

// Reader is a node's copy of the data, wherever its log lives. Every method may
// be called from many goroutines. Absent and expired are the same.
type Reader interface {
	// Get returns the entry under key: bytes of a small value in hand, a
	// reference for a large one (see OpenValue). The caller keeps key; the
	// entry is shared and immutable. Served is meaningful with
	// ErrKeyNotFound too.
	// Errors: ErrKeyNotFound, ErrNamespaceNotFound, CodeUnavailable.
	Get(ctx context.Context, ns NamespaceID, key []byte, opts ReadOptions) (*Entry, Served, error)

	// GetMany returns the entries under keys, in their order, nil where there
	// is none, all from one state of the store.
	// Errors: ErrNamespaceNotFound, CodeUnavailable.
	GetMany(ctx context.Context, ns NamespaceID, keys []string, opts ReadOptions) ([]*Entry, Served, error)

	// List returns entries in ascending order of their keys' bytes, without
	// their values: Value.Inline is always nil and Value.Blob is not set.
	// A page with More holds at least one entry. A query with a Scan differs
	// in what that says; each value then is at hand or a SizeOnly.
	// Errors: ErrNamespaceNotFound, CodeInvalidCursor, CodeUnavailable.
	List(ctx context.Context, ns NamespaceID, q ListQuery, opts ReadOptions) (*Page, error)

	// OpenValue returns the value of an entry that Get returned, whole and
	// verified as it is read: a damaged one ends in an error, never in wrong
	// bytes. The caller closes it. An entry replaced long ago may be
	// gone: CodeUnavailable, and the caller may Get again.
	OpenValue(ctx context.Context, ns NamespaceID, e *Entry) (io.ReadCloser, error)

	// Revision is the last revision that this node holds durably.
	Revision() Revision
}

// ReadOptions are what a read asks of the copy it is answered from. The zero
// value asks for nothing beyond the node's own promise.
type ReadOptions struct {
	MinRevision  Revision      // the copy holds at least this revision
	Strong       bool          // the copy holds every write acknowledged before the read began
	MaxStaleness time.Duration // cache_ttl: the copy has missed nothing for longer; 0: DefaultCacheTTL
}

// Served tells how a read was answered.
type Served struct {
	Status   CacheStatus
	Revision Revision // the copy held at least this revision
}

// CacheStatus is what CF-Cache-Status says.
type CacheStatus uint8

// The cache statuses.
const (
	StatusHit   CacheStatus = iota // answered from this node's copy
	StatusMiss                     // fetched from upstream
	StatusStale                    // answered from this node's copy while its upstream is away
)

// String is the status as the header spells it.
func (s CacheStatus) String() string {
	switch s {
	case StatusMiss:
		return "MISS"
	case StatusStale:
		return "STALE"
	default:
		return "HIT"
	}
}

// ListQuery selects keys. Limit is 1 to MaxLimit; Cursor is one that an
// earlier page returned, at this node or another, with the same prefix and scan.
type ListQuery struct {
	Prefix string
	Cursor string
	Limit  int
	Scan   *Scan // nil: as Workers KV lists
}

// MaxLimit is the highest Limit that q may have.
func (q *ListQuery) MaxLimit() int {
	if q.Scan != nil {
		return MaxScanKeys
	}
	return MaxListKeys
}

// Page is a part of a list. More tells that Cursor continues it.
type Page struct {
	Entries []Entry
	Keys    int64 // entries that were counted; see Scan
	Bytes   int64 // bytes of their names, metadata and values
	More    bool
	Cursor  string
	Served  Served
}
