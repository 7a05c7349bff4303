package godwit_test

import (
	"testing"

	"github.com/godwitkv/godwit"
)

// TestConditionHolds: each kind, of a key without an entry, with one that is named and
// with another.
func TestConditionHolds(t *testing.T) {
	for kind, want := range map[godwit.ConditionKind][3]bool{
		godwit.MustBeAbsent: {true, false, false},
		godwit.MustExist:    {false, true, true},
		godwit.MustMatch:    {false, true, false},
		godwit.MustNotMatch: {true, false, true},
		99:                  {},
	} {
		c := godwit.Condition{Kind: kind, Revisions: []godwit.Revision{5, 7}}
		if got := [3]bool{c.Holds(0), c.Holds(7), c.Holds(8)}; got != want {
			t.Errorf("kind %d: %v, want %v", kind, got, want)
		}
	}
}
