package godwit

import (
	"context"
	"io"
)

// Log orders writes. It may be in this process, in a cluster or at an upstream
// node: who proposes cannot tell. Methods may be called from many goroutines.
type Log interface {
	// Propose orders the transactions and returns once each is durable and
	// this node's Reader shows its effect: one result for each, in order.
	// Transactions are independent: some may be applied when others are not,
	// and other proposers' may come between them. The log owns the transactions'
	// bytes until Propose returns.
	//
	// An error is about all of them that have no result: with
	// CodeOutcomeUnknown they may yet take effect; with any other code they
	// have not and will not. Errors: CodeUnavailable (busy or without a
	// quorum: try again later), CodeDiskFull, CodeOutcomeUnknown.
	// A context that has ended is CodeUnavailable. One that ends later may be
	// CodeOutcomeUnknown, or wait for the outcome where that takes no longer
	// than a disk takes to sync.
	Propose(ctx context.Context, txs []Transaction) ([]Result, error)

	// Barrier returns a revision at or above that of every write acknowledged
	// before the call, at any node. Error: CodeUnavailable.
	Barrier(ctx context.Context) (Revision, error)
}

// Uploader takes values in, before the transaction that names them is proposed.
type Uploader interface {
	// Upload reads r to its end and keeps what it read: in memory if it is
	// small, else durably on disk, with memory that does not grow with the
	// value. A value longer than limit is read to its end, so that the error
	// can tell its length (up to a bound), and not kept.
	// WithDestination says in ctx for which namespace it is: a node that may not
	// carry that keeps the value in memory, whatever its length, or refuses it
	// (CodeUnavailable). Errors: CodeValueTooLarge, CodeDiskFull, r's error wrapped.
	Upload(ctx context.Context, r io.Reader, limit int64) (Value, error)

	// Discard drops a value that no transaction will name.
	Discard(v Value)
}
