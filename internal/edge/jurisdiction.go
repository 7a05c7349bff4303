package edge

import (
	"fmt"
	"slices"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// JurisdictionError tells that a store holds a namespace that the node may not carry, or,
// without a title, may hold what is left of one that was deleted.
type JurisdictionError struct{ Title, Jurisdiction string }

// Error implements error.
func (e *JurisdictionError) Error() string {
	if e.Title == "" {
		return fmt.Sprintf("the data directory is that of a node for jurisdiction %s, for which this node was not started: what was deleted of it may still be on the disk", e.Jurisdiction)
	}
	return fmt.Sprintf("namespace %q is of jurisdiction %s, for which this node was not started, and its data directory holds it", e.Title, e.Jurisdiction)
}

// checkJurisdictions tells whether this node may open what the store holds. The
// catalog names every namespace that there is; what is in them came only where the node
// was for it when it was filled. Error: *JurisdictionError; the store's.
func (a *applier) checkJurisdictions() error {
	own := a.edge.cfg.Jurisdictions
	if slices.Equal(own, feed.AllJurisdictions()) {
		return nil
	}
	walking, err := feed.Walking(a.store)
	if err != nil {
		return err
	}
	for _, held := range []*feed.Filter{a.note.Carries, walking} {
		if held == nil {
			continue
		}
		err := MayHold(a.store, own, func(ns *godwit.Namespace) bool {
			return a.holds(ns.ID) || held.Admits(ns.Jurisdiction) && held.Carries(ns.ID)
		})
		if err == nil {
			err = mayHaveHeld(held, own)
		}
		if err != nil {
			return err
		}
	}
	if c := a.note.Carries; c != nil && c.Jurisdictions == nil { // all there is of any is of these
		known := *c
		known.Jurisdictions = append([]string{}, own...)
		a.note.Carries = &known
	}
	return nil
}

// mayHaveHeld tells whether what came by a filter is of these jurisdictions, or of none,
// the namespaces included that are deleted by now: their bytes may stand in the files for
// long. Error: *JurisdictionError.
func mayHaveHeld(filter *feed.Filter, jurisdictions []string) error {
	for _, j := range filter.Jurisdictions {
		if !slices.Contains(jurisdictions, j) {
			return &JurisdictionError{Jurisdiction: j}
		}
	}
	return nil
}

// holds tells whether anything of a namespace stands in the store: what is carried no
// longer stays there.
func (a *applier) holds(ns godwit.NamespaceID) bool {
	keys, _ := a.store.NamespaceStats(ns)
	versions, _ := a.store.HistoryStats(ns)
	return keys > 0 || versions > 0
}

// MayHold tells whether each namespace that a store holds is of one of these
// jurisdictions, or of none. held, where not nil, tells of which of those that its
// catalog names it holds more than the name. Error: *JurisdictionError; the store's.
func MayHold(s *store.Store, jurisdictions []string, held func(*godwit.Namespace) bool) error {
	all, err := catalog.Stored(s)
	if err != nil {
		return err
	}
	for _, ns := range all {
		if ns.Jurisdiction != "" && !slices.Contains(jurisdictions, ns.Jurisdiction) && (held == nil || held(ns)) {
			return &JurisdictionError{Title: ns.Title, Jurisdiction: ns.Jurisdiction}
		}
	}
	return nil
}

// lacksNone tells whether a copy of what a filter admits holds every namespace. Error:
// which it does not.
func lacksNone(s *store.Store, f *feed.Filter) error {
	all, err := catalog.Stored(s)
	if err != nil {
		return err
	}
	for _, ns := range all {
		if !f.Admits(ns.Jurisdiction) {
			return fmt.Errorf("it carries no namespaces of jurisdiction %s, of which %q is one", ns.Jurisdiction, ns.Title)
		}
	}
	return nil
}

// Barred tells whether nothing of a namespace may come to this node's disk, values on
// their way through it included. Of one that is not known here yet nothing is known.
func (e *Edge) Barred(ns godwit.NamespaceID) bool {
	if e.cfg.Catalog == nil {
		return false
	}
	known := e.cfg.Catalog.KnownNamespace(ns)
	return known == nil || known.Jurisdiction != "" && !slices.Contains(e.cfg.Jurisdictions, known.Jurisdiction)
}
