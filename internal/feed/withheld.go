package feed

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/godwitkv/godwit"
)

// withhold returns what travels in place of a value that a follower does not
// carry: the reference that it has, or else one whose id anyone can work out from
// the revision, so that all upstreams give the same.
func withhold(r *godwit.Record) godwit.Value {
	if !r.Value.Blob.IsZero() {
		return r.Value
	}
	b := godwit.Blob{Size: int64(len(r.Value.Inline)), Hash: sha256.Sum256(r.Value.Inline)}
	id := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("withheld"), uint64(r.Revision)))
	copy(b.ID[:], id[:])
	return godwit.Value{Blob: b}
}
