package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/state"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

// A message of the stream:
//
//	format:1 kind:1 and, by kind,
//	batch:   proposer:16 number batch            see package wire; adds and what clears keys are of format 3
//	packed:  proposer:16 number zstd             the same, compressed; of format 2
//	chunk:   blob:16 size hash:32 offset bytes   of a value, ahead of the batch that names it
//	epoch:   cluster:16 after { epoch:16 revision } epoch:16 first generation
//	format:  format                              that messages may have from here on
//	compare: nothing                             members compare their stores as they are here
//	fence:   generation                          that has taken the log over: it ends here
//
// Numbers are uvarints. A member stops at a format or a kind that it does not
// know: it never skips one.
const (
	kindBatch   = 'b'
	kindPacked  = 'z'
	kindChunk   = 'c'
	kindEpoch   = 'e'
	kindFormat  = 'f'
	kindCompare = 'd'
	kindFence   = 'x'
)

// The formats of messages. New ones are used once a message of kind format says
// so, which is sent once all members read them.
const (
	firstFormat  = 1
	addFormat    = 3            // from which on a batch may have adds, and clear keys
	scopedFormat = 4            // once it is on, requests are remembered by their namespaces too
	newest       = scopedFormat // see LastFormat
)

// Bounds of what a message may claim.
const (
	maxTransactions = 1 << 16
	maxBlobSize     = 1 << 40
)

// ErrFormat tells that a message is of a later version of godwit.
var ErrFormat = errors.New("the log has a message that this version of godwit cannot read")

// chunk is a part of a blob's content.
type chunk struct {
	blob   godwit.Blob
	offset int64
	data   []byte // points into the message
}

// opening starts an epoch. The log goes on from a position of an earlier one, or
// from nothing where that is zero.
type opening struct {
	cluster [16]byte
	after   godwit.Position
	epoch   godwit.EpochID
	first   godwit.Revision

	generation uint64
}

func (o *opening) lineageEpoch() godwit.Epoch {
	return godwit.Epoch{ID: o.epoch, First: o.first, After: o.after.Revision, Generation: o.generation}
}

func appendHead(b []byte, format, kind byte) []byte { return append(b, format, kind) }

// appendBatch appends a message of a batch, which is encoded and maybe packed.
func appendBatch(b []byte, format, kind byte, id store.ProposerID, number uint64, batch []byte) []byte {
	b = append(appendHead(b, format, kind), id[:]...)
	b = binary.AppendUvarint(b, number)
	return append(b, batch...)
}

func appendChunk(b []byte, format byte, c *chunk) []byte {
	b = append(appendHead(b, format, kindChunk), c.blob.ID[:]...)
	b = binary.AppendUvarint(b, uint64(c.blob.Size))
	b = append(b, c.blob.Hash[:]...)
	b = binary.AppendUvarint(b, uint64(c.offset))
	return append(b, c.data...)
}

func appendOpening(b []byte, o *opening) []byte {
	b = append(appendHead(b, firstFormat, kindEpoch), o.cluster[:]...)
	b = append(b, o.after.Epoch[:]...)
	b = binary.AppendUvarint(b, uint64(o.after.Revision))
	b = append(b, o.epoch[:]...)
	b = binary.AppendUvarint(b, uint64(o.first))
	return binary.AppendUvarint(b, o.generation)
}

func appendFormat(b []byte, format byte, next int) []byte {
	return binary.AppendUvarint(appendHead(b, format, kindFormat), uint64(next))
}

func appendFence(b []byte, format byte, generation uint64) []byte {
	return binary.AppendUvarint(appendHead(b, format, kindFence), generation)
}

// head returns a message's kind and what follows it, for who reads formats up to
// one. Errors: ErrFormat, wire.ErrMalformed.
func head(data []byte, reads int) (kind byte, rest []byte, err error) {
	if len(data) < 2 {
		return 0, nil, wire.ErrMalformed
	}
	if data[0] < firstFormat || int(data[0]) > reads {
		return 0, nil, unreadable(int(data[0]), reads)
	}
	switch data[1] {
	case kindBatch, kindChunk, kindEpoch, kindFormat, kindCompare, kindFence:
		return data[1], data[2:], nil
	case kindPacked:
		if data[0] >= packedFormat {
			return data[1], data[2:], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: kind %d", ErrFormat, data[1])
}

// batchOrigin returns whose batch a message holds.
func batchOrigin(rest []byte) (id store.ProposerID, number uint64, batch []byte, err error) {
	d := wire.NewDecoder(rest)
	copy(id[:], d.Bytes(int64(len(id))))
	number = uint64(d.Int())
	batch = d.Rest()
	return id, number, batch, d.Err()
}

// decodeBatch reads a message's batch. Values and metadata may point into rest.
func decodeBatch(p *packer, kind byte, rest []byte, ordered int64) (*state.Numbered, error) {
	id, number, encoded, err := batchOrigin(rest)
	if err == nil && kind == kindPacked {
		encoded, err = p.unpack(encoded)
	}
	if err != nil {
		return nil, err
	}
	batch, err := wire.DecodeBatch(encoded, maxTransactions)
	if err != nil {
		return nil, err
	}
	return &state.Numbered{Batch: batch, Proposer: id, Number: number, Ordered: ordered}, nil
}

func decodeChunk(rest []byte) (c chunk, err error) {
	d := wire.NewDecoder(rest)
	copy(c.blob.ID[:], d.Bytes(int64(len(c.blob.ID))))
	c.blob.Size = d.Int()
	copy(c.blob.Hash[:], d.Bytes(int64(len(c.blob.Hash))))
	c.offset = d.Int()
	c.data = d.Rest()
	if c.blob.IsZero() || c.blob.Size > maxBlobSize || c.offset+int64(len(c.data)) > c.blob.Size {
		d.Fail()
	}
	return c, d.Err()
}

func decodeOpening(rest []byte) (o opening, err error) {
	d := wire.NewDecoder(rest)
	copy(o.cluster[:], d.Bytes(int64(len(o.cluster))))
	copy(o.after.Epoch[:], d.Bytes(int64(len(o.after.Epoch))))
	o.after.Revision = godwit.Revision(d.Int())
	copy(o.epoch[:], d.Bytes(int64(len(o.epoch))))
	o.first = godwit.Revision(d.Int())
	o.generation = uint64(d.Int())
	if o.first == 0 || o.first > godwit.MaxRevision || o.after.Revision >= o.first || o.generation > godwit.MaxGeneration {
		d.Fail()
	}
	return o, d.Err()
}

func decodeFormat(rest []byte) (int, error) {
	d := wire.NewDecoder(rest)
	n := d.Int()
	if n < firstFormat || n > 255 {
		d.Fail()
	}
	return int(n), d.Err()
}

func decodeFence(rest []byte) (generation uint64, err error) {
	d := wire.NewDecoder(rest)
	generation = uint64(d.Int())
	if generation == 0 || generation > godwit.MaxGeneration {
		d.Fail()
	}
	return generation, d.Err()
}
