package gather

import (
	"sync"

	"github.com/godwitkv/godwit"
)

const (
	// quantum is what the proposals that a namespace sends in one turn cost, while
	// others wait. What costs more is paid for over several turns.
	quantum = 256 << 10
	// transactionCost is what a transaction costs beside its bytes.
	transactionCost = 256
	// maxSpares bounds the lanes that are kept for the next namespaces.
	maxSpares = 64
)

func (p *Proposal) cost() int64 { return p.bytes + int64(len(p.Transactions))*transactionCost }

// Queue is proposals that wait: each namespace's in the order in which they came,
// and the namespaces in a ring. Its methods may be called from many goroutines.
type Queue struct {
	mu     sync.Mutex
	lanes  map[godwit.NamespaceID]*lane // those in which something waits
	turn   *lane                        // in the ring: whose turn it is; nil: nothing waits
	spare  *lane                        // those that were emptied lately, by next
	spares int
	count  int
	bytes  int64
	closed error         // why nothing is taken any more
	wake   chan struct{} // one slot: something waits
}

// lane is a namespace's proposals that wait.
type lane struct {
	ns         godwit.NamespaceID
	waiting    []*Proposal
	bytes      int64
	credit     int64 // what it may yet send in this turn, and has saved from others
	began      bool  // it has had the credit of its turn
	next, prev *lane
}

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	return &Queue{lanes: make(map[godwit.NamespaceID]*lane), wake: make(chan struct{}, 1)}
}

// Wake delivers when something was added. It is closed by Close.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Add lets a proposal wait. A namespace may take as much of the room as it leaves
// free, so that there is always some for others. Errors: godwit.ErrBusy; what
// Close was given.
func (q *Queue) Add(p *Proposal) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	l := q.find(p.lane)
	count, bytes := 1, p.bytes // of the namespace then
	if l != nil {
		count, bytes = count+len(l.waiting), bytes+l.bytes
	}
	if count > maxWaiting-q.count || bytes > maxWaitingBytes-q.bytes {
		return godwit.ErrBusy
	}
	if l == nil {
		l = q.enter(p.lane)
	}
	l.waiting = append(l.waiting, p)
	l.bytes += p.bytes
	q.count++
	q.bytes += p.bytes
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// find is the lane of a namespace, nil if nothing of it waits. Where one namespace
// writes, nothing is looked up.
func (q *Queue) find(ns godwit.NamespaceID) *lane {
	if q.turn == nil || q.turn.ns == ns {
		return q.turn
	}
	return q.lanes[ns]
}

// enter makes a lane, whose turn is behind all others'.
func (q *Queue) enter(ns godwit.NamespaceID) *lane {
	l := q.spare
	if l == nil {
		l = new(lane)
	} else {
		q.spare = l.next
		q.spares--
	}
	l.ns = ns
	q.lanes[ns] = l
	if q.turn == nil {
		l.next, l.prev, q.turn = l, l, l
		return l
	}
	l.next, l.prev = q.turn, q.turn.prev
	l.prev.next, l.next.prev = l, l
	return l
}

// leave takes out the lane whose turn it is, which is empty.
func (q *Queue) leave() {
	l := q.turn
	delete(q.lanes, l.ns)
	l.prev.next, l.next.prev = l.next, l.prev
	if q.turn = l.next; l.next == l {
		q.turn = nil
	}
	*l = lane{} // or what it had would stay in memory
	if q.spares < maxSpares {
		l.next, q.spare = q.spare, l
		q.spares++
	}
}

// Take removes those that fit in one batch, and at least one if there is any: each
// namespace's in order, the namespaces by turns.
func (q *Queue) Take(maxTransactions int, maxBytes int64) []*Proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := batch{maxTransactions: maxTransactions, maxBytes: maxBytes}
	if len(q.lanes) > 1 {
		b.taken = make([]*Proposal, 0, min(q.count, maxTransactions))
	}
	for q.turn != nil && !b.full {
		l, alone := q.turn, q.turn.next == q.turn
		if !l.began {
			l.began = true
			l.credit += quantum
		}
		l.send(&b, alone)
		switch {
		case len(l.waiting) == 0:
			q.leave()
		case !b.full: // its turn is over
			l.began, q.turn = false, l.next
		}
	}
	q.count -= len(b.taken)
	q.bytes -= b.bytes
	return b.taken
}

// batch is what one Take takes.
type batch struct {
	maxTransactions int
	maxBytes        int64

	taken        []*Proposal
	transactions int
	bytes        int64
	full         bool
}

// send moves what fits and is paid for into b. Alone, a lane pays nothing.
func (l *lane) send(b *batch, alone bool) {
	n, before := 0, b.bytes
	for _, p := range l.waiting {
		if !alone && p.cost() > l.credit {
			break
		}
		if (n > 0 || len(b.taken) > 0) && (b.transactions+len(p.Transactions) > b.maxTransactions || b.bytes+p.bytes > b.maxBytes) {
			b.full = true
			break
		}
		if !alone {
			l.credit -= p.cost()
		}
		n, b.transactions, b.bytes = n+1, b.transactions+len(p.Transactions), b.bytes+p.bytes
	}
	l.bytes -= b.bytes - before
	if b.taken == nil {
		b.taken = l.waiting[:n:n] // appending to it copies
	} else {
		b.taken = append(b.taken, l.waiting[:n]...)
	}
	l.waiting = l.waiting[n:]
}

// Len is how many wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
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
	var rest []*Proposal
	q.mu.Lock()
	for q.turn != nil {
		rest = append(rest, q.turn.waiting...)
		q.leave()
	}
	q.count, q.bytes = 0, 0
	q.mu.Unlock()
	Fail(rest, why)
}
