package catalog

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
)

// index is the catalog in memory. Nothing in it changes once it is in use.
type index struct {
	account    string
	namespaces map[godwit.NamespaceID]*godwit.Namespace
	titles     map[string]*godwit.Namespace
	ordered    []*godwit.Namespace           // by id
	bound      map[godwit.NamespaceID]string // the jurisdictions of those that have one; nil: none has
	tokens     map[string]*Principal
	hashes     map[[32]byte]*Principal
	oldest     []*godwit.Token // by creation, then id
}

// edit makes the next index out of one in use. What no row touches is shared.
type edit struct {
	next       index
	namespaces bool // next.namespaces is a copy of its own
	tokens     bool // next.tokens is a copy of its own
}

func newEdit(from *index) *edit { return &edit{next: *from} }

// apply takes up a record. A row that this version cannot read is left out:
// a commit cannot be refused any more.
func (e *edit) apply(r *godwit.Record) {
	switch {
	case r.Namespace != godwit.SystemNamespace:
	case r.Op == godwit.OpDelete:
		e.remove(r.Key)
	default:
		_ = e.put(r.Key, r.Value.Inline, r.Revision)
	}
}

// put takes up a row. Its error names the row that cannot be read.
func (e *edit) put(key string, value []byte, r godwit.Revision) error {
	switch {
	case key == accountKey:
		e.next.account = string(value)
	case strings.HasPrefix(key, namespacePrefix):
		ns, err := decodeNamespace(key, value, r)
		if err != nil {
			return err
		}
		e.ownNamespaces()
		e.next.namespaces[ns.ID] = ns
	case strings.HasPrefix(key, tokenPrefix):
		t, err := decodeToken(key, value)
		if err != nil {
			return err
		}
		e.ownTokens()
		e.next.tokens[t.ID] = &Principal{Token: t}
	}
	return nil
}

func (e *edit) remove(key string) {
	if id, ok := strings.CutPrefix(key, namespacePrefix); ok {
		if id, err := godwit.ParseNamespaceID(id); err == nil {
			e.ownNamespaces()
			delete(e.next.namespaces, id)
		}
	}
	if id, ok := strings.CutPrefix(key, tokenPrefix); ok {
		e.ownTokens()
		delete(e.next.tokens, id)
	}
}

func (e *edit) ownNamespaces() {
	if e.namespaces {
		return
	}
	e.namespaces = true
	if e.next.namespaces = maps.Clone(e.next.namespaces); e.next.namespaces == nil {
		e.next.namespaces = make(map[godwit.NamespaceID]*godwit.Namespace)
	}
}

func (e *edit) ownTokens() {
	if e.tokens {
		return
	}
	e.tokens = true
	if e.next.tokens = maps.Clone(e.next.tokens); e.next.tokens == nil {
		e.next.tokens = make(map[string]*Principal)
	}
}

// index returns the edited index; e is spent.
func (e *edit) index() *index {
	if e.namespaces {
		e.indexNamespaces()
	}
	if e.tokens {
		e.indexTokens()
	}
	return &e.next
}

func (e *edit) indexNamespaces() {
	n := &e.next
	n.ordered = slices.SortedFunc(maps.Values(n.namespaces), func(a, b *godwit.Namespace) int {
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	n.titles = make(map[string]*godwit.Namespace, len(n.ordered))
	n.bound = nil
	for _, ns := range n.ordered {
		n.titles[ns.Title] = ns
		if ns.Jurisdiction != "" {
			if n.bound == nil {
				n.bound = make(map[godwit.NamespaceID]string)
			}
			n.bound[ns.ID] = ns.Jurisdiction
		}
	}
}

func (e *edit) indexTokens() {
	n := &e.next
	n.hashes = make(map[[32]byte]*Principal, len(n.tokens))
	n.oldest = make([]*godwit.Token, 0, len(n.tokens))
	for _, p := range n.tokens {
		n.hashes[p.Token.Hash] = p
		n.oldest = append(n.oldest, p.Token)
	}
	slices.SortFunc(n.oldest, func(a, b *godwit.Token) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
}
