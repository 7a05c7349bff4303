package state

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/godwitkv/godwit"
)

// request returns what became of t before, if it is known, and the key under which what
// becomes of it now is to be remembered.
//
// A request key is whatever a proposer says. So what is remembered goes by the namespaces
// of a transaction as well: who may write to some of them can neither claim nor learn of
// what is written to others.
func (d *decision) request(t *godwit.Transaction) (k godwit.RequestKey, r godwit.Result, known bool, err error) {
	k = t.RequestKey
	if k == (godwit.RequestKey{}) {
		return k, r, false, nil
	}
	if d.scoped {
		k = scoped(t)
		if r, known, err = d.tx.Request(k); known || err != nil {
			return k, r, known, err
		}
	}
	// As it came: it may have been remembered before keys were scoped.
	r, known, err = d.tx.Request(t.RequestKey)
	return k, r, known, err
}

// scoped is a transaction's request key and the namespaces that it names, as one key.
func scoped(t *godwit.Transaction) (k godwit.RequestKey) {
	room := make([]byte, 0, 4*len(k))
	for _, ns := range namespaces(t) {
		room = append(room, ns[:]...)
	}
	sum := sha256.Sum256(append(room, t.RequestKey[:]...))
	copy(k[:], sum[:])
	return k
}

// namespaces are those that a transaction names, each once, in order.
func namespaces(t *godwit.Transaction) []godwit.NamespaceID {
	all := make([]godwit.NamespaceID, 0, 2)
	add := func(ns godwit.NamespaceID) {
		at, found := slices.BinarySearchFunc(all, ns, func(a, b godwit.NamespaceID) int { return bytes.Compare(a[:], b[:]) })
		if !found {
			all = slices.Insert(all, at, ns)
		}
	}
	for i := range t.Mutations {
		add(t.Mutations[i].Namespace)
	}
	for i := range t.Conditions {
		add(t.Conditions[i].Namespace)
	}
	return all
}
