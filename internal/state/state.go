// Package state owns the one decision of the system: what a batch of
// transactions does. [Apply] is deterministic: it reads the batch and
// replicated state and nothing else, never a flag, a clock, a random number or
// a file, so every node that applies the same log decides alike.
//
// It must not import a log, or anything above the store and the catalog.
package state

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// Apply decides a batch on top of tx, transaction by transaction: conditions in
// order, then revisions one after another. Time is the batch's but never goes
// back. It appends one result for each transaction to results. After an error
// tx must be rolled back: the store is at fault, never the batch.
func Apply(tx *store.Tx, batch godwit.Batch, results []godwit.Result) ([]godwit.Result, error) {
	return apply(tx, batch, true, results)
}

func apply(tx *store.Tx, batch godwit.Batch, scoped bool, results []godwit.Result) ([]godwit.Result, error) {
	tx.Advance(batch.Time)
	d := decision{tx: tx, now: tx.Time() / 1000, scoped: scoped}
	for i := range batch.Transactions {
		r, err := d.transaction(&batch.Transactions[i])
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

type decision struct {
	tx     *store.Tx
	now    int64 // the log's time, unix seconds
	scoped bool  // what is remembered goes by namespaces too
}

func (d *decision) transaction(t *godwit.Transaction) (godwit.Result, error) {
	key, r, known, err := d.request(t)
	if known || err != nil {
		return r, err
	}
	outcome, sums, err := d.judge(t)
	if err != nil || outcome != godwit.Applied {
		return godwit.Result{Outcome: outcome, Revision: d.tx.Revision()}, err
	}
	for i, adds := 0, sums; i < len(t.Mutations); i++ {
		m := t.Mutations[i]
		if m.Op == godwit.OpAdd {
			m.Value.Inline, adds = godwit.FormatNumber(adds[0]), adds[1:]
		}
		if err := d.mutate(&m); err != nil {
			return godwit.Result{}, err
		}
	}
	r = godwit.Result{Outcome: godwit.Applied, Revision: d.tx.Revision(), Sums: sums}
	if key != (godwit.RequestKey{}) {
		d.tx.Remember(key, r)
	}
	return r, nil
}

// judge tells what becomes of a transaction, without changing anything, and the
// sums of its adds.
func (d *decision) judge(t *godwit.Transaction) (_ godwit.Outcome, sums []int64, err error) {
	for i := range t.Mutations {
		ok, err := d.namespaceExists(t.Mutations[i].Namespace)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			return godwit.NamespaceMissing, nil, nil
		}
	}
	for i := range t.Conditions {
		ok, err := d.holds(&t.Conditions[i])
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			return godwit.ConditionFailed, nil, nil
		}
	}
	for i := range t.Mutations {
		m := &t.Mutations[i]
		if m.Op != godwit.OpAdd {
			continue
		}
		sum, ok, err := d.sum(m)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			return godwit.NotNumber, nil, nil
		}
		sums = append(sums, sum)
	}
	return godwit.Applied, sums, nil
}

// sum is what an add makes of what stands under its key, and whether it is a number.
func (d *decision) sum(m *godwit.Mutation) (int64, bool, error) {
	h, err := d.tx.Head(m.Namespace, m.Key)
	if err != nil {
		return 0, false, err
	}
	if !h.Live(d.now) {
		return m.Delta, true, nil
	}
	n, ok := h.Number()
	if !ok {
		return 0, false, nil
	}
	sum, ok := godwit.AddNumbers(n, m.Delta)
	return sum, ok, nil
}

func (d *decision) namespaceExists(ns godwit.NamespaceID) (bool, error) {
	if ns == godwit.SystemNamespace {
		return true, nil
	}
	h, err := d.tx.Head(godwit.SystemNamespace, catalog.NamespaceKey(ns))
	return h.Live(d.now), err
}

func (d *decision) holds(c *godwit.Condition) (bool, error) {
	h, err := d.tx.Head(c.Namespace, c.Key)
	if err != nil {
		return false, err
	}
	if !h.Live(d.now) {
		return c.Holds(0), nil
	}
	return c.Holds(h.Revision), nil
}

// mutate makes one mutation take effect. Deleting what is not there changes
// nothing and gets no revision.
func (d *decision) mutate(m *godwit.Mutation) error {
	h, err := d.tx.Head(m.Namespace, m.Key)
	if err != nil {
		return err
	}
	live := h.Live(d.now)
	if m.Op == godwit.OpDelete && !live {
		return nil
	}
	r := godwit.Record{Mutation: *m, Revision: d.tx.Revision() + 1, Modified: d.tx.Time(), Created: d.tx.Time()}
	if live {
		r.Created = h.Created
	}
	if m.Op == godwit.OpAdd { // to whoever reads the log's records, a put
		r.Op, r.Delta = godwit.OpPut, 0
		if live {
			r.Expiration = h.Expiration
		}
	}
	return d.tx.Apply(&r)
}
