package repository

import (
	"encoding/binary"
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// The content of a chunk of the base or of the increments is items, each:
//
//	count record                  as internal/wire has it
//	parts { content | name:32 }   if its value is a blob
//
// Numbers are uvarints. With parts 0 the content follows, else it lies in so many
// chunks: all but the last of partBytes.
const (
	partBytes = chunkBytes
	smallBlob = 1 << 20 // up to there the content stands in the item
	maxRecord = godwit.MaxInlineBytes + godwit.MaxKeyBytes + godwit.MaxMetadataBytes + 256
)

// Item is a record and, if its value is a blob, the content of that: bytes, or the
// chunks that make it.
type Item struct {
	Record  godwit.Record
	Content []byte
	Parts   []Hash
}

// partsOf is how many chunks make a blob.
func partsOf(size int64) int64 {
	if size <= smallBlob {
		return 0
	}
	return (size + partBytes - 1) / partBytes
}

// appendItem appends what stands before a blob's content or its parts' names. scratch is
// room for a record, which it returns for the next one.
func appendItem(b, scratch []byte, r *godwit.Record) (item, room []byte) {
	scratch = wire.AppendRecord(scratch[:0], r)
	b = wire.AppendCounted(b, scratch)
	if !r.Value.Blob.IsZero() {
		b = binary.AppendUvarint(b, uint64(partsOf(r.Value.Blob.Size)))
	}
	return b, scratch
}

// decodeItems takes a chunk apart. What fn gets points into content.
func decodeItems(content []byte, fn func(*Item) error) error {
	d := wire.NewDecoder(content)
	for d.Len() > 0 && !d.Bad() {
		rd := wire.NewDecoder(d.Counted(maxRecord))
		it := new(Item)
		wire.DecodeRecord(&rd, &it.Record)
		if d.Bad() || rd.Err() != nil {
			return fmt.Errorf("read item: %w", wire.ErrMalformed)
		}
		if blob := it.Record.Value.Blob; !blob.IsZero() {
			decodeContent(&d, blob.Size, it)
		}
		if d.Bad() {
			return fmt.Errorf("read item: %w", wire.ErrMalformed)
		}
		if err := fn(it); err != nil {
			return err
		}
	}
	return d.Err()
}

func decodeContent(d *wire.Decoder, size int64, it *Item) {
	parts := d.Int()
	if parts != partsOf(size) {
		d.Fail()
		return
	}
	if parts == 0 {
		it.Content = d.Bytes(size)
		return
	}
	for range parts {
		name := d.Bytes(int64(len(Hash{})))
		if d.Bad() {
			return
		}
		it.Parts = append(it.Parts, Hash(name))
	}
}

// endsAt tells whether a chunk of the base ends behind a key, whose item has so many
// bytes. That depends on the item alone, so that chunks of what has not changed are the
// same the next time, and is so for one in four MiB.
func endsAt(ns godwit.NamespaceID, key string, bytes int) bool {
	const meanBytes = 4 << 20
	h := uint64(14695981039346656037)
	mix := func(b byte) { h = (h ^ uint64(b)) * 1099511628211 }
	for _, b := range ns {
		mix(b)
	}
	for i := range len(key) {
		mix(key[i])
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return h%meanBytes < uint64(bytes)
}
