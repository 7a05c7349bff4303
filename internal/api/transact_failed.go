package api

import (
	"context"
	"slices"

	"github.com/godwitkv/godwit"
)

// ConditionsError is the ErrPrecondition of a transaction. Failed is what stands
// under the keys whose conditions do not hold, read at this node once it showed
// all that the log knew when it decided: with a write in between it may be none.
type ConditionsError struct{ Failed []Standing }

// Standing is what a key holds.
type Standing struct {
	Key      string
	Revision godwit.Revision // 0: there is no entry
}

// Error implements error.
func (e *ConditionsError) Error() string { return godwit.ErrPrecondition.Error() }

// Unwrap returns godwit.ErrPrecondition.
func (e *ConditionsError) Unwrap() error { return godwit.ErrPrecondition }

// failed finds the conditions that do not hold at revision or later. It is for
// the client's information: where it cannot be read, there is none.
func (w *transaction) failed(ctx context.Context, revision godwit.Revision) []Standing {
	var out []Standing
	opts := godwit.ReadOptions{MinRevision: revision}
	for some := range slices.Chunk(w.conditions, godwit.MaxBulkGetKeys) {
		entries, _, err := w.service.cfg.Reader.GetMany(ctx, w.ns.ID, keysOf(some), opts)
		if err != nil {
			return out
		}
		for i := range some {
			if r := revisionOf(entries[i]); !some[i].Holds(r) {
				out = append(out, Standing{some[i].Key, r})
			}
		}
	}
	return out
}

// whichIsNoNumber says which add failed, as far as that can be read at revision or
// later.
func (w *transaction) whichIsNoNumber(ctx context.Context, revision godwit.Revision) error {
	for i, a := range w.writes {
		if a.mutation.Op != godwit.OpAdd {
			continue
		}
		e, _, err := w.service.cfg.Reader.Get(ctx, w.ns.ID, []byte(a.mutation.Key), godwit.ReadOptions{MinRevision: revision})
		if err != nil {
			continue
		}
		n, is := godwit.ParseNumber(e.Value.Inline)
		if is {
			_, is = godwit.AddNumbers(n, a.mutation.Delta)
		}
		if !is {
			return atMutation(i, godwit.ErrNotNumber)
		}
	}
	return godwit.ErrNotNumber
}

func keysOf(conditions []godwit.Condition) []string {
	keys := make([]string, len(conditions))
	for i := range conditions {
		keys[i] = conditions[i].Key
	}
	return keys
}

// revisionOf is 0 for an entry that is not there.
func revisionOf(e *godwit.Entry) godwit.Revision {
	if e == nil {
		return 0
	}
	return e.Revision
}
