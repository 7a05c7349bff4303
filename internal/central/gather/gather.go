// Package gather owns the writers that wait for their turn in a log: a bounded
// queue from which whoever orders batches takes as many as fit in one. It must
// import the domain alone.
package gather

import (
	"sync"

	"github.com/godwitkv/godwit"
)

// Bounds of what waits.
const (
	maxWaiting      = 1 << 14   // proposals
	maxWaitingBytes = 256 << 20 // inline bytes in them
)

// Proposal is transactions of one writer, who waits for what becomes of them. One
// without transactions waits for its place in the log alone.
type Proposal struct {
	Transactions []godwit.Transaction

	bytes   int64
	results []godwit.Result
	err     error
	done    chan struct{}
}

// New returns a proposal.
func New(txs []godwit.Transaction) *Proposal {
	return &Proposal{Transactions: txs, bytes: Bytes(txs), done: make(chan struct{}, 1)}
}

// Bytes is about how many bytes transactions take in a batch.
func Bytes(txs []godwit.Transaction) (n int64) {
	for i := range txs {
		for j := range txs[i].Mutations {
			m := &txs[i].Mutations[j]
			n += int64(len(m.Key) + len(m.Metadata) + len(m.Value.Inline))
		}
		for j := range txs[i].Conditions {
			n += int64(len(txs[i].Conditions[j].Key))
		}
	}
	return n
}

// Puts tells whether there is a mutation that takes room among transactions.
func Puts(txs []godwit.Transaction) bool {
	for i := range txs {
		for j := range txs[i].Mutations {
			if !txs[i].Mutations[j].Frees() {
				return true
			}
		}
	}
	return false
}

// Adds tells whether there is an add among transactions.
func Adds(txs []godwit.Transaction) bool {
	for i := range txs {
		for j := range txs[i].Mutations {
			if txs[i].Mutations[j].Op == godwit.OpAdd {
				return true
			}
		}
	}
	return false
}

// Wait returns what became of the proposal, once that is known.
func (p *Proposal) Wait() ([]godwit.Result, error) {
	<-p.done
	return p.results, p.err
}

// Finish tells each proposal its part of the results.
func Finish(proposals []*Proposal, results []godwit.Result) {
	for _, p := range proposals {
		n := len(p.Transactions)
		p.results, results = results[:n:n], results[n:]
		p.done <- struct{}{}
	}
}

// Fail tells all proposals why they have no results.
func Fail(proposals []*Proposal, err error) {
	for _, p := range proposals {
		p.results, p.err = nil, err
		p.done <- struct{}{}
	}
}

// Queue is proposals that wait. Its methods may be called from many goroutines.
type Queue struct {
	mu      sync.Mutex
	waiting []*Proposal
	bytes   int64
	closed  error         // why nothing is taken any more
	wake    chan struct{} // one slot: something waits
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{wake: make(chan struct{}, 1)} }

// Wake delivers when something was added. It is closed by Close.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Add lets a proposal wait. Errors: godwit.ErrBusy; what Close was given.
func (q *Queue) Add(p *Proposal) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case len(q.waiting) >= maxWaiting || q.bytes+p.bytes > maxWaitingBytes:
		return godwit.ErrBusy
	}
	q.waiting = append(q.waiting, p)
	q.bytes += p.bytes
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// Take removes those that fit in one batch, in order, and at least one if there
// is any.
func (q *Queue) Take(maxTransactions int, maxBytes int64) []*Proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, txs, bytes := 0, 0, int64(0)
	for _, p := range q.waiting {
		if n > 0 && (txs+len(p.Transactions) > maxTransactions || bytes+p.bytes > maxBytes) {
			break
		}
		n, txs, bytes = n+1, txs+len(p.Transactions), bytes+p.bytes
	}
	taken := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	q.bytes -= bytes
	return taken
}

// Len is how many wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Close lets no more proposals wait. Those that do are still to be taken. Closing
// again changes nothing.
func (q *Queue) Close(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = why
		close(q.wake)
	}
}

// Refuse tells all that wait what Close was given.
func (q *Queue) Refuse() {
	q.mu.Lock()
	why := q.closed
	q.mu.Unlock()
	q.Drain(why)
}

// Drain tells all that wait why they will not be taken.
func (q *Queue) Drain(why error) {
	q.mu.Lock()
	rest := q.waiting
	q.waiting, q.bytes = nil, 0
	q.mu.Unlock()
	Fail(rest, why)
}
