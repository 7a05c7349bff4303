package jetstream

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// staleAfter is the staleness at which answers say so.
	staleAfter = 5 * time.Second
	// revisionWait is how long a read waits for a revision that it asks for.
	revisionWait = time.Second
)

// errNotServing refuses reads of a copy that is not whole yet.
var errNotServing = &godwit.Error{Code: godwit.CodeUnavailable, Message: "This member has yet to catch up with the cluster: ask another."}

// Exact tells whether the store is a whole state of the log.
func (m *Member) Exact() bool { return m.serving.Load() && !m.store.Mixed() }

// Age is for how long the copy may have missed a write.
func (m *Member) Age() time.Duration {
	if age, known := m.fresh.staleness(); known {
		return age
	}
	return math.MaxInt64
}

// Staleness is Age, below 0 if it is not known.
func (m *Member) Staleness() time.Duration {
	if age, known := m.fresh.staleness(); known {
		return age
	}
	return -1
}

// Stale tells whether the copy may have missed writes for longer than the way
// through the log takes.
func (m *Member) Stale() bool {
	age, known := m.fresh.staleness()
	return !known || age > staleAfter
}

// prepare waits for what a read asks of the copy, and returns how the answer is to
// be called.
func (m *Member) prepare(ctx context.Context, opts godwit.ReadOptions) (godwit.CacheStatus, error) {
	if !m.serving.Load() {
		return 0, errNotServing
	}
	if opts.Strong {
		if _, err := m.Barrier(ctx); err != nil {
			return 0, err
		}
	}
	if opts.MinRevision > m.store.Revision() {
		if err := m.awaitRevision(ctx, opts.MinRevision); err != nil {
			return 0, err
		}
	}
	if m.Stale() || m.store.Fenced() != 0 || opts.MaxStaleness > 0 && m.Age() > opts.MaxStaleness { // nobody can be asked who knows more
		return godwit.StatusStale, nil
	}
	return godwit.StatusHit, nil
}

// awaitRevision waits, bounded, until the copy holds r.
func (m *Member) awaitRevision(ctx context.Context, r godwit.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, revisionWait)
	defer cancel()
	if err := m.store.WaitRevision(ctx, r); err != nil {
		why := godwit.Errorf(godwit.CodeUnavailable, "Revision %s has not reached this node.", r)
		why.Err = err
		return why
	}
	return nil
}

// Get implements godwit.Reader.
func (m *Member) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	status, err := m.prepare(ctx, opts)
	if err != nil {
		return nil, godwit.Served{}, err
	}
	e, served, err := m.store.Get(ctx, ns, key, godwit.ReadOptions{})
	served.Status = status
	return e, served, err
}

// GetMany implements godwit.Reader.
func (m *Member) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	status, err := m.prepare(ctx, opts)
	if err != nil {
		return nil, godwit.Served{}, err
	}
	found, served, err := m.store.GetMany(ctx, ns, keys, godwit.ReadOptions{})
	served.Status = status
	return found, served, err
}

// List implements godwit.Reader.
func (m *Member) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	status, err := m.prepare(ctx, opts)
	if err != nil {
		return nil, err
	}
	page, err := m.store.List(ctx, ns, q, godwit.ReadOptions{})
	if err == nil {
		page.Served.Status = status
	}
	return page, err
}

// OpenValue implements godwit.Reader.
func (m *Member) OpenValue(ctx context.Context, ns godwit.NamespaceID, e *godwit.Entry) (io.ReadCloser, error) {
	return m.store.OpenValue(ctx, ns, e)
}

// Revision implements godwit.Reader.
func (m *Member) Revision() godwit.Revision { return m.store.Revision() }
