// Package embedded owns the log of a central node that is one machine: the
// order of writes is the order in which its one committer applies them to the
// store, and the store's own write-ahead log is the log.
//
// Writers that wait are gathered into one batch, applied, and committed
// together; while one commit is on its way to the disk the next is gathered. A
// write is acknowledged once it is synced. It must not import an API.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/gather"
	"github.com/godwitkv/godwit/internal/store"
)

// Config is what a log needs. Only Store is required.
type Config struct {
	Store  *store.Store
	Now    func() time.Time // corrected clock; default: time.Now
	Logger *slog.Logger     // default: none
}

// Bounds of what one batch takes.
const (
	maxBatch      = 4096    // transactions
	maxBatchBytes = 8 << 20 // as gather.Bytes counts
)

// Log is an open log.
type Log struct {
	cfg   Config
	epoch godwit.Epoch

	queue *gather.Queue

	synced  chan commit // to the acknowledger, in order; without room, so that a batch grows while one is synced and one waits
	workers *errgroup.Group
	failed  chan error
	once    sync.Once
	told    time.Time   // when a clock behind the log was logged last; zero: never
	broken  atomic.Bool // the disk failed: nothing more is committed
}

var _ godwit.Log = (*Log)(nil)

// Open starts an epoch and takes proposals, unless the store is fenced off: then
// all are refused.
func Open(_ context.Context, cfg Config) (*Log, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		cfg: cfg, queue: gather.NewQueue(),
		synced: make(chan commit), failed: make(chan error, 1), workers: new(errgroup.Group),
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	l.tellLead()
	l.workers.Go(l.commitLoop)
	l.workers.Go(l.acknowledgeLoop)
	return l, nil
}

// begin opens an epoch, unless a later generation has taken the log over: then
// nothing is to be added to it.
func (l *Log) begin() (err error) {
	if by := l.cfg.Store.Fenced(); by != 0 {
		l.queue.Close(godwit.Fenced(l.cfg.Store.Generation(), by))
		return nil
	}
	if l.epoch, err = l.cfg.Store.OpenEpoch(); err != nil {
		return fmt.Errorf("open epoch: %w", err)
	}
	return nil
}

// Fence ends the log since generation by of it is another centre's: what is being
// committed is carried through, what waits and what comes is refused. It is durable
// on return, and stays so. Error: the store's.
func (l *Log) Fence(by uint64) error {
	why := godwit.Fenced(l.cfg.Store.Generation(), by)
	l.queue.Close(why)
	l.queue.Refuse()
	if err := l.cfg.Store.Fence(by); err != nil {
		return fmt.Errorf("note that the log was taken over: %w", err)
	}
	return nil
}

// Failed delivers an error once the log can take no more writes because the
// disk failed: the process must end, since what memory holds may not be true.
func (l *Log) Failed() <-chan error { return l.failed }

// Close finishes what was proposed and stops.
func (l *Log) Close() error {
	l.queue.Close(&godwit.Error{Code: godwit.CodeUnavailable, Message: "The node is shutting down."})
	return l.workers.Wait()
}

// Propose implements godwit.Log. Once a proposal is taken it is carried through,
// which takes as long as the disk takes to sync, so the context is looked at
// only before.
func (l *Log) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request was cancelled.", Err: err}
	}
	switch {
	case gather.Puts(txs) && l.cfg.Store.DiskFull():
		return nil, godwit.ErrDiskFull
	case l.cfg.Store.Stalled():
		return nil, godwit.ErrBusy
	}
	p := gather.New(txs)
	if err := l.queue.Add(p); err != nil {
		return nil, err
	}
	return p.Wait()
}

// Barrier implements godwit.Log: every acknowledged write is durable here. That is
// not so once another centre takes writes.
func (l *Log) Barrier(context.Context) (godwit.Revision, error) {
	if by := l.cfg.Store.Fenced(); by != 0 {
		return 0, godwit.Fenced(l.cfg.Store.Generation(), by)
	}
	return l.cfg.Store.Revision(), nil
}

// Epoch is the epoch that opening this log started; none if it is fenced off.
func (l *Log) Epoch() godwit.Epoch { return l.epoch }

// fail ends the log after the disk failed under a batch.
func (l *Log) fail(err error) {
	l.once.Do(func() {
		l.cfg.Logger.Error("log failed", "error", err.Error())
		l.failed <- err
	})
	l.queue.Close(&godwit.Error{Code: godwit.CodeUnavailable, Message: "The node's disk failed.", Err: err})
	l.broken.Store(true) // after Close, which says what those who wait are told
}

var errUnknown = &godwit.Error{
	Code: godwit.CodeOutcomeUnknown, Message: godwit.ErrOutcomeUnknown.Message, Err: errors.New("the disk failed during the write"),
}
