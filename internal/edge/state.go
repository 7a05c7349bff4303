package edge

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// What a node needs that is an edge only for as long as it takes to become a copy.

// State asks the upstream that is followed for a state of its own. Error:
// godwit.ErrNoUpstream, while none is.
func (e *Edge) State(ctx context.Context) (*feed.Stream, error) {
	s := e.session.Load()
	if s == nil {
		return nil, godwit.ErrNoUpstream
	}
	return s.client.State(ctx, e.store.Cluster(), e.cfg.Jurisdictions)
}

// FetchMissing fetches all values that are not here, and returns once none is
// missing but what was replaced upstream since. Errors: the upstream's, for the
// first that could not be fetched; the store's.
func (e *Edge) FetchMissing(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	err := e.store.MissingBlobs(ctx, func(p store.Place, entry *godwit.Entry) error {
		w := want{p.Namespace, p.Key, entry.Revision, entry.Value.Blob}
		if !e.values.withheld(w.blob) {
			g.Go(func() error { return e.values.prefetch(ctx, w) })
		}
		return ctx.Err()
	})
	if failed := g.Wait(); failed != nil {
		return failed
	}
	return err
}

// Forget removes what an edge has noted in a store, which is to be none any more.
func Forget(tx *store.Tx) {
	tx.SetNote(noteName, nil)
	tx.SetNote(clockNote, nil)
}
