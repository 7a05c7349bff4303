package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

const (
	// ownWait is how long a write waits until this node shows it.
	ownWait = time.Second
	// retryWait is how long a write that lost its upstream waits for another.
	retryWait = 1500 * time.Millisecond
)

// Propose implements godwit.Log: the upstream decides, with the credential that
// ctx carries (see godwit.WithCredential), and this node waits until it shows
// the effect. If it does not for too long, its reads of those namespaces go
// upstream until it does.
func (e *Edge) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request was cancelled.", Err: err}
	}
	if len(txs) == 0 {
		return nil, nil
	}
	keyed := withRequestKeys(txs)
	results, err := e.pass(ctx, keyed)
	if err == nil || isCode(err, godwit.CodeOutcomeUnknown) {
		e.decided(txs)
	} else { // what the caller has no result of, it discards
		e.decided(txs[:len(results)])
	}
	for i := range results {
		if txs[i].RequestKey == (godwit.RequestKey{}) {
			results[i].Repeated = false // by this node, not by the client
		}
	}
	e.show(ctx, txs, results)
	return results, err
}

// withRequestKeys gives each transaction a request key, so that it can be sent
// again.
func withRequestKeys(txs []godwit.Transaction) []godwit.Transaction {
	txs = slices.Clone(txs)
	for i := range txs {
		if txs[i].RequestKey == (godwit.RequestKey{}) {
			_, _ = rand.Read(txs[i].RequestKey[:]) // never fails: it ends the process first
		}
	}
	return txs
}

// pass passes transactions on, and once more, to the same upstream or to another
// one, if the first does not get them or its answer does not come. An upstream
// that no connection can be made to has not been tried, nor has one that was given up
// before it was sent anything.
func (e *Edge) pass(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	var unknown error // of the first, which may have taken them
	var until time.Time
	for tries := 0; tries < 2; {
		c, err := e.reach(ctx, time.Until(until))
		if err != nil {
			return nil, firstOf(unknown, err)
		}
		results, gone, err := e.passTo(ctx, c, txs)
		if errors.Is(gone, errSilent) { // the client has waited for long enough
			until = time.Now()
		}
		switch {
		case len(results) > 0 && unknown != nil && !allDecided(results, len(txs)):
			return nil, unknown
		case err == nil, len(results) > 0:
			return results, err
		case isCode(err, godwit.CodeOutcomeUnknown):
			unknown = err
		case !isUnsent(err) || ctx.Err() != nil:
			return nil, firstOf(unknown, err)
		}
		if !isDial(err) && (gone == nil || !isUnsent(err)) {
			tries++
		}
		if until.IsZero() {
			until = time.Now().Add(retryWait)
		}
	}
	return nil, firstOf(unknown, godwit.ErrNoUpstream)
}

// passTo passes transactions on to one upstream. gone is why that was given up
// meanwhile, if it was.
func (e *Edge) passTo(ctx context.Context, c *feed.Client, txs []godwit.Transaction) (_ []godwit.Result, gone, err error) {
	bound, cancel := e.follow.bind(ctx, c)
	defer cancel()
	results, err := c.Propose(bound, godwit.CredentialOf(ctx), txs, e.content)
	if err != nil {
		e.follow.lost(c, err)
	}
	return results, context.Cause(bound), err
}

// content opens a value that was uploaded here.
func (e *Edge) content(b godwit.Blob) (io.ReadCloser, error) {
	if r, ok := e.memory.open(b); ok {
		return r, nil
	}
	return e.store.OpenValue(e.ctx, godwit.NamespaceID{}, &godwit.Entry{Value: godwit.Value{Blob: b}})
}

// allDecided tells whether the results of a second attempt leave open of none of n
// transactions what became of it by the first.
func allDecided(results []godwit.Result, n int) bool {
	return len(results) == n && !slices.ContainsFunc(results, undecided)
}

// undecided tells whether a second attempt leaves open what becomes of the first:
// what was applied is remembered, and what found no namespace never will, but a
// condition that does not hold now may hold when the first attempt gets there, and a
// value that cannot be added to now may be a number then.
func undecided(r godwit.Result) bool {
	return r.Outcome != godwit.Applied && r.Outcome != godwit.NamespaceMissing
}

// isUnsent tells that an upstream did not get all of a request.
func isUnsent(err error) bool {
	var u *url.Error
	return isCode(err, godwit.CodeUnavailable) && errors.As(err, &u)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// decided tells that transactions need no content of theirs any more.
func (e *Edge) decided(txs []godwit.Transaction) {
	for i := range txs {
		for j := range txs[i].Mutations {
			if b := txs[i].Mutations[j].Value.Blob; !b.IsZero() && !e.memory.drop(b) {
				e.values.decided(b)
			}
		}
	}
}

// show waits until this node shows what became of transactions, a failed
// condition too: who is told of it reads the entry that was in the way.
func (e *Edge) show(ctx context.Context, txs []godwit.Transaction, results []godwit.Result) {
	last := godwit.Revision(0)
	for _, r := range results {
		last = max(last, r.Revision)
	}
	if last == 0 || e.follow.exact() && e.awaitOwn(ctx, last) == nil {
		return
	}
	for i := range txs {
		for j := range txs[i].Conditions {
			e.behind.note(txs[i].Conditions[j].Namespace, last)
		}
		for j := range txs[i].Mutations {
			e.behind.note(txs[i].Mutations[j].Namespace, last)
		}
	}
}

func (e *Edge) awaitOwn(ctx context.Context, r godwit.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, ownWait)
	defer cancel()
	return e.follow.waitRevision(ctx, r)
}

// Upload implements godwit.Uploader: the value is kept here until it is
// proposed, and in memory if it must not come to this node's disk.
func (e *Edge) Upload(ctx context.Context, r io.Reader, limit int64) (godwit.Value, error) {
	if ns, ok := godwit.DestinationOf(ctx); ok && e.Barred(ns) {
		return e.memory.upload(ctx, r, limit)
	}
	v, err := e.store.Upload(ctx, r, limit)
	if err == nil && !v.Blob.IsZero() {
		e.values.uploaded(v.Blob)
	}
	return v, err
}

// Discard implements godwit.Uploader.
func (e *Edge) Discard(v godwit.Value) {
	if !v.Blob.IsZero() && !e.memory.drop(v.Blob) {
		e.values.discard(v.Blob)
	}
}
