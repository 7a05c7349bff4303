package trace

import (
	"context"

	"github.com/godwitkv/godwit"
)

// Names of spans inside a node.
const (
	SpanPropose = "log.propose" // until the write is in the log, durable, and shown here
	SpanBarrier = "log.barrier" // until all that was acknowledged before is here
	SpanRead    = "read.wait"   // a read that asks for more than the copy as it is
)

// Log is log with a span for each wait on it.
func Log(log godwit.Log) godwit.Log { return &tracedLog{log} }

type tracedLog struct{ log godwit.Log }

// Propose implements godwit.Log.
func (l *tracedLog) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	ctx, span := Child(ctx, SpanPropose)
	results, err := l.log.Propose(ctx, txs)
	if span.span != nil {
		span.span.SetAttributes(attrCount.Int(len(txs)))
		last := godwit.Revision(0)
		for _, r := range results {
			last = max(last, r.Revision)
		}
		span.span.SetAttributes(attrRevision.String(last.String()))
	}
	span.End(err)
	return results, err
}

// Barrier implements godwit.Log.
func (l *tracedLog) Barrier(ctx context.Context) (godwit.Revision, error) {
	ctx, span := Child(ctx, SpanBarrier)
	r, err := l.log.Barrier(ctx)
	span.End(err)
	return r, err
}

// Reader is r with a span for each read that may wait: strong ones, and those that ask
// for a revision.
func Reader(r godwit.Reader) godwit.Reader { return &tracedReader{Reader: r} }

type tracedReader struct{ godwit.Reader }

func waits(opts godwit.ReadOptions) bool { return opts.Strong || opts.MinRevision != 0 }

// Get implements godwit.Reader.
func (r *tracedReader) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	if !waits(opts) {
		return r.Reader.Get(ctx, ns, key, opts)
	}
	ctx, span := Child(ctx, SpanRead)
	e, served, err := r.Reader.Get(ctx, ns, key, opts)
	span.End(err)
	return e, served, err
}

// GetMany implements godwit.Reader.
func (r *tracedReader) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	if !waits(opts) {
		return r.Reader.GetMany(ctx, ns, keys, opts)
	}
	ctx, span := Child(ctx, SpanRead)
	found, served, err := r.Reader.GetMany(ctx, ns, keys, opts)
	span.End(err)
	return found, served, err
}

// List implements godwit.Reader.
func (r *tracedReader) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	if !waits(opts) {
		return r.Reader.List(ctx, ns, q, opts)
	}
	ctx, span := Child(ctx, SpanRead)
	page, err := r.Reader.List(ctx, ns, q, opts)
	span.End(err)
	return page, err
}
