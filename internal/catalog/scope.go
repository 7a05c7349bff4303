package catalog

import (
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
)

// InScope tells whether a record of the system namespace is for a node that may
// know only of the namespaces that covers says: the account, those namespaces'
// own rows and what was cleared of them, and the tokens that reach any of them. What tokens were revoked
// everyone may know, since only ids are told. Rows of a later version are for
// nodes that may know all.
func InScope(r *godwit.Record, covers func(godwit.NamespaceID) bool) bool {
	switch {
	case r.Key == accountKey || strings.HasPrefix(r.Key, accountPrefix):
		return true
	case strings.HasPrefix(r.Key, namespacePrefix):
		id, err := godwit.ParseNamespaceID(r.Key[len(namespacePrefix):])
		return err == nil && covers(id)
	case strings.HasPrefix(r.Key, tokenPrefix):
		if r.Op == godwit.OpDelete {
			return true
		}
		t, err := decodeToken(r.Key, r.Value.Inline)
		return err == nil && (t.Namespaces == nil || slices.ContainsFunc(t.Namespaces, covers))
	}
	ns, _, ok := godwit.ClearedKeys(r.Key)
	return ok && covers(ns)
}
