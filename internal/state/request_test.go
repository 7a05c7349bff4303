package state_test

import (
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
)

// requests is a store with two namespaces, to which transactions come in batches of a
// log that several nodes share.
type requests struct {
	*replica
	number uint64
	scoped bool // what is remembered from now on goes by namespaces too
}

func newRequests(t *testing.T) *requests {
	t.Helper()
	r := &requests{replica: &replica{name: t.Name()}}
	r.open(t)
	t.Cleanup(r.fsck)
	for _, ns := range []godwit.NamespaceID{{1}, {2}} {
		r.take(godwit.Transaction{Mutations: []godwit.Mutation{{
			Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(ns), Value: godwit.Value{Inline: []byte("{}")},
		}}})
	}
	return r
}

// take returns what becomes of a transaction.
func (r *requests) take(tx godwit.Transaction) godwit.Result {
	r.t.Helper()
	r.number++
	stx := r.store.Begin()
	v, results, err := state.ApplyNumbered(stx, &state.Numbered{
		Batch:    godwit.Batch{Time: start.UnixMilli(), Transactions: []godwit.Transaction{tx}},
		Proposer: store.ProposerID{1}, Number: r.number, Ordered: start.UnixMilli(), Scoped: r.scoped,
	}, nil)
	if err != nil || v != state.Taken {
		r.t.Fatalf("%v, %v", v, err)
	}
	c, err := stx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return results[0]
}

// write is a transaction that has one request key and puts to namespaces.
func write(namespaces ...byte) godwit.Transaction {
	tx := godwit.Transaction{RequestKey: godwit.RequestKey{7}}
	for _, ns := range namespaces {
		tx.Mutations = append(tx.Mutations, godwit.Mutation{
			Op: godwit.OpPut, Namespace: godwit.NamespaceID{ns}, Key: "key", Value: godwit.Value{Inline: []byte("v")},
		})
	}
	return tx
}

// claim is a transaction that has the same request key and does nothing to a namespace.
func claim(ns byte) godwit.Transaction {
	return godwit.Transaction{RequestKey: godwit.RequestKey{7}, Conditions: []godwit.Condition{{
		Kind: godwit.MustBeAbsent, Namespace: godwit.NamespaceID{ns}, Key: "none",
	}}}
}

// TestRequestKeyOfAnotherNamespace: who uses a request key in one namespace takes it from
// nobody in another, or in both, and does not learn whether it is in use there.
func TestRequestKeyOfAnotherNamespace(t *testing.T) {
	r := newRequests(t)
	r.scoped = true
	for _, tx := range []struct {
		what string
		godwit.Transaction
	}{
		{"a claim", claim(1)}, {"a write to another namespace", write(2)}, {"one to both", write(1, 2)}, {"one to the catalog", claim(0)},
	} {
		if got := r.take(tx.Transaction); got.Repeated || got.Outcome != godwit.Applied {
			t.Errorf("%s: %+v", tx.what, got)
		}
		if got := r.take(tx.Transaction); !got.Repeated || got.Outcome != godwit.Applied {
			t.Errorf("%s, sent again: %+v", tx.what, got)
		}
	}
	for _, tx := range []struct {
		what string
		godwit.Transaction
	}{{"in another order", write(2, 1)}, {"the same namespace", write(1)}, {"a question", claim(2)}} {
		if got := r.take(tx.Transaction); !got.Repeated {
			t.Errorf("%s: %+v", tx.what, got)
		}
	}
}

// TestRequestKeysBecomeScoped: what was done before keys were scoped is not done again
// after, and until then nothing is decided by namespaces.
func TestRequestKeysBecomeScoped(t *testing.T) {
	r := newRequests(t)
	first := r.take(write(1))
	if got := r.take(write(2)); !got.Repeated || got.Revision != first.Revision {
		t.Errorf("before: %+v", got)
	}
	r.scoped = true
	if got := r.take(write(1)); !got.Repeated || got.Revision != first.Revision {
		t.Errorf("sent again after: %+v", got)
	}
}
