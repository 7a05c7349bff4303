package edge

import (
	"context"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

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

// Answer answers a read that is done by functions.
func (e *Edge) Answer(ns godwit.NamespaceID, opts godwit.ReadOptions, local, remote func() string) (string, godwit.Served, error) {
	return answer(context.Background(), e, ns, opts, read[string]{
		local: func(context.Context) (string, godwit.Served, error) { return local(), godwit.Served{}, nil },
		remote: func(context.Context, *feed.Client, godwit.ReadOptions) (string, godwit.Served, error) {
			return remote(), godwit.Served{Status: godwit.StatusMiss}, nil
		},
	})
}
