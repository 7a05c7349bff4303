package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
)

// numbered is a batch that puts one entry: by a proposer, with a number, made and
// ordered at so many seconds after the start.
type numbered struct {
	proposer byte
	number   uint64
	made     int64
	ordered  int64
	want     state.Verdict
}

// TestApplyNumbered plays batches as a shared log may hold them, and holds what
// becomes of each, and that only those which are taken change anything.
func TestApplyNumbered(t *testing.T) {
	forget := int64(store.ProposerWindow/time.Second) + 61
	const wraps = int64((1<<64)/1_000_000_000) + 1 // seconds, about 584 years: 0.3 s in 64 bits of nanoseconds
	for name, batches := range map[string][]numbered{
		"in order":            {{1, 1, 0, 0, state.Taken}, {1, 2, 0, 0, state.Taken}, {1, 3, 1, 1, state.Taken}},
		"twice":               {{1, 1, 0, 0, state.Taken}, {1, 1, 0, 0, state.Duplicate}, {1, 2, 0, 0, state.Taken}, {1, 1, 0, 0, state.Duplicate}, {1, 2, 0, 0, state.Duplicate}},
		"lost":                {{1, 2, 0, 0, state.Gap}, {1, 1, 0, 0, state.Taken}, {1, 3, 0, 0, state.Gap}, {1, 2, 0, 0, state.Taken}, {1, 3, 0, 0, state.Taken}},
		"two proposers":       {{1, 1, 0, 0, state.Taken}, {2, 1, 0, 0, state.Taken}, {2, 2, 0, 0, state.Taken}, {1, 2, 0, 0, state.Taken}, {1, 1, 0, 0, state.Duplicate}},
		"a clock ahead":       {{1, 1, 10, 0, state.Taken}, {1, 2, 11, 0, state.WrongClock}, {1, 2, 11, 2, state.Duplicate}, {1, 3, 11, 1, state.Taken}},
		"first by that clock": {{1, 1, 99, 0, state.WrongClock}, {1, 1, 99, 99, state.Duplicate}, {1, 2, 1, 1, state.Taken}},
		"centuries ahead":     {{1, 1, wraps, 0, state.WrongClock}},
		"centuries late":      {{1, 1, -wraps, 0, state.TooLate}},
		"late":                {{1, 1, 0, 60, state.Taken}, {1, 2, 0, 61, state.TooLate}, {1, 2, 1, 61, state.Taken}, {1, 3, 0, 61, state.TooLate}},
		"late and a gap":      {{1, 5, 0, 61, state.TooLate}},
		// A proposer that is forgotten cannot be taken for a new one: its batches are late by then.
		"forgotten": {{1, 1, 0, 0, state.Taken}, {2, 1, forget, forget, state.Taken}, {1, 1, 0, forget, state.TooLate}, {1, 1, forget, forget, state.Taken}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &replica{name: name}
			r.open(t)
			defer r.fsck()
			r.commit(godwit.Batch{Time: start.UnixMilli(), Transactions: []godwit.Transaction{{Mutations: []godwit.Mutation{{
				Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(godwit.NamespaceID{1}), Value: godwit.Value{Inline: []byte("{}")},
			}}}}})
			for i, b := range batches {
				before := r.store.Revision()
				if got := r.applyNumbered(b); got != b.want {
					t.Errorf("batch %d is %v, want %v", i, got, b.want)
				}
				if took := r.store.Revision() != before; took != (b.want == state.Taken) {
					t.Errorf("batch %d took effect: %t", i, took)
				}
			}
		})
	}
}

func (r *replica) applyNumbered(b numbered) state.Verdict {
	r.t.Helper()
	batch := state.Numbered{
		Batch: godwit.Batch{Time: start.UnixMilli() + b.made*1000, Transactions: []godwit.Transaction{{
			Mutations: []godwit.Mutation{{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "key", Value: godwit.Value{Inline: []byte("v")}}},
		}}},
		Proposer: store.ProposerID{b.proposer}, Number: b.number,
		Ordered: start.UnixMilli() + b.ordered*1000,
	}
	tx := r.store.Begin()
	v, results, err := state.ApplyNumbered(tx, &batch, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if (len(results) == 1) != (v == state.Taken) {
		r.t.Errorf("%v, and %d results", v, len(results))
	}
	c, err := tx.Commit(store.Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// TestVerdictNames: each has its own.
func TestVerdictNames(t *testing.T) {
	var names []string
	for v := state.Taken; v <= state.TooLate+1; v++ {
		names = append(names, v.String())
	}
	want := []string{"taken", "duplicate", "gap", "wrong clock", "too late", "unknown"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}
