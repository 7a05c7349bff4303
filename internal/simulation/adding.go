package simulation

import (
	"context"
	"fmt"
	"slices"

	"github.com/godwitkv/godwit"
)

// counters are keys that are only added to, in each namespace.
const counters = 3

// add adds to two counters in one transaction, as a node passes it on to another.
func (c *caller) add(ctx context.Context, m *machine) error {
	tag, ns := c.tag(), c.spaces[c.rng.IntN(len(c.spaces))]
	first := c.rng.IntN(counters)
	a := &attempt{tag: tag, delta: make(map[keyID]int64)}
	tx := godwit.Transaction{RequestKey: c.requestKey()}
	for i := range 2 {
		k := keyID{ns, fmt.Sprintf("counter%d", (first+i)%counters)}
		a.keys, a.delta[k] = append(a.keys, k), c.rng.Int64N(2000)-1000
		add := godwit.Mutation{Op: godwit.OpAdd, Namespace: ns, Key: k.key, Delta: a.delta[k], Metadata: []byte(quote(tag))}
		if c.rng.IntN(3) == 0 {
			add.Expiration = c.world.clock.now().Unix() + 1 + c.rng.Int64N(12)
		}
		tx.Mutations = append(tx.Mutations, add)
	}
	c.world.model.ask(a)
	return c.commit(ctx, m, a, tx)
}

// adds holds a record of an add against what was under its key before it. The caller
// holds the lock.
func (m *model) adds(h *history, r *record, delta int64) *violation {
	var n int64
	before := h.at(r.keyID, r.revision-1)
	if before.live(r.modified / 1000) {
		if n = before.number; r.expiration != before.expiration {
			return broken(promiseSum, "%s ends at %d, and ended at %d before %s was added", r.key, r.expiration, before.expiration, r.tag)
		}
	}
	if r.number != n+delta {
		return broken(promiseSum, "%s was %d, %s adds %d, and it is %d at revision %d", r.key, n, r.tag, delta, r.number, r.revision)
	}
	return nil
}

// sums holds what a writer was told of its adds against the log. Where the log went back,
// and the transaction was sent again, there are two sums: it may have been told of either.
func (m *model) sums(a *attempt, told []int64) *violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(told) != len(a.delta) {
		return broken(promiseSum, "%s adds to %d keys, and was told %d sums", a, len(a.delta), len(told))
	}
	for i, k := range a.keys[:len(told)] {
		if made := m.sumsBy(a.tag, k); len(made) > 0 && !slices.Contains(made, told[i]) {
			return broken(promiseSum, "%s makes %s %d, and its writer was told %d", a, k.key, made, told[i])
		}
	}
	return nil
}

// sumsBy are what a writer has made of a counter, in each history of the log. The caller
// holds the lock.
func (m *model) sumsBy(tag string, k keyID) (made []int64) {
	for _, h := range m.histories {
		for _, r := range h.keys[k] {
			if r.tag == tag {
				made = append(made, r.number)
			}
		}
	}
	return made
}
