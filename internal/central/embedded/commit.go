package embedded

import (
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/gather"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
)

// commit is a batch that reads see and that is on its way to the disk.
type commit struct {
	store     store.Commit
	proposals []*gather.Proposal
	results   []godwit.Result
}

// commitLoop applies what waits, batch after batch, until the log is closed and
// nothing waits any more.
func (l *Log) commitLoop() error {
	defer close(l.synced)
	var batch []godwit.Transaction
	for open := true; open; {
		_, open = <-l.queue.Wake()
		for {
			if l.broken.Load() {
				l.queue.Refuse()
				return nil
			}
			proposals := l.queue.Take(maxBatch, maxBatchBytes)
			if len(proposals) == 0 {
				break
			}
			batch = batch[:0]
			for _, p := range proposals {
				batch = append(batch, p.Transactions...)
			}
			if err := l.commitBatch(batch, proposals); err != nil {
				l.fail(err)
				l.queue.Refuse()
				return nil
			}
			clear(batch) // or its values would stay in memory
		}
	}
	return nil
}

// commitBatch applies one batch and hands it to the acknowledger, waiting there
// while the one before is being synced: the next one grows meanwhile.
func (l *Log) commitBatch(txs []godwit.Transaction, proposals []*gather.Proposal) error {
	tx := l.cfg.Store.Begin()
	if by := l.cfg.Store.Fenced(); by != 0 { // the log ended while the batch waited for its turn
		tx.Rollback()
		gather.Fail(proposals, godwit.Fenced(l.cfg.Store.Generation(), by))
		return nil
	}
	b := godwit.Batch{Time: l.cfg.Now().UnixMilli(), Transactions: txs}
	results, err := state.Apply(tx, b, make([]godwit.Result, 0, len(txs)))
	if err != nil { // a row could not be read: nothing was changed, others may go on
		tx.Rollback()
		if len(proposals) > 1 && store.IsDamage(err) {
			return l.commitHalves(txs, proposals)
		}
		l.cfg.Logger.Error("apply batch", "error", err.Error())
		gather.Fail(proposals, fmt.Errorf("apply batch: %w", err))
		return nil
	}
	c, err := tx.Commit(store.Sync)
	if err != nil {
		gather.Fail(proposals, errUnknown)
		return err
	}
	l.tellLead()
	l.synced <- commit{store: c, proposals: proposals, results: results}
	return nil
}

// commitHalves carries out a batch as two, of which one meets the damage that the whole
// one met: in the end only the proposal fails that has to do with it.
func (l *Log) commitHalves(txs []godwit.Transaction, proposals []*gather.Proposal) error {
	first, n := proposals[:len(proposals)/2], 0
	for _, p := range first {
		n += len(p.Transactions)
	}
	rest := proposals[len(first):]
	if err := l.commitBatch(txs[:n], first); err != nil {
		gather.Fail(rest, errUnknown)
		return err
	}
	return l.commitBatch(txs[n:], rest)
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
			gather.Fail(c.proposals, errUnknown)
			continue
		}
		gather.Finish(c.proposals, c.results)
	}
	return nil
}
