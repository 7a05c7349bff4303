//go:build planted

// Package planted is the bugs that a test build plants, to show that the
// simulation finds them. The environment chooses one.
package planted

import "os"

// Variable names the bug that a process has.
const Variable = "GODWIT_PLANTED"

// The bugs.
var (
	// SkipFrame lets an edge pass over some batches of the log.
	SkipFrame = plant("skip-frame")
	// ReuseRevision lets a centre that starts with an older disk give revisions
	// that it has given before.
	ReuseRevision = plant("reuse-revision")
	// ForgetTombstone drops tombstones after a second, and tells nobody.
	ForgetTombstone = plant("forget-tombstone")
	// HalfTransaction lets an edge show the first half of some batches before the
	// second.
	HalfTransaction = plant("half-transaction")
	// TrustRelay lets an edge take its upstream for as fresh as the centre.
	TrustRelay = plant("trust-relay")
	// SkipGapCheck lets members of a cluster take a batch though the one before it
	// was lost, and its proposer take that for the one it waits for.
	SkipGapCheck = plant("skip-gap-check")
	// StaleBarrier lets a member answer a barrier at once.
	StaleBarrier = plant("stale-barrier")
	// EarlyMember lets a member serve before it has caught up.
	EarlyMember = plant("early-member")
)

// Bugs are their names, in the order of the above.
func Bugs() []string { return names }

var names []string

func plant(name string) bool {
	names = append(names, name)
	return os.Getenv(Variable) == name
}
