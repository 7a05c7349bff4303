package godwit

import (
	"encoding/hex"
	"strconv"
)

// Revision numbers the mutations of a log: growing, never reused, below 2^53 so
// that JavaScript can hold one. To clients it is an opaque string.
type Revision uint64

// String is the revision as clients see it.
func (r Revision) String() string { return strconv.FormatUint(uint64(r), 10) }

// AppendText appends what String returns to b.
func (r Revision) AppendText(b []byte) ([]byte, error) {
	return strconv.AppendUint(b, uint64(r), 10), nil
}

// ParseRevision reads what [Revision.String] wrote. Anything else is an
// [*Error] with code [CodeInvalidRequest].
func ParseRevision(s string) (Revision, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || Revision(n) > MaxRevision || strconv.FormatUint(n, 10) != s {
		return 0, Errorf(CodeInvalidRequest, "Invalid revision %q.", clip(s))
	}
	return Revision(n), nil
}

// EpochID names one continuous life of a log. It is random.
type EpochID [16]byte

// String is the id in hexadecimal.
func (id EpochID) String() string { return hex.EncodeToString(id[:]) }

// Epoch is one continuous life of a log, from its first revision to the next
// epoch's.
type Epoch struct {
	ID    EpochID
	First Revision
}

// Lineage is the epochs of a log, oldest first. Two stores with the same
// (epoch, revision) hold the same content.
type Lineage []Epoch

// At returns the epoch that r belongs to, and false if r is older than all.
func (l Lineage) At(r Revision) (Epoch, bool) {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].First <= r {
			return l[i], true
		}
	}
	return Epoch{}, false
}

// Position is what a follower resumes from.
type Position struct {
	Epoch    EpochID
	Revision Revision
}
