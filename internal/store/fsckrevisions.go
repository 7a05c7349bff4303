package store

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/godwitkv/godwit"
)

// mutations are what the index has of some revisions, all that it has of them.
type mutations struct {
	after, upTo godwit.Revision // of revisions in (after, upTo]
	found       []indexed
}

// nearRecords is about how many mutations are read of the index at once.
const nearRecords = 256

var errNear = errors.New("enough is read")

// mutations is what the index has of a revision.
func (f *fsck) mutations(r godwit.Revision) (found []indexed) {
	if r == 0 || r > godwit.MaxRevision {
		return nil
	}
	err := scanRevisions(f.s.db, r-1, r, func(rec indexed) error {
		rec.key = bytes.Clone(rec.key)
		found = append(found, rec)
		return nil
	})
	if err != nil && !errors.Is(err, ErrCorrupt) { // damaged rows are told of by themselves
		f.problem("revision %d: %v", r, err)
	}
	return found
}

// mutationsNear is mutations, for who asks in order of revision. It is for one goroutine.
func (f *fsck) mutationsNear(r godwit.Revision) []indexed {
	if r == 0 || r > godwit.MaxRevision {
		return nil
	}
	if r <= f.near.after || r > f.near.upTo {
		f.near = f.readNear(r)
	}
	from, _ := slices.BinarySearchFunc(f.near.found, r, func(m indexed, r godwit.Revision) int { return cmp.Compare(m.revision, r) })
	to := from
	for to < len(f.near.found) && f.near.found[to].revision == r {
		to++
	}
	return f.near.found[from:to]
}

// readNear reads the index from a revision on.
func (f *fsck) readNear(r godwit.Revision) mutations {
	near := mutations{after: r - 1, upTo: godwit.MaxRevision}
	err := scanRevisions(f.s.db, near.after, near.upTo, func(m indexed) error {
		if len(near.found) >= nearRecords && m.revision > near.found[len(near.found)-1].revision {
			near.upTo = m.revision - 1
			return errNear
		}
		m.key = bytes.Clone(m.key)
		near.found = append(near.found, m)
		return nil
	})
	if err != nil && !errors.Is(err, errNear) {
		return mutations{after: r - 1, upTo: r, found: f.mutations(r)}
	}
	return near
}

func (f *fsck) revision(k, v []byte) {
	r, err := decodeSingle(k, v)
	if err != nil {
		f.problem("revision %q: damaged row", k)
		return
	}
	f.stands(r)
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
			f.stands(r)
			return nil
		})
	}
	if err != nil {
		f.problem("index %q: damaged row", k)
	}
}

// stands expects what is under a key to be of a revision, unless that was replaced.
func (f *fsck) stands(r indexed) {
	if h, ok := f.head(r.ns, r.key); (!ok || h.Revision != r.revision) && !f.dropped[r.ns] && !f.replaced.has(r.revision) && r.revision >= f.s.wiped[r.ns].before {
		f.problem("revision %d: key %s %q is not at it", r.revision, r.ns, r.key)
	}
}
