package store

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// fsckHistory is what fsck has found of earlier versions.
type fsckHistory struct {
	values revisionSet // of versions whose values have rows of their own
	counts map[godwit.NamespaceID]count
	key    string          // namespace and key of the last row of h
	until  godwit.Revision // of the key's last version
	want   int64           // versions that the key's summary tells of
	found  int64           // and that there are
}

// forgetting tells that what there is of earlier versions is what a crash left of
// their removal.
func (f *fsck) forgetting() bool { return f.get(metaForget) != nil }

// version looks at a row of h. A key's summary comes before its versions.
func (f *fsck) version(k, row []byte) {
	ns, key, r, err := cutVersionKey(k)
	if err != nil {
		f.problem("version %q: damaged key", k)
		return
	}
	if whose := string(ns[:]) + string(key); whose != f.history.key || r == 0 {
		f.endKey()
		f.history.key, f.history.until = whose, 0
	}
	if r == 0 {
		s, err := decodeSummaryRow(row)
		if err != nil {
			f.problem("versions of %s %q: damaged summary", ns, key)
		}
		f.history.want = s.versions
		return
	}
	f.history.found++
	v, err := decodeVersionRow(row)
	if err != nil || v.revision != r {
		f.problem("version %d of %s %q: damaged row", r, ns, key)
		return
	}
	f.versionFits(ns, key, &v)
}

// versionFits holds a version against all that belongs to it.
func (f *fsck) versionFits(ns godwit.NamespaceID, key []byte, v *versionRow) {
	if v.revision < f.history.until {
		f.problem("version %d of %s %q: begins before the one before it ends", v.revision, ns, key)
	}
	f.history.until = v.until.revision
	if h, ok := f.head(ns, key); ok && h.kind == headEntry && h.Revision < v.until.revision {
		f.problem("version %d of %s %q: ends after the entry begins", v.revision, ns, key)
	}
	if f.dropped[ns] {
		f.problem("version %d of %s %q: is of a namespace that was deleted", v.revision, ns, key)
	}
	ended := f.get(appendEndedKey(nil, ns, v.until.revision, v.revision))
	if len(ended) < 8 || int64(binary.BigEndian.Uint64(ended)) != v.until.time || string(ended[8:]) != string(key) {
		f.problem("version %d of %s %q: is not among those that ended", v.revision, ns, key)
	}
	switch v.place {
	case placeRow:
		f.history.values.add(v.revision)
		if n := max(f.size(appendValueKey(nil, ns, v.revision)), 0); n != v.size {
			f.problem("version %d of %s %q: value of %d bytes, not %d", v.revision, ns, key, n, v.size)
		}
	case placeBlob:
		f.entryBlob(ns, key, v.blob)
	}
	c := f.history.counts[ns]
	f.history.counts[ns] = count{c.keys + 1, c.bytes + v.bytes(key)}
}

// endKey compares a key's summary with its versions.
func (f *fsck) endKey() {
	if h := &f.history; h.found != h.want && !f.forgetting() {
		f.problem("versions of %q: the summary says %d, there are %d", h.key[min(nsLen, len(h.key)):], h.want, h.found)
	}
	f.history.want, f.history.found = 0, 0
}

func (f *fsck) ended(k, row []byte) {
	ns, until, r, err := cutEndedKey(k)
	if err != nil || len(row) < 8 {
		f.problem("ended version %q: damaged row", k)
		return
	}
	if v := f.versionOf(ns, row[8:], r); v == nil || v.until.revision != until {
		f.problem("ended version %d of %s %q: there is none", r, ns, row[8:])
	}
}

// versionOf is a version, or nil.
func (f *fsck) versionOf(ns godwit.NamespaceID, key []byte, r godwit.Revision) *versionRow {
	row, closer, err := f.s.db.Get(appendVersionKey(nil, ns, string(key), r))
	if err != nil {
		if !errors.Is(err, pebble.ErrNotFound) {
			f.problem("version %d of %s %q: %v", r, ns, key, err)
		}
		return nil
	}
	defer closer.Close()
	v, err := decodeVersionRow(append([]byte{}, row...))
	if err != nil { // told of by itself
		return nil
	}
	return &v
}

func (f *fsck) compareHistories() {
	f.endKey()
	if f.forgetting() {
		return
	}
	for ns, h := range f.s.histories.all {
		if f.history.counts[ns] != h.count {
			c := f.history.counts[ns]
			f.problem("namespace %s: its history says %d versions of %d bytes, there are %d of %d", ns, h.keys, h.bytes, c.keys, c.bytes)
		}
	}
	for ns, c := range f.history.counts {
		if _, ok := f.s.histories.all[ns]; !ok {
			f.problem("namespace %s: no history for %d versions of %d bytes", ns, c.keys, c.bytes)
		}
	}
}
