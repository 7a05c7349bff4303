package edge

import (
	"sync"
	"sync/atomic"

	"github.com/godwitkv/godwit"
)

// maxBehind bounds how many namespaces are told apart.
const maxBehind = 1024

// behind is the namespaces that were written to through this node, or read
// upstream, and that the copy does not show as far yet: they are read upstream
// until it does, so that nobody who asks here sees less than before. The
// zero value is ready. Asking costs next to nothing while there is none.
type behind struct {
	until atomic.Uint64 // the highest revision of any; 0: there is none

	mu         sync.Mutex
	namespaces map[godwit.NamespaceID]godwit.Revision
	rest       godwit.Revision // of those that there was no room for
}

// note keeps that ns is to be read upstream until the copy holds r.
func (b *behind) note(ns godwit.NamespaceID, r godwit.Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.namespaces == nil {
		b.namespaces = make(map[godwit.NamespaceID]godwit.Revision)
	}
	if _, ok := b.namespaces[ns]; ok || len(b.namespaces) < maxBehind {
		b.namespaces[ns] = max(b.namespaces[ns], r)
	} else {
		b.rest = max(b.rest, r)
	}
	b.until.Store(max(b.until.Load(), uint64(r)))
}

// of is the revision that reads of ns have to show, 0 if a copy that holds held
// does. What it holds is forgotten.
func (b *behind) of(ns godwit.NamespaceID, held godwit.Revision) godwit.Revision {
	until := godwit.Revision(b.until.Load())
	if until == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if held >= godwit.Revision(b.until.Load()) {
		b.until.Store(0)
		b.namespaces, b.rest = nil, 0
		return 0
	}
	r := b.namespaces[ns]
	if r != 0 && held >= r {
		delete(b.namespaces, ns)
		r = 0
	}
	if b.rest > held {
		r = max(r, b.rest)
	}
	return r
}
