package jetstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/gather"
	"github.com/godwitkv/godwit/internal/planted"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

const (
	maxFlights = 4        // batches on their way at once
	maxBatch   = 4096     // transactions in one
	batchRoom  = 64 << 10 // of a message that is left for what is not values

	messageRoom = 32 // what stands before a batch in its message, or less

	// A batch costs the log more than what is in it. So behind one that is on its way
	// writers wait until they are as many as it has, or for so long.
	gatherFor = 5 * time.Millisecond

	// giveUp is for how long a batch may be on its way: then its writers are told
	// that its outcome is unknown, and the others that there is no quorum.
	giveUp = 1800 * time.Millisecond
	// resendAfter is when a batch that has not come back is sent again, and
	// resendPause how long it takes until a failed one is.
	resendAfter = 600 * time.Millisecond
	resendPause = 100 * time.Millisecond
	// probeEvery is how often a batch is sent without a writer: it tells how far
	// the log was.
	probeEvery = time.Second
	stepEvery  = 50 * time.Millisecond
)

// Why nothing is written.
var (
	errStarting = &godwit.Error{Code: godwit.CodeUnavailable, Message: "This member has yet to catch up with the cluster."}
	errNoQuorum = &godwit.Error{Code: godwit.CodeUnavailable, Message: "The cluster has no quorum: reads go on, writes must wait."}
	errClosing  = &godwit.Error{Code: godwit.CodeUnavailable, Message: "The node is shutting down."}
	errClock    = &godwit.Error{Code: godwit.CodeUnavailable, Message: "This member's clock is far from the cluster's: it takes no writes."}
	errNoAdds   = &godwit.Error{Code: godwit.CodeUnavailable, Message: "Not all members of the cluster know how to add to a value yet: upgrade them."}
	errNoClears = &godwit.Error{Code: godwit.CodeUnavailable, Message: "Not all members of the cluster know how to clear keys yet: upgrade them."}
	errTooLarge = &godwit.Error{Code: godwit.CodeBodyTooLarge, Message: "The transaction is larger than a message of the cluster's log may be."}
)

// proposer sends batches on their way into the stream, a few at once, and sends
// what was lost again, until each has come back by the stream or is given up.
//
// The stream may lose a batch and append those behind it, or append one twice or
// late. It makes no difference: batches carry who sent them and a number, and each
// member takes number n+1 behind n and nothing else (state.ApplyNumbered). So to
// send all that has not come back again, in order, is always right, whatever
// became of it. Who gives a batch up starts over as somebody else, since the
// batches behind it can no longer be taken.
type proposer struct {
	stream Stream
	queue  *gather.Queue
	packer *packer
	now    func() time.Time         // for the batches' times
	news   func(down *godwit.Error) // told when writes stop being taken, and are again
	format atomic.Int32             // of the messages; see form

	sent, resent, abandoned atomic.Int64 // batches: made, sent again, given up

	back chan struct{} // one slot: a batch has come back

	mu      sync.Mutex
	open    bool // the log has been begun, and is followed
	ended   bool // no writes are taken any more, for good
	id      store.ProposerID
	number  uint64
	flights []*flight     // in order
	left    time.Time     // when the last was made
	failed  bool          // something of them must be sent again
	again   time.Time     // when that was done last
	down    *godwit.Error // why no writes are taken; nil: they are
	lost    bool          // nothing got through since a batch was given up
	seen    bool          // but the stream says that it has a quorum
}

// flight is a batch on its way.
type flight struct {
	number    uint64
	msg       []byte
	time      int64 // the batch's
	since     time.Time
	sent      time.Time // last
	proposals []*gather.Proposal
}

func newProposer(s Stream, now func() time.Time, news func(*godwit.Error)) *proposer {
	p := &proposer{stream: s, queue: gather.NewQueue(), back: make(chan struct{}, 1), packer: newPacker(), now: now, news: news, down: errStarting}
	p.format.Store(firstFormat)
	p.startOver()
	return p
}

// startOver makes it somebody else. It needs p.mu held, but for the first time.
func (p *proposer) startOver() {
	_, _ = rand.Read(p.id[:]) // never fails: it ends the process first
	p.number, p.flights, p.failed = 0, nil, false
}

