package edge

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// here tells whether a read may be answered from the copy as it is, and what is to
// be said of that. It takes no lock and allocates nothing: this is how nearly every
// read goes.
func (e *Edge) here(ns godwit.NamespaceID, opts godwit.ReadOptions) (godwit.CacheStatus, bool) {
	most := opts.MaxStaleness
	if most == 0 {
		most = godwit.DefaultCacheTTL
	}
	held := e.store.Revision()
	age, exact := e.follow.age()
	ok := exact && age <= most && !opts.Strong && opts.MinRevision <= held && e.follow.carries(ns) && e.behind.of(ns, held) == 0
	if e.follow.upstream() == nil || age > lostAfter {
		return godwit.StatusStale, ok
	}
	return godwit.StatusHit, ok
}

// Get implements godwit.Reader. A value that is not here is for OpenValue, as a
// blob is.
func (e *Edge) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	mixes := e.follow.mixes.Load()
	if status, ok := e.here(ns, opts); ok {
		entry, served, err := e.store.Get(ctx, ns, key, godwit.ReadOptions{})
		if e.follow.mixes.Load() == mixes && !errors.Is(err, godwit.ErrDamaged) { // it was not read while parts of later states came in
			served.Status = status
			return entry, served, err
		}
	}
	return e.getElse(ctx, ns, key, opts)
}

func (e *Edge) getElse(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	return answer(ctx, e, ns, opts, read[*godwit.Entry]{
		local: func(ctx context.Context) (*godwit.Entry, godwit.Served, error) {
			return e.store.Get(ctx, ns, key, godwit.ReadOptions{})
		},
		remote: func(ctx context.Context, c *feed.Client, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
			found, served, err := c.Entries(ctx, ns, []string{string(key)}, inlined, opts)
			if err != nil {
				return nil, served, err
			}
			if found[0] == nil {
				return nil, served, godwit.ErrKeyNotFound
			}
			return found[0], served, nil
		},
	})
}

// inlined is which values come with their entries: others are asked for when they
// are opened.
var inlined = feed.Filter{MaxValue: godwit.DefaultInlineBytes}

// GetMany implements godwit.Reader.
func (e *Edge) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	return answer(ctx, e, ns, opts, read[[]*godwit.Entry]{
		local: func(ctx context.Context) ([]*godwit.Entry, godwit.Served, error) {
			return e.store.GetMany(ctx, ns, keys, godwit.ReadOptions{})
		},
		remote: func(ctx context.Context, c *feed.Client, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
			return c.Entries(ctx, ns, keys, inlined, opts)
		},
	})
}

// List implements godwit.Reader.
func (e *Edge) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	page, served, err := answer(ctx, e, ns, opts, read[*godwit.Page]{
		local: func(ctx context.Context) (*godwit.Page, godwit.Served, error) {
			return servedPage(e.store.List(ctx, ns, q, godwit.ReadOptions{}))
		},
		remote: func(ctx context.Context, c *feed.Client, opts godwit.ReadOptions) (*godwit.Page, godwit.Served, error) {
			return servedPage(c.List(ctx, ns, q, opts))
		},
	})
	if err != nil {
		return nil, err
	}
	page.Served = served
	return page, nil
}

func servedPage(p *godwit.Page, err error) (*godwit.Page, godwit.Served, error) {
	if err != nil {
		return nil, godwit.Served{}, err
	}
	return p, p.Served, nil
}

// OpenValue implements godwit.Reader. A value that is not here is fetched.
// Error: godwit.ErrReplaced, after which the caller gets the entry again.
func (e *Edge) OpenValue(ctx context.Context, ns godwit.NamespaceID, entry *godwit.Entry) (io.ReadCloser, error) {
	return e.values.open(ctx, ns, entry)
}

// Revision implements godwit.Reader.
func (e *Edge) Revision() godwit.Revision { return e.store.Revision() }

const (
	// lostAfter is the staleness at which a copy is called stale though its own
	// upstream answers: that one, or one above it, hears nothing of the centre.
	lostAfter = 10 * time.Second
	// revisionWait is how long a read waits for a revision to come by the feed,
	// before the upstream is asked.
	revisionWait = 500 * time.Millisecond
	// answerWait is how long a read waits for the upstream's answer. A link that is
	// known to be away ends that at once.
	answerWait = 2 * time.Second
)
