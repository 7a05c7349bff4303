package node

import (
	"context"
	"log/slog"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
)

// fence is what stops a centre that was replaced.
type fence struct {
	mu  sync.Mutex    // held while that happens
	log *embedded.Log // of a centre of its own
}

// outranked is told that a follower has followed a later generation of the log: this
// node is a centre that was replaced. It takes no more writes and no more followers,
// now and after a restart, until the operator has decided what it is to be. Reads of
// what it has go on.
func (n *Node) outranked(by uint64) {
	n.fence.mu.Lock()
	defer n.fence.mu.Unlock()
	if n.store.Fenced() >= by {
		return
	}
	if m := n.member.Load(); m != nil { // all members are told, this one too, by their log
		m.Fence(by)
		return
	}
	if err := n.fence.log.Fence(by); err != nil { // the next follower will say it again
		n.cfg.Logger.Error("centre was replaced, which could not be noted", slog.String(logError, err.Error()))
	}
	n.tellFenced(by)
}

func (n *Node) tellFenced(by uint64) {
	why := godwit.Fenced(n.store.Generation(), by)
	n.feed.Fence(why)
	n.cfg.Logger.Error("centre was replaced: no write is taken", slog.Uint64(logGeneration, n.store.Generation()),
		slog.Uint64(logFencedBy, by), slog.String(logAdvice, why.Message))
}

// centreReader is a centre's own copy. It is all there is to read, until another
// centre has taken over: then it is what an edge's is while its upstream is away.
type centreReader struct{ *store.Store }

// check looks at what a read asks for, and says how it is answered. It is on the way
// of every read.
func (r *centreReader) check(opts *godwit.ReadOptions) (godwit.CacheStatus, error) {
	by := r.Fenced()
	if by == 0 {
		return godwit.StatusHit, nil
	}
	if opts.Strong {
		return godwit.StatusStale, godwit.Fenced(r.Generation(), by)
	}
	return godwit.StatusStale, nil
}

// Get implements godwit.Reader.
func (r *centreReader) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	status, err := r.check(&opts)
	if err != nil {
		return nil, godwit.Served{}, err
	}
	e, served, err := r.Store.Get(ctx, ns, key, opts)
	served.Status = status
	return e, served, err
}

// GetMany implements godwit.Reader.
func (r *centreReader) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	status, err := r.check(&opts)
	if err != nil {
		return nil, godwit.Served{}, err
	}
	entries, served, err := r.Store.GetMany(ctx, ns, keys, opts)
	served.Status = status
	return entries, served, err
}

// List implements godwit.Reader.
func (r *centreReader) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	status, err := r.check(&opts)
	if err != nil {
		return nil, err
	}
	page, err := r.Store.List(ctx, ns, q, opts)
	if err == nil {
		page.Served.Status = status
	}
	return page, err
}
