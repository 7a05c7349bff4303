//go:build !planted

// Package planted is the bugs that a test build plants, to show that the
// simulation finds them. In every other build all of them are constants that are
// false, and the compiler leaves out what they guard.
package planted

// The bugs. See on.go for what each does.
const (
	SkipFrame       = false
	ReuseRevision   = false
	ForgetTombstone = false
	HalfTransaction = false
	TrustRelay      = false
	SkipGapCheck    = false
	StaleBarrier    = false
	EarlyMember     = false
)