// propose waits for what becomes of transactions. More than a message holds go as
// several proposals, and the error is about those that have no result: it is unknown what
// became of them if it is of one.
func (p *proposer) propose(txs []godwit.Transaction) (results []godwit.Result, err error) {
	if err := p.refusal(); err != nil {
		return nil, err
	}
	var waiting []*gather.Proposal
	lane := gather.Lane(txs)
	for _, part := range split(txs, p.room()) {
		it := gather.NewIn(lane, part)
		if err = p.queue.Add(it); err != nil {
			break
		}
		waiting = append(waiting, it)
	}
	var failed, behind error
	for _, it := range waiting {
		some, failure := it.Wait()
		switch {
		case failed != nil:
			if failure == nil || errors.Is(failure, godwit.ErrOutcomeUnknown) {
				behind = unknown(failed)
			}
		case failure != nil:
			failed = failure
		default:
			results = append(results, some...)
		}
	}
	return results, cmp.Or(behind, failed, err)
}

// room is about how many bytes of transactions a message takes.
func (p *proposer) room() int64 { return int64(p.stream.MaxMessage()-batchRoom) / 2 }

// split cuts transactions into parts of about so many bytes at the most, and at
// least one transaction. None are one part.
func split(txs []godwit.Transaction, most int64) (parts [][]godwit.Transaction) {
	from, bytes := 0, int64(0)
	for i := range txs {
		n := gather.Bytes(txs[i : i+1])
		if i > from && bytes+n > most {
			parts = append(parts, txs[from:i])
			from, bytes = i, 0
		}
		bytes += n
	}
	return append(parts, txs[from:])
}

// refusal tells why writes are not taken, nil if they are.
func (p *proposer) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down == nil {
		return nil
	}
	return p.down
}

// run sends until ctx ends, and then tells those who wait.
func (p *proposer) run(ctx context.Context) error {
	tick := time.NewTimer(stepEvery)
	defer tick.Stop()
	for {
		runtime.Gosched() // writers that go on together come together
		p.step()
		if p.queue.Len() > 0 {
			tick.Reset(gatherFor)
		} else {
			tick.Reset(stepEvery)
		}
		select {
		case <-ctx.Done():
			p.close()
			return nil
		case <-p.queue.Wake():
		case <-p.back:
		case <-tick.C:
		}
	}
}

// begin lets batches leave from now on: nothing may stand in a log before its
// beginning.
func (p *proposer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = true
}

// pause lets no batches leave until begin, and gives up those on their way: what
// becomes of them this member is not told.
func (p *proposer) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	p.turn(errStarting)
	p.giveUp(errStarting)
}

// close gives up all there is: a batch on its way may yet be taken.
func (p *proposer) close() {
	p.queue.Close(errClosing)
	p.mu.Lock()
	flights := p.flights
	p.startOver()
	p.down = errClosing
	p.mu.Unlock()
	for _, f := range flights {
		gather.Fail(f.proposals, unknown(errClosing))
	}
	p.queue.Drain(errClosing)
}

// step sends what is to be sent now. It is for one goroutine: the order in which
// it sends is the order of the batches.
func (p *proposer) step() {
	now := time.Now()
	p.mu.Lock()
	if !p.open || p.ended {
		p.queue.Drain(p.down) // who asked just before, too
		p.mu.Unlock()
		return
	}
	if len(p.flights) > 0 && now.Sub(p.flights[0].since) >= giveUp {
		p.giveUp(errNoQuorum)
	}
	send := p.resend(now)
	p.mu.Unlock()
	for _, f := range send {
		p.stream.Send(f.msg, p.answered)
	}
	for f := p.depart(now); f != nil; f = p.depart(now) {
		p.stream.Send(f.msg, p.answered)
	}
}

// answered takes what the stream says of a batch: that it was taken the member
// hears by the stream itself.
func (p *proposer) answered(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = true
}

// resend returns all batches on their way if one of them may have been lost. It
// needs p.mu held.
func (p *proposer) resend(now time.Time) (send []*flight) {
	if len(p.flights) == 0 || now.Sub(p.again) < resendPause {
		return nil
	}
	if !p.failed && (p.lost || now.Sub(p.flights[0].sent) < resendAfter) {
		return nil // the next says as much as this one again: see lookOut
	}
	p.failed, p.again = false, now
	for _, f := range p.flights {
		f.sent = now
	}
	p.resent.Add(int64(len(p.flights)))
	return append(send, p.flights...)
}

