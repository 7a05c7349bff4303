package edge

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

// Fetch returns, for as long as an upstream answers, what it has of a value. The caller
// closes it, and compares it with the blob. Errors: godwit.ErrNoUpstream, the upstream's.
func (e *Edge) Fetch(ctx context.Context, ns godwit.NamespaceID, key string, r godwit.Revision, b godwit.Blob) (io.ReadCloser, error) {
	return e.values.through(ctx, want{ns, key, r, b})
}

// Awaits tells whether it is in order that a value is not here: it is withheld, of a
// namespace that is not carried, or on its way.
func (e *Edge) Awaits(ns godwit.NamespaceID, b godwit.Blob) bool {
	return e.values.withheld(b) || !e.follow.carries(ns) || e.values.queue.has(b.ID)
}

// CanCopy tells whether an upstream answers that a new copy can be made of.
func (e *Edge) CanCopy() bool { return e.follow.upstream() != nil && e.status.get().Connected }

// has tells whether a value waits, or is being fetched.
func (q *queue) has(id godwit.BlobID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, is := q.all[id]
	return is
}
