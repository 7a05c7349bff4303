package store

import "github.com/godwitkv/godwit"

// expectDue expects what is due to be in the index by time: by itself where that may hold
// rows that mean nothing.
func (f *fsck) expectDue(t *tallies, due int64, ns godwit.NamespaceID, key []byte, r godwit.Revision) {
	if f.unswept(ns) {
		f.lookForDue(due, ns, key, r)
		return
	}
	t.due(f.seed, due, r, ns, key)
}

func (f *fsck) revision(k, v []byte) {
	r, err := decodeSingle(k, v)
	if err != nil {
		f.problem("revision %q: damaged row", k)
		return
	}
	f.indexed(r)
}

func (f *fsck) index(k, v []byte) {
	last, err := cutIndexKey(k)
	before := f.packed
	if err == nil {
		f.packed = last
		err = decodeIndexRow(last, v, func(r indexed) error {
			if r.revision <= before {
				f.problem("revision %d: is in the index by revision twice", r.revision)
			}
			f.indexed(r)
			return nil
		})
	}
	if err != nil {
		f.problem("index %q: damaged row", k)
	}
}

// indexed expects what is under a key to be of a revision, unless that was replaced.
func (f *fsck) indexed(r indexed) {
	if f.mustStand(r) {
		f.indexes.revision(f.seed, r.op, r.revision, r.ns, r.key)
	}
}

// mustStand tells whether a record of the index must be what stands under its key.
func (f *fsck) mustStand(r indexed) bool {
	return !f.dropped[r.ns] && !f.replaced.has(r.revision) && r.revision >= f.s.wiped[r.ns].before
}
