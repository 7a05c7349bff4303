package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// Digest is a hash of all entries that are live at now, in unix seconds. Two
// stores that applied the same log have the same digest, wherever their values
// stand and whatever they have swept.
func (s *Store) Digest(ctx context.Context, now int64) (sum [32]byte, revision godwit.Revision, err error) {
	s.writing.Lock()
	snap := s.db.NewSnapshot()
	revision = godwit.Revision(s.applied.Load())
	s.writing.Unlock()
	defer snap.Close()
	h := sha256.New()
	err = scanPrefix(snap, []byte{prefixEntry}, func(k, v []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := decodeEntryRow(v)
		if err != nil || row.expiration != 0 && row.expiration <= now {
			return err
		}
		return hashEntry(h, snap, k, &row)
	})
	h.Sum(sum[:0])
	return sum, revision, err
}

func hashEntry(h hash.Hash, r pebble.Reader, k []byte, row *entryRow) error {
	value := row.blob.Hash
	switch row.place {
	case placeInline:
		value = sha256.Sum256(row.inline)
	case placeRow:
		ns, _, _ := cutNSKey(k[1:])
		v, closer, err := r.Get(appendValueKey(nil, ns, row.revision))
		if err != nil {
			return fmt.Errorf("read value: %w", err)
		}
		value = sha256.Sum256(v)
		if err := closer.Close(); err != nil {
			return err
		}
	}
	var fixed [56]byte
	for i, n := range []int64{
		int64(len(k)), int64(row.revision), row.created, row.modified,
		row.expiration, int64(len(row.metadata)), row.size,
	} {
		binary.BigEndian.PutUint64(fixed[8*i:], uint64(n))
	}
	h.Write(fixed[:])
	h.Write(k)
	h.Write(row.metadata)
	h.Write(value[:])
	return nil
}
