package godwit

import (
	"encoding/hex"
	"math"
	"unicode/utf8"
)

// NamespaceID names a namespace for ever: ids are never reused. Its text form
// is 32 lower-case hexadecimal characters.
type NamespaceID [16]byte

// SystemNamespace holds the catalog. No client can name it.
var SystemNamespace NamespaceID

// String is the id as clients write it.
func (id NamespaceID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (id NamespaceID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *NamespaceID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseNamespaceID(string(b))
	return err
}

// ParseNamespaceID reads what [NamespaceID.String] wrote. Anything else is an
// [*Error] with code [CodeInvalidNamespaceID]. For the system namespace's id it
// returns [ErrNamespaceNotFound].
func ParseNamespaceID(s string) (id NamespaceID, err error) {
	if len(s) != 2*len(id) {
		return id, Errorf(CodeInvalidNamespaceID, "could not parse UUID from request's namespace_id: 'invalid namespace format: %s'", clip(s))
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return id, Errorf(CodeInvalidNamespaceID, "could not parse UUID from request's namespace_id: 'invalid namespace format: %s'", clip(s))
		}
	}
	_, _ = hex.Decode(id[:], []byte(s))
	if id == SystemNamespace {
		return id, ErrNamespaceNotFound
	}
	return id, nil
}

// Namespace is a set of keys with settings of its own. A *Namespace from the
// catalog is shared and immutable.
type Namespace struct {
	ID           NamespaceID `json:"id"`
	Title        string      `json:"title"`
	Jurisdiction string      `json:"jurisdiction,omitempty"` // "", or one of Jurisdictions; it never changes
	Settings     Settings    `json:"settings"`
	Revision     Revision    `json:"-"` // of the namespace's own entry in the catalog
}

// Settings are a namespace's own; a nil field leaves the deployment's value in
// force. They live in the catalog and so are the same at every node.
type Settings struct {
	MinExpirationTTL *int64   `json:"min_expiration_ttl,omitempty"` // seconds
	MinCacheTTL      *int64   `json:"min_cache_ttl,omitempty"`      // seconds
	WritesPerKey     *float64 `json:"writes_per_key,omitempty"`     // writes a second on one key; 0 is no limit
	Consistency      string   `json:"consistency,omitempty"`        // "", "eventual" or "strong"
	History          string   `json:"history,omitempty"`            // see ParseHistory; "": none is kept
	EraseWithin      string   `json:"erase_within,omitempty"`       // see ParseEraseWithin; "": when the database likes

	MaxKeys           *int64   `json:"max_keys,omitempty"`            // keys that it may hold
	MaxBytes          *int64   `json:"max_bytes,omitempty"`           // bytes of their names, metadata and values
	RequestsPerSecond *float64 `json:"requests_per_second,omitempty"` // reads and writes, at each node
}

// Validate returns nil if s may be stored. Error: [CodeInvalidRequest].
func (s Settings) Validate() error {
	switch {
	case s.MinExpirationTTL != nil && (*s.MinExpirationTTL < 1 || *s.MinExpirationTTL > 1<<31-1):
		return Errorf(CodeInvalidRequest, "min_expiration_ttl must be between 1 and 2147483647 seconds, not %d", *s.MinExpirationTTL)
	case s.MinCacheTTL != nil && (*s.MinCacheTTL < 0 || *s.MinCacheTTL > 1<<31-1):
		return Errorf(CodeInvalidRequest, "min_cache_ttl must be between 0 and 2147483647 seconds, not %d", *s.MinCacheTTL)
	case s.WritesPerKey != nil && !(*s.WritesPerKey >= 0 && *s.WritesPerKey <= math.MaxInt32):
		return Errorf(CodeInvalidRequest, "writes_per_key must be 0 (no limit) or a positive number")
	case s.Consistency != "" && s.Consistency != "eventual" && s.Consistency != "strong":
		return Errorf(CodeInvalidRequest, "consistency must be \"eventual\" or \"strong\", not %q", clip(s.Consistency))
	case s.MaxKeys != nil && (*s.MaxKeys < 1 || *s.MaxKeys > MaxQuota):
		return Errorf(CodeInvalidRequest, "max_keys must be between 1 and %d, not %d", MaxQuota, *s.MaxKeys)
	case s.MaxBytes != nil && (*s.MaxBytes < 1 || *s.MaxBytes > MaxQuota):
		return Errorf(CodeInvalidRequest, "max_bytes must be between 1 and %d, not %d", MaxQuota, *s.MaxBytes)
	case s.RequestsPerSecond != nil:
		if err := ValidateRequestRate(*s.RequestsPerSecond); err != nil {
			return err
		}
	}
	_, err := ParseHistory(s.History)
	if err == nil {
		_, err = ParseEraseWithin(s.EraseWithin)
	}
	return err
}

// ValidateRequestRate returns nil if r may be a limit of requests a second. Error:
// [CodeInvalidRequest].
func ValidateRequestRate(r float64) error {
	if !(r >= MinRequestRate && r <= MaxRequestRate) { // NaN is neither
		return Errorf(CodeInvalidRequest, "requests_per_second must be between %d and %d, not %v", MinRequestRate, MaxRequestRate, r)
	}
	return nil
}

// ValidateTitle returns nil if title may name a namespace. Errors:
// [CodeMissingTitle] when it is empty, [CodeInvalidRequest] when it is longer
// than [MaxTitleRunes] characters or not UTF-8.
func ValidateTitle(title string) error {
	switch {
	case title == "":
		return Errorf(CodeMissingTitle, "missing title")
	case !utf8.ValidString(title):
		return Errorf(CodeInvalidRequest, "title is not valid UTF-8")
	case utf8.RuneCountInString(title) > MaxTitleRunes:
		return Errorf(CodeInvalidRequest, "title exceeds the limit of %d characters", MaxTitleRunes)
	}
	return nil
}
