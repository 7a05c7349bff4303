package store

import (
	"strings"

	"github.com/godwitkv/godwit"
)

// noteSystem keeps a record for OnSystem, drops the namespace whose entry it
// deletes, and clears the keys that it names.
func (tx *Tx) noteSystem(r *godwit.Record) {
	keep := *r
	keep.Value.Inline = append([]byte(nil), r.Value.Inline...)
	keep.Metadata = append([]byte(nil), r.Metadata...)
	tx.system = append(tx.system, keep)
	if id, ok := namespaceOf(r.Key); ok && r.Op == godwit.OpDelete {
		tx.dropNamespace(id)
		tx.endErasing(id)
	} else if ok {
		tx.setErasing(id, r)
		tx.setHistory(id, r)
	}
	if err := tx.clearBy(r); tx.err == nil {
		tx.err = err
	}
}

// namespacePrefix is where the catalog keeps the entries that make namespaces
// exist; deleting one deletes the namespace's keys.
const namespacePrefix = "namespace/"

// namespaceOf returns the namespace whose own entry stands under a key of the
// system namespace.
func namespaceOf(key string) (godwit.NamespaceID, bool) {
	text, ok := strings.CutPrefix(key, namespacePrefix)
	if !ok {
		return godwit.NamespaceID{}, false
	}
	id, err := godwit.ParseNamespaceID(text)
	return id, err == nil
}

// dropNamespace deletes all of a namespace's keys in a few rows. What it leaves
// behind in i, r, x and b the sweeper clears away.
func (tx *Tx) dropNamespace(ns godwit.NamespaceID) {
	tx.dropRows(ns, prefixEntry, prefixValue, prefixTombstone, prefixVersion, prefixEnded)
	tx.useless(ns)
	tx.set(appendNS(tx.key[:0], prefixDropped, ns), nil)
	tx.unwipe(ns)
	tx.counts[ns] = count{}
	tx.dropHistory(ns)
	tx.dropped = append(tx.dropped, ns)
}

// dropRows deletes all of a namespace's rows of some kinds, which are those of its keys
// among others, and forgets what stands under its keys in this transaction.
func (tx *Tx) dropRows(ns godwit.NamespaceID, prefixes ...byte) {
	for _, prefix := range prefixes {
		lower := appendNS(nil, prefix, ns)
		tx.check(tx.batch.DeleteRange(lower, successor(lower), nil))
	}
	for id, h := range tx.heads {
		if id.ns == ns {
			tx.forgetRow(h)
			tx.heads[id] = Head{}
		}
	}
}
