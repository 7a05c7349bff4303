package godwit

import "time"

// Limits of Workers KV. Those that a deployment may change are only defaults
// here; what is in force is in [Limits].
const (
	MaxKeyBytes         = 512
	MaxMetadataBytes    = 1024
	MaxValueBytes       = 25 << 20 // 25 MiB
	MaxClearPrefixBytes = 448      // of a prefix whose keys are cleared: it stands in a key
	MaxTitleRunes       = 512
	MaxNamespaces       = 1000
	MinExpirationTTL    = 60 * time.Second
	MinCacheTTL         = 30 * time.Second
	MaxListKeys         = 1000
	MinRESTListKeys     = 10
	MaxScanKeys         = 10_000   // of one page of a Scan
	MaxScannedKeys      = 100_000  // that one page of a Scan looks at
	MaxScanBytes        = 4 << 20  // of one page of a Scan: names, metadata and values
	MaxScanValueBytes   = 64 << 10 // longest value that a page of a Scan brings along
	MaxBulkGetKeys      = 100
	MaxBulkItems        = 10_000
	MaxBulkBytes        = 100_000_000 // 100 MB, decimal as documented
	MaxBulkGetBytes     = 25 << 20
	MaxNamespacesPage   = 1000
	DefaultPerPage      = 20
	MaxRequestIDBytes   = 128
	MaxTokens           = 10_000
	MaxETags            = 16      // entity tags in one If-Match or If-None-Match
	MaxExpiration       = 1 << 40 // seconds: the year 36812
	DefaultCacheTTL     = 60 * time.Second
	MaxRevision         = Revision(1<<53 - 1)
	DefaultInlineBytes  = 64 << 10
	MaxInlineBytes      = 1 << 20
	MaxQuota            = 1 << 53 // keys or bytes of a namespace
	MinRequestRate      = 1       // a second: who is refused may come again after one
	MaxRequestRate      = 1_000_000
	MaxTransactionBytes = 4 << 20 // inline bytes of one transaction
	MaxTransactionKeys  = 1000    // distinct keys in one transaction of a client's
)

// Limits are those that a deployment chooses. They are checked where a client
// is answered; what is already in the log is never judged by them again.
// The zero value is not useful; start from [DefaultLimits].
type Limits struct {
	// MinExpirationTTL is the shortest life an entry may be given.
	MinExpirationTTL time.Duration
	// MinCacheTTL is the smallest cache_ttl a read may ask for.
	MinCacheTTL time.Duration
	// MaxValueBytes bounds a value's length.
	MaxValueBytes int64
	// WritesPerKey is how many writes a second one key takes; 0 is no limit.
	WritesPerKey float64
}

// DefaultLimits are Cloudflare's, but without a write rate.
func DefaultLimits() Limits {
	return Limits{
		MinExpirationTTL: MinExpirationTTL,
		MinCacheTTL:      MinCacheTTL,
		MaxValueBytes:    MaxValueBytes,
	}
}

// For narrows l to what the namespace's settings say; a setting that is absent
// leaves the deployment's value.
func (l Limits) For(s Settings) Limits {
	if s.MinExpirationTTL != nil {
		l.MinExpirationTTL = time.Duration(*s.MinExpirationTTL) * time.Second
	}
	if s.MinCacheTTL != nil {
		l.MinCacheTTL = time.Duration(*s.MinCacheTTL) * time.Second
	}
	if s.WritesPerKey != nil {
		l.WritesPerKey = *s.WritesPerKey
	}
	return l
}
