// Package gather owns the writers that wait for their turn in a log: a bounded
// queue from which whoever orders batches takes as many as fit in one, namespace by
// namespace in turn, so that none waits for what another has piled up. It must
// import the domain alone.
package gather

import "github.com/godwitkv/godwit"

// Bounds of what waits.
const (
	maxWaiting      = 1 << 15   // proposals
	maxWaitingBytes = 256 << 20 // of them, but for blobs
)

// Proposal is transactions of one writer, who waits for what becomes of them. One
// without transactions waits for its place in the log alone.
type Proposal struct {
	Transactions []godwit.Transaction

	lane    godwit.NamespaceID
	bytes   int64
	results []godwit.Result
	err     error
	done    chan struct{}
}

// New returns a proposal.
func New(txs []godwit.Transaction) *Proposal { return NewIn(Lane(txs), txs) }

// NewIn returns a proposal that waits among those of a namespace, whatever it is
// about: the parts of one keep their order so.
func NewIn(lane godwit.NamespaceID, txs []godwit.Transaction) *Proposal {
	return &Proposal{Transactions: txs, lane: lane, bytes: Bytes(txs), done: make(chan struct{}, 1)}
}

// Lane is the namespace among whose proposals transactions wait: the first that
// they name. Where they name none, they wait among the catalog's.
func Lane(txs []godwit.Transaction) (ns godwit.NamespaceID) {
	for i := range txs {
		if m := txs[i].Mutations; len(m) > 0 {
			return m[0].Namespace
		}
		if c := txs[i].Conditions; len(c) > 0 {
			return c[0].Namespace
		}
	}
	return ns
}

// What stands in a batch beside keys, metadata and values, or about so: of short keys it
// is most.
const (
	transactionBytes = 32
	mutationBytes    = 64
	conditionBytes   = 32
	revisionBytes    = 8
)

// Bytes is about how many bytes transactions take in a batch, to within twice that.
func Bytes(txs []godwit.Transaction) (n int64) {
	for i := range txs {
		n += transactionBytes
		for j := range txs[i].Mutations {
			m := &txs[i].Mutations[j]
			n += int64(mutationBytes + len(m.Key) + len(m.Metadata) + len(m.Value.Inline))
		}
		for j := range txs[i].Conditions {
			c := &txs[i].Conditions[j]
			n += int64(conditionBytes + len(c.Key) + revisionBytes*len(c.Revisions))
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
