package feed

import (
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// bounds knows which namespaces are of a jurisdiction, so that what is in them goes
// to those alone who may carry it. It keeps them when they are deleted: batches from
// before are still sent. It knows of each before any record of it can be sent: those
// that the catalog has when a request comes, and those made since when their commit
// is told, which is before a view can show it.
type bounds struct {
	catalog func() *catalog.Catalog

	mu sync.RWMutex
	of map[godwit.NamespaceID]string // never ""
}

func newBounds(c func() *catalog.Catalog) *bounds {
	return &bounds{catalog: c, of: make(map[godwit.NamespaceID]string)}
}

// learn takes up what the catalog has.
func (b *bounds) learn() {
	for _, ns := range b.catalog().Namespaces() {
		if ns.Jurisdiction != "" {
			b.note(ns)
		}
	}
}

func (b *bounds) note(ns *godwit.Namespace) {
	b.mu.RLock()
	_, known := b.of[ns.ID]
	b.mu.RUnlock()
	if known {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[ns.ID] = ns.Jurisdiction
}

// committed takes up what a commit made, and tells whether anything in it is of a
// jurisdiction.
func (b *bounds) committed(c *store.Committed) (bound bool) {
	for i := range c.Records {
		r := &c.Records[i]
		if ns := catalog.MadeBy(r); ns != nil && ns.Jurisdiction != "" {
			b.note(ns)
		}
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.of) == 0 {
		return false
	}
	for i := range c.Records {
		if ns, ok := subject(&c.Records[i]); ok && b.of[ns] != "" {
			return true
		}
	}
	return false
}

// subject is the namespace whose content a record tells of, if any: of the catalog's
// rows those that name keys, or the beginnings of keys, do.
func subject(r *godwit.Record) (godwit.NamespaceID, bool) {
	if r.Namespace != godwit.SystemNamespace {
		return r.Namespace, true
	}
	ns, _, ok := godwit.ClearedKeys(r.Key)
	return ns, ok
}

// jurisdiction is that of a namespace, "" if it is of none.
func (b *bounds) jurisdiction(ns godwit.NamespaceID) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.of[ns]
}

// admitted tells whether a record may go to whom a filter is of. A row that names
// keys of a namespace which was deleted before this process began goes to nobody
// with a bound: what that was of is not known any more, and the row of no use.
func (b *bounds) admitted(f *filter, r *godwit.Record) bool {
	ns, ok := subject(r)
	if !ok {
		return true
	}
	j := b.jurisdiction(ns)
	if j == "" && r.Namespace == godwit.SystemNamespace {
		return b.catalog().KnownNamespace(ns) != nil
	}
	return f.Admits(j)
}

// unmet is the jurisdiction of a namespace which does not pass a filter, "" if all
// pass.
func (b *bounds) unmet(f *Filter) string {
	for _, ns := range b.catalog().Namespaces() {
		if !f.Admits(ns.Jurisdiction) {
			return ns.Jurisdiction
		}
	}
	return ""
}
