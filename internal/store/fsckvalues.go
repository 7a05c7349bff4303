package store

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// findBlobs finds the blobs of which no row tells by which entry they may be named: those
// of a store of an old format, and those that are to be removed at the centre. There may
// be as many others as there are values.
func (f *fsck) findBlobs() error {
	err := errors.Join(
		scanPrefix(f.s.db, []byte{prefixBlob}, func(k, v []byte) error {
			if _, id, err := cutBlobKey(k); err == nil && len(v) == 0 {
				f.blobs[id] = false
			}
			return f.ctx.Err()
		}),
		scanPrefix(f.s.db, []byte{prefixGarbage}, func(k, v []byte) error {
			if len(k) == 1+8+idLen && len(v) != nsLen {
				f.blobs[godwit.BlobID(k[9:])] = false
			}
			return f.ctx.Err()
		}))
	if pebble.IsCorruptionError(err) { // told of where the rows are looked at
		return nil
	}
	return err
}

// blobsAtOnce is how many blobs are read at once.
const blobsAtOnce = 2

func (f *fsck) readBlob(ns godwit.NamespaceID, key []byte, b godwit.Blob) {
	err := blob.ErrNotFound
	if f.files != nil {
		err = f.files.Verify(f.ctx, b)
	}
	switch {
	case err == nil, f.ctx.Err() != nil:
	case f.follows && errors.Is(err, blob.ErrNotFound): // it can be had again
	case f.files == nil:
		f.problem("entry %s %q: blob directory is missing", ns, key)
	default:
		f.problem("entry %s %q: %v", ns, key, err)
	}
}

func (f *fsck) value(k, v []byte) {
	if len(k) != 1+nsLen+8 {
		f.problem("value %q: damaged key", k)
		return
	}
	ns, r := cutValueKey(k)
	if !f.history.values.has(r) {
		f.indexes.value(f.seed, ns, r, int64(len(v)))
	}
}

// cutValueKey takes the key of a row of v apart, which is as long as it has to be.
func cutValueKey(k []byte) (godwit.NamespaceID, godwit.Revision) {
	return godwit.NamespaceID(k[1 : 1+nsLen]), godwit.Revision(binary.BigEndian.Uint64(k[1+nsLen:]))
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
	r, key, known, err := decodeBlobRow(v)
	if err != nil {
		f.problem("blob %s: damaged row", id)
		return
	}
	if !known {
		if !f.blobs[id] && !f.unswept(ns) {
			f.problem("blob %s: no entry names it", id)
		}
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
