package edge

import "github.com/godwitkv/godwit"

// MaxIdentities bounds how many credentials are remembered.
const MaxIdentities = maxIdentities

// Identities tells how many are.
func (e *Edge) Identities() (known, strangers int) {
	e.identities.mu.Lock()
	defer e.identities.mu.Unlock()
	return len(e.identities.known), len(e.identities.strangers)
}

// Behind is the namespaces that are behind.
type Behind struct{ b behind }

func (b *Behind) Note(ns godwit.NamespaceID, r godwit.Revision) { b.b.note(ns, r) }
func (b *Behind) Of(ns godwit.NamespaceID, held godwit.Revision) godwit.Revision {
	return b.b.of(ns, held)
}
func (b *Behind) Len() int { return len(b.b.namespaces) }

// MaxBehind bounds how many namespaces are told apart.
const MaxBehind = maxBehind
