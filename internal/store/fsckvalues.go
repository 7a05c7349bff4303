package store

import (
	"encoding/binary"

	"github.com/godwitkv/godwit"
)

func (f *fsck) value(k, v []byte) {
	if len(k) != 1+nsLen+8 {
		f.problem("value %q: damaged key", k)
		return
	}
	ns, r := godwit.NamespaceID(k[1:1+nsLen]), godwit.Revision(binary.BigEndian.Uint64(k[1+nsLen:]))
	if f.history.values.has(r) {
		return
	}
	found := f.mutationsNear(r)
	for _, rec := range found {
		row, err := decodeEntryRow(f.get(appendEntryKey(nil, ns, string(rec.key))))
		if err != nil || row.revision != r || row.place != placeRow {
			continue
		}
		if row.size == int64(len(v)) {
			f.used++
		}
		return
	}
	if len(found) == 0 {
		f.problem("value of revision %d: no entry has it", r)
		return
	}
	f.problem("value of revision %d: entry %s %q does not use it", r, found[0].ns, found[0].key)
}

func (f *fsck) blobRow(k, v []byte) {
	ns, id, err := cutBlobKey(k)
	if err != nil {
		f.problem("blob %q: damaged key", k)
		return
	}
	if f.dropped[ns] {
		return
	}
	if !f.blobs[id] && !f.unswept(ns) {
		f.problem("blob %s: no entry names it", id)
	}
	r, key, known, err := decodeBlobRow(v)
	if err != nil {
		f.problem("blob %s: damaged row", id)
	}
	if !known {
		return
	}
	if v := f.versionOf(ns, key, r); v != nil && v.blob.ID == id {
		return
	}
	if h, ok := f.head(ns, key); (!ok || h.Revision != r || h.blob != id) && !f.unswept(ns) {
		f.problem("blob %s: entry %s %q does not name it at revision %d", id, ns, key, r)
	}
}

// garbage that was a follower's may have got a name again: its row tells where to look
// before the file goes.
func (f *fsck) garbage(k, v []byte) {
	if len(k) != 1+8+idLen {
		f.problem("garbage %q: damaged key", k)
	} else if id := godwit.BlobID(k[9:]); f.blobs[id] && len(v) != nsLen {
		f.problem("blob %s: an entry names it, and it is to be removed", id)
	}
}
