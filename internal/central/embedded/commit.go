package embedded

import (
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
)

// commit is a batch that reads see and that is on its way to the disk.
type commit struct {
	store     store.Commit
	proposals []*proposal
}

// commitLoop applies what waits, batch after batch, until the log is closed and
// nothing waits any more.
func (l *Log) commitLoop() error {
	defer close(l.synced)
	var batch []godwit.Transaction
	for open := true; open; {
		_, open = <-l.wake
		for {
			if l.broken.Load() {
				l.refuse()
				return nil
			}
			proposals := l.take()
			if len(proposals) == 0 {
				break
			}
			batch = batch[:0]
			for _, p := range proposals {
				batch = append(batch, p.txs...)
			}
			if err := l.commitBatch(batch, proposals); err != nil {
				l.fail(err)
				l.refuse()
				return nil
			}
			clear(batch) // or its values would stay in memory
		}
	}
	return nil
}

// take removes the next batch from what waits.
func (l *Log) take() []*proposal {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, txs, bytes := 0, 0, int64(0)
	for _, p := range l.waiting {
		if n > 0 && (txs+len(p.txs) > maxBatch || bytes+p.bytes > maxBatchBytes) {
			break
		}
		n, txs, bytes = n+1, txs+len(p.txs), bytes+p.bytes
	}
	taken := l.waiting[:n:n]
	if l.waiting = l.waiting[n:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	l.bytes -= bytes
	return taken
}

// commitBatch applies one batch and hands it to the acknowledger, waiting there
// while the one before is being synced: the next one grows meanwhile.
func (l *Log) commitBatch(txs []godwit.Transaction, proposals []*proposal) error {
	tx := l.cfg.Store.Begin()
	b := godwit.Batch{Time: l.cfg.Now().UnixMilli(), Transactions: txs}
	results, err := state.Apply(tx, b, make([]godwit.Result, 0, len(txs)))
	if err != nil { // a row could not be read: nothing was changed, others may go on
		tx.Rollback()
		l.cfg.Logger.Error("apply batch", "error", err.Error())
		finish(proposals, fmt.Errorf("apply batch: %w", err))
		return nil
	}
	c, err := tx.Commit(store.Sync)
	if err != nil {
		finish(proposals, errUnknown)
		return err
	}
	for _, p := range proposals {
		p.results, results = results[:len(p.txs):len(p.txs)], results[len(p.txs):]
	}
	l.synced <- commit{store: c, proposals: proposals}
	return nil
}

// acknowledgeLoop waits for each batch to be synced and tells its proposers. It
// never acknowledges what failed to sync.
func (l *Log) acknowledgeLoop() error {
	var failure error
	for c := range l.synced {
		if failure == nil {
			if failure = c.store.Wait(); failure != nil {
				l.fail(failure)
			}
		}
		if failure != nil {
			finish(c.proposals, errUnknown)
			continue
		}
		finish(c.proposals, nil)
	}
	return nil
}

// refuse tells those that still wait that their writes were not done.
func (l *Log) refuse() {
	l.mu.Lock()
	rest := l.waiting
	l.waiting, l.bytes = nil, 0
	why := l.closed
	l.mu.Unlock()
	finish(rest, why)
}

func finish(proposals []*proposal, err error) {
	for _, p := range proposals {
		if err != nil {
			p.results, p.err = nil, err
		}
		p.done <- struct{}{}
	}
}
