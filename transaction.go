package godwit

import "slices"

// Op is what a mutation does.
type Op uint8

// The operations.
const (
	OpPut    Op = 1
	OpDelete Op = 2
	OpAdd    Op = 3
)

// Mutation is a put, a delete or an add. A put replaces value, metadata and
// expiration together. Deleting the catalog entry of a namespace deletes the
// namespace's keys with it.
//
// An add is a put of the sum of Delta and the number that the key holds, 0 where it
// has no entry. The expiration of an entry that is there stays; Expiration is that
// of a key which the add makes. A transaction has no other mutation of its key. See
// [ParseNumber] for what is a number.
type Mutation struct {
	Op         Op
	Namespace  NamespaceID
	Key        string
	Value      Value  // of a put
	Metadata   []byte // of a put or an add; nil: none
	Expiration int64  // of a put or an add, unix seconds; 0: never
	Delta      int64  // of an add
}

// ConditionKind is what a condition asks.
type ConditionKind uint8

// The kinds of condition. An expired entry is the same as a missing one.
const (
	// MustBeAbsent holds if the key has no entry.
	MustBeAbsent ConditionKind = 1
	// MustExist holds if the key has an entry.
	MustExist ConditionKind = 2
	// MustMatch holds if the key's entry has one of the revisions.
	MustMatch ConditionKind = 3
	// MustNotMatch holds if the key has no entry with one of the revisions.
	MustNotMatch ConditionKind = 4
)

// Condition is what must hold of a key for a transaction to take effect.
type Condition struct {
	Kind      ConditionKind
	Namespace NamespaceID
	Key       string
	Revisions []Revision // of MustMatch and MustNotMatch
}

// Holds tells whether c holds of a key whose entry has revision r, 0 if it has no
// entry. A condition of an unknown kind does not.
func (c *Condition) Holds(r Revision) bool {
	switch c.Kind {
	case MustBeAbsent:
		return r == 0
	case MustExist:
		return r != 0
	case MustMatch:
		return r != 0 && slices.Contains(c.Revisions, r)
	case MustNotMatch:
		return r == 0 || !slices.Contains(c.Revisions, r)
	default:
		return false
	}
}

// RequestKey identifies a transaction that a client may send again: a digest of
// the client's request id and of what was asked. Zero: none.
type RequestKey [16]byte

// Transaction is conditions and mutations that take effect together or not at
// all. That the namespace of each mutation exists is always a condition too.
type Transaction struct {
	RequestKey RequestKey
	Conditions []Condition
	Mutations  []Mutation
}

// Outcome is what became of a transaction.
type Outcome uint8

// The outcomes.
const (
	// Applied: the mutations took effect (deleting an absent key changes
	// nothing, and is applied all the same).
	Applied Outcome = 1
	// ConditionFailed: a condition did not hold; nothing changed.
	ConditionFailed Outcome = 2
	// NamespaceMissing: a mutation's namespace does not exist; nothing changed.
	NamespaceMissing Outcome = 3
	// NotNumber: a key that was to be added to holds no number, or the sum would be
	// none; nothing changed.
	NotNumber Outcome = 4
)

// Result is what became of a transaction, and where in the log that was
// decided. Who has applied Revision sees the transaction's effect.
type Result struct {
	Outcome  Outcome
	Revision Revision // of the last record, or of the log's end if there is none
	Repeated bool     // an earlier transaction with this RequestKey gave this result
	Sums     []int64  // of an applied transaction's adds, in order; nil: it has none
}

// Batch is transactions gathered by one proposer, the unit that the log orders.
type Batch struct {
	Time         int64 // unix milliseconds at the proposer
	Transactions []Transaction
}

// Record is a mutation that took effect. Created and Modified are unix
// milliseconds of the log's time; Created is kept when a live entry is replaced.
type Record struct {
	Mutation
	Revision Revision
	Created  int64
	Modified int64
	Swept    bool // a put that has expired, whose value and metadata are gone
}
