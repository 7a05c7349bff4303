package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// filter is what goes to one follower: what it asked for, and of the catalog what
// its token may know. Nothing in it changes.
type filter struct {
	Filter
	scope []godwit.NamespaceID // whose rows of the catalog, sorted; nil: all
	key   string               // the same for filters that let the same through
	// open is the same without a bound by jurisdiction: for what is of none.
	open *filter
}

func newFilter(f Filter, scope []godwit.NamespaceID) *filter {
	bound := keyed(f, scope)
	f.Jurisdictions = nil
	bound.open = keyed(f, scope)
	return bound
}

func keyed(f Filter, scope []godwit.NamespaceID) *filter {
	var key []byte
	key = appendFilter(key, f)
	key = appendFilter(key, Filter{Namespaces: scope})
	key = appendBool(key, f.Jurisdictions == nil)
	return &filter{Filter: f, scope: scope, key: string(key)}
}

// everything tells that records pass as they are.
func (f *filter) everything() bool {
	return f.Namespaces == nil && f.scope == nil && f.MaxValue == 0 && f.Jurisdictions == nil
}

// covers tells whether all that passes other passes f too.
func (f *Filter) covers(other *Filter) bool {
	if f.MaxValue != 0 && (other.MaxValue == 0 || other.MaxValue > f.MaxValue) {
		return false
	}
	return within(other.Namespaces, f.Namespaces) && f.missing(other.Jurisdictions) == ""
}

// missing is the first of these jurisdictions, nil for all there are, whose
// namespaces do not pass f, or "".
func (f *Filter) missing(jurisdictions []string) string {
	if jurisdictions == nil {
		jurisdictions = godwit.Jurisdictions()
	}
	for _, j := range jurisdictions {
		if !f.Admits(j) {
			return j
		}
	}
	return ""
}

// Admits tells whether namespaces of a jurisdiction pass f, "" for those of none.
func (f *Filter) Admits(j string) bool {
	return j == "" || f.Jurisdictions == nil || slices.Contains(f.Jurisdictions, j)
}

// Carries tells whether f names a namespace, of whatever jurisdiction that is.
func (f *Filter) Carries(ns godwit.NamespaceID) bool {
	return f.Namespaces == nil || ns == godwit.SystemNamespace || contains(f.Namespaces, ns)
}

// SameNamespaces tells whether both name the same.
func (f *Filter) SameNamespaces(other *Filter) bool { return same(f.Namespaces, other.Namespaces) }

// SameJurisdictions tells whether both admit namespaces of the same.
func (f *Filter) SameJurisdictions(other *Filter) bool {
	return same(f.Jurisdictions, other.Jurisdictions)
}

// same compares parts of filters, of which nil means all.
func same[T comparable](a, b []T) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// within tells whether inner, nil for all, lies in outer.
func within(inner, outer []godwit.NamespaceID) bool {
	if outer == nil || inner == nil {
		return outer == nil
	}
	return !slices.ContainsFunc(inner, func(ns godwit.NamespaceID) bool { return !contains(outer, ns) })
}

func contains(sorted []godwit.NamespaceID, ns godwit.NamespaceID) bool {
	_, ok := slices.BinarySearchFunc(sorted, ns, compareNamespaces)
	return ok
}

// pass tells whether a record goes to the follower, and takes from it the value
// that is withheld. Rows of the catalog are never withheld.
func (f *filter) pass(r *godwit.Record, of *bounds) bool {
	if f.Jurisdictions != nil && !of.admitted(f, r) {
		return false
	}
	if r.Namespace == godwit.SystemNamespace {
		return f.scope == nil || catalog.InScope(r, func(ns godwit.NamespaceID) bool { return contains(f.scope, ns) })
	}
	if !f.Carries(r.Namespace) {
		return false
	}
	if f.MaxValue > 0 && r.Value.Blob.IsZero() && int64(len(r.Value.Inline)) > f.MaxValue {
		r.Value = withheld(r)
	}
	return true
}

// withheld is the reference that stands for an inline value: every node that
// withholds it makes the same.
func withheld(r *godwit.Record) godwit.Value {
	b := godwit.Blob{Size: int64(len(r.Value.Inline)), Hash: sha256.Sum256(r.Value.Inline)}
	id := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("withheld"), uint64(r.Revision)))
	copy(b.ID[:], id[:])
	return godwit.Value{Blob: b}
}

// derive returns what passes of a frame that holds one batch, as a frame, not
// compressed.
func (f *filter) derive(raw []byte, of *bounds) ([]byte, error) {
	whole, err := Decode(kindRecords, raw[headBytes:])
	if err != nil {
		return nil, fmt.Errorf("filter batch: %w", err)
	}
	batch := whole.(*Records)
	kept := batch.Records[:0]
	for i := range batch.Records {
		if f.pass(&batch.Records[i], of) {
			kept = append(kept, batch.Records[i])
		}
	}
	batch.Records = kept
	frame, err := AppendFrame(nil, batch)
	return bytes.Clone(frame), err // it is kept: without room to grow
}
