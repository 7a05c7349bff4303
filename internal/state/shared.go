package state

import (
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/planted"
	"github.com/godwitkv/godwit/internal/store"
)

// Numbered is a batch as a log carries it that several nodes share.
type Numbered struct {
	godwit.Batch
	Proposer store.ProposerID
	Number   uint64 // 1, 2, 3 and so on, in the order in which the proposer sent them
	Ordered  int64  // unix milliseconds at which the log took it, by the log's own clock
	Scoped   bool   // whether requests are remembered by their namespaces too: not before all nodes of the log do
}

// Verdict is what becomes of a numbered batch as a whole.
type Verdict uint8

// The verdicts. All but Taken change nothing, and WrongClock but the number.
const (
	Taken      Verdict = 1
	Duplicate  Verdict = 2 // a batch with this number was taken before
	Gap        Verdict = 3 // the batch before it has not come: it is to be sent again behind that
	WrongClock Verdict = 4 // its time is too far ahead of the log's own
	TooLate    Verdict = 5 // it was on its way for so long that its proposer has given it up
)

// String is the verdict in a word or two.
func (v Verdict) String() string {
	switch v {
	case Taken:
		return "taken"
	case Duplicate:
		return "duplicate"
	case Gap:
		return "gap"
	case WrongClock:
		return "wrong clock"
	case TooLate:
		return "too late"
	}
	return "unknown"
}

// How far a batch's time may be from the log's own. What is later than the second
// is not taken, so that a proposer that is no longer remembered cannot be taken for
// a new one: store.ProposerWindow is longer.
const (
	MaxAhead = 10 * time.Second
	MaxLate  = time.Minute
)

// ApplyNumbered is Apply for a log that several nodes share, in which batches may
// be lost, come late or come twice: each is taken once, and in its proposer's
// order, or not at all. Results are those of Apply where the batch is taken.
func ApplyNumbered(tx *store.Tx, b *Numbered, results []godwit.Result) (Verdict, []godwit.Result, error) {
	ahead := b.Time - b.Ordered // milliseconds: as a time.Duration 292 years wrap
	if ahead < -MaxLate.Milliseconds() {
		return TooLate, results, nil
	}
	last, err := tx.Proposer(b.Proposer)
	switch {
	case err != nil:
		return 0, results, err
	case b.Number <= last:
		return Duplicate, results, nil
	case b.Number != last+1 && !planted.SkipGapCheck:
		return Gap, results, nil
	case ahead > MaxAhead.Milliseconds():
		tx.SetProposer(b.Proposer, b.Number)
		return WrongClock, results, nil
	}
	results, err = apply(tx, b.Batch, b.Scoped, results)
	if err == nil {
		tx.SetProposer(b.Proposer, b.Number)
	}
	return Taken, results, err
}
