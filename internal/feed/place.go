package feed

import (
	"bytes"
	"cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// comparePlaces orders places as a walk meets them.
func comparePlaces(a, b store.Place) int {
	return cmp.Or(bytes.Compare(a.Namespace[:], b.Namespace[:]), cmp.Compare(a.Key, b.Key))
}

func placeOf(r *godwit.Record) store.Place {
	return store.Place{Namespace: r.Namespace, Key: r.Key}
}

// behind is the place behind every key of a namespace, and false if no namespace
// follows.
func behind(ns godwit.NamespaceID) (p store.Place, ok bool) {
	p.Namespace = ns
	for i := len(ns) - 1; i >= 0; i-- {
		if p.Namespace[i]++; p.Namespace[i] != 0 {
			return p, true
		}
	}
	return p, false
}
