package godwit

import "strings"

// An entry of the system namespace under cleared/, an id, a slash and a prefix has
// cleared the namespace of all keys with that prefix that were there before it.
const clearedPrefix = "cleared/"

// ClearingKey is the key of the entry that clears a namespace of the keys with a
// prefix.
func ClearingKey(ns NamespaceID, prefix string) string {
	return clearedPrefix + ns.String() + "/" + prefix
}

// ClearedKeys returns which keys an entry under a key of the system namespace has
// cleared, and false if it is no such entry.
func ClearedKeys(key string) (ns NamespaceID, prefix string, ok bool) {
	text, ok := strings.CutPrefix(key, clearedPrefix)
	id, prefix, slash := strings.Cut(text, "/")
	if !ok || !slash {
		return ns, "", false
	}
	ns, err := ParseNamespaceID(id)
	return ns, prefix, err == nil
}

// Frees tells whether a mutation makes room and takes none to speak of, so that it is
// carried out where the disk is full.
func (m *Mutation) Frees() bool {
	if m.Op == OpPut && m.Namespace == SystemNamespace {
		_, _, clears := ClearedKeys(m.Key)
		return clears
	}
	return m.Op == OpDelete
}