// depart makes a batch of what waits, nil if nothing does. Without writers one is
// made now and then all the same.
func (p *proposer) depart(now time.Time) *flight {
	proposals, ok := p.take(now)
	if !ok {
		return nil
	}
	f := &flight{time: p.now().UnixMilli(), since: now, sent: now, proposals: proposals}
	batch := godwit.Batch{Time: f.time}
	for _, it := range proposals {
		batch.Transactions = append(batch.Transactions, it.Transactions...)
	}
	encoded := wire.AppendBatch(nil, &batch)
	if len(encoded)+messageRoom > p.stream.MaxMessage() {
		gather.Fail(proposals, errTooLarge)
		return nil
	}
	format, kind := p.form(), byte(kindBatch)
	if format >= packedFormat {
		if packed, ok := p.packer.pack(encoded); ok {
			encoded, kind = packed, kindPacked
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open || p.ended { // since they were taken: nobody would give the batch up
		gather.Fail(proposals, p.down)
		return nil
	}
	f.number = p.number + 1
	f.msg = appendBatch(make([]byte, 0, messageRoom+len(encoded)), format, kind, p.id, f.number, encoded)
	p.number, p.left = f.number, now
	p.sent.Add(1)
	p.flights = append(p.flights, f)
	return f
}

// take returns what is to leave, and whether a batch is.
func (p *proposer) take(now time.Time) ([]*gather.Proposal, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flights) >= maxFlights {
		return nil, false
	}
	if p.down != nil {
		p.queue.Drain(p.down)
	}
	if n := len(p.flights); n > 0 && p.queue.Len() < len(p.flights[n-1].proposals) && now.Sub(p.left) < gatherFor {
		return nil, false
	}
	proposals := p.queue.Take(maxBatch, p.room())
	return proposals, len(proposals) > 0 || p.probes(now)
}

// giveUp tells all writers that what they wait for cannot be told, and takes no
// more writes until a batch gets through. It needs p.mu held.
func (p *proposer) giveUp(why *godwit.Error) {
	flights := p.flights
	p.lost, p.seen = true, false
	p.startOver()
	p.abandoned.Add(int64(len(flights)))
	if p.down == nil {
		p.turn(why)
	}
	for _, f := range flights {
		gather.Fail(f.proposals, unknown(why))
	}
	p.queue.Drain(p.down)
}

// arrived takes what became of a batch of the stream, whoever sent it, and
// returns since when it was on its way if this member waits for it.
func (p *proposer) arrived(b *state.Numbered, v state.Verdict, results []godwit.Result) (since time.Time, own bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.Proposer != p.id || len(p.flights) == 0 || b.Number < p.flights[0].number {
		return since, false
	}
	f := p.flights[0]
	p.lost = false
	if planted.SkipGapCheck {
		results = append(results, make([]godwit.Result, maxBatch)...)
	}
	switch v {
	case state.Taken:
		p.flights = p.flights[1:]
		gather.Finish(f.proposals, results)
		p.turn(nil)
		select {
		case p.back <- struct{}{}:
		default:
		}
	case state.WrongClock:
		p.flights = p.flights[1:]
		gather.Fail(f.proposals, errClock)
		p.turn(errClock)
	case state.TooLate: // not taken, unless it comes again under a leader of another clock
		flights := p.flights
		p.startOver()
		for _, f := range flights {
			gather.Fail(f.proposals, unknown(errClock))
		}
		p.turn(errClock)
	default:
		p.failed = true
		return since, false
	}
	return f.since, true
}

// end takes no more writes. Those on their way stand behind the log's end, if they
// come to stand in it.
func (p *proposer) end(why *godwit.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(why)
	p.ended = true
	flights := p.flights
	p.startOver()
	for _, f := range flights {
		gather.Fail(f.proposals, why)
	}
	p.queue.Drain(why)
}

// turn notes whether writes are taken, and why not. It needs p.mu held.
func (p *proposer) turn(down *godwit.Error) {
	if p.down != down && p.down != errClosing && !p.ended {
		p.down = down
		p.news(down)
	}
}

func unknown(why error) error {
	return &godwit.Error{Code: godwit.CodeOutcomeUnknown, Message: godwit.ErrOutcomeUnknown.Message, Err: why}
}
