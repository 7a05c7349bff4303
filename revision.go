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
// epoch's. After is the last revision that the log held when the epoch began: what
// an epoch before it gave beyond that is lost, as when an old copy of the log was
// put back. 0: nothing is.
type Epoch struct {
	ID         EpochID
	First      Revision
	After      Revision
	Generation uint64 // which centre's life it is of; never less than that of the epoch before
}

// MaxGeneration is below 2^53, as revisions are.
const MaxGeneration uint64 = 1<<53 - 1

// MaxFollowedGeneration is the last generation that followers take, and say that they have
// followed.
const MaxFollowedGeneration = MaxGeneration / 2

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

// Position is where r is in the log, of no epoch if r is older than all.
func (l Lineage) Position(r Revision) Position {
	e, _ := l.At(r)
	return Position{Epoch: e.ID, Revision: r}
}

// Generation is that of the epoch that goes on. A copy of a centre that is made a
// centre itself goes on with the log under a higher one: of two logs of one
// cluster the higher is the one to follow. 0: nothing of the kind has happened.
func (l Lineage) Generation() uint64 {
	if len(l) == 0 {
		return 0
	}
	return l[len(l)-1].Generation
}

// End is the last revision of the epoch at index i that the log still holds, and
// MaxRevision for the epoch that goes on.
func (l Lineage) End(i int) Revision {
	switch {
	case i+1 >= len(l):
		return MaxRevision
	case l[i+1].After != 0:
		return l[i+1].After
	default:
		return l[i+1].First - 1
	}
}

// Holds tells whether p lies on the lineage: who is there can go on from there.
func (l Lineage) Holds(p Position) bool {
	for i := range l {
		if l[i].ID == p.Epoch {
			return l[i].First <= p.Revision && p.Revision <= l.End(i)
		}
	}
	return false
}

// Position is what a follower resumes from.
type Position struct {
	Epoch    EpochID
	Revision Revision
}
