package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// ErrCorrupt tells that the data directory is damaged.
var ErrCorrupt = errors.New("store is corrupt")

// place is where a value is.
type place uint8

const (
	placeInline place = 0 // in the entry's row
	placeRow    place = 1 // in a row of v
	placeBlob   place = 2 // in a blob
)

// rowBytes is the length from which a value gets a row of its own.
const rowBytes = 1 << 10

func placeOf(v godwit.Value) place {
	switch {
	case !v.Blob.IsZero():
		return placeBlob
	case len(v.Inline) >= rowBytes:
		return placeRow
	default:
		return placeInline
	}
}

// An entry's row:
//
//	flags:1 revision:8 created modified [expiration] [metadata length, bytes]
//	[size] [blob id:16 hash:32] [value]
//
// Bits of flags: 0 has metadata, 1 has expiration, 4 and 5 the place. Size is
// there unless the value is. Numbers without a width are uvarints; modified
// counts from created.
const (
	flagMetadata   = 1 << 0
	flagExpiration = 1 << 1
	placeShift     = 4
	flagsKnown     = flagMetadata | flagExpiration | 3<<placeShift
)

func appendEntryRow(b []byte, r *godwit.Record) []byte {
	at := placeOf(r.Value)
	flags := byte(at) << placeShift
	if r.Metadata != nil {
		flags |= flagMetadata
	}
	if r.Expiration != 0 {
		flags |= flagExpiration
	}
	b = binary.BigEndian.AppendUint64(append(b, flags), uint64(r.Revision))
	b = binary.AppendUvarint(b, uint64(r.Created))
	b = binary.AppendUvarint(b, uint64(r.Modified-r.Created))
	if r.Expiration != 0 {
		b = binary.AppendUvarint(b, uint64(r.Expiration))
	}
	if r.Metadata != nil {
		b = binary.AppendUvarint(b, uint64(len(r.Metadata)))
		b = append(b, r.Metadata...)
	}
	switch at {
	case placeInline:
		return append(b, r.Value.Inline...)
	case placeBlob:
		b = binary.AppendUvarint(b, uint64(r.Value.Blob.Size))
		b = append(b, r.Value.Blob.ID[:]...)
		return append(b, r.Value.Blob.Hash[:]...)
	default:
		return binary.AppendUvarint(b, uint64(len(r.Value.Inline)))
	}
}

// entryRow is a decoded row; its slices point into the row.
type entryRow struct {
	revision   godwit.Revision
	created    int64
	modified   int64
	expiration int64
	metadata   []byte
	place      place
	size       int64
	blob       godwit.Blob
	inline     []byte
}

func decodeEntryRow(b []byte) (e entryRow, err error) {
	d := wire.NewDecoder(b)
	flags := d.Byte()
	e.revision = godwit.Revision(d.Uint64())
	e.created = d.Int()
	e.modified = e.created + d.Int()
	if flags&flagExpiration != 0 {
		e.expiration = d.Int()
	}
	if flags&flagMetadata != 0 {
		e.metadata = d.Bytes(d.Int())
	}
	switch e.place = place(flags >> placeShift & 3); e.place {
	case placeInline:
		e.inline = d.Rest()
		e.size = int64(len(e.inline))
	case placeRow:
		e.size = d.Int()
	case placeBlob:
		e.size = d.Int()
		e.blob = godwit.Blob{Size: e.size}
		copy(e.blob.ID[:], d.Bytes(int64(idLen)))
		copy(e.blob.Hash[:], d.Bytes(int64(len(e.blob.Hash))))
		if e.blob.IsZero() {
			d.Fail()
		}
	default:
		d.Fail()
	}
	if d.Err() != nil || flags&^flagsKnown != 0 {
		return entryRow{}, fmt.Errorf("decode entry of %d bytes: %w", len(b), ErrCorrupt)
	}
	return e, nil
}

// A tombstone's row:
//
//	kind:1 revision:8 due:8 [expiration created [number:8]]
//
// What is in brackets stands in a swept entry's, since Apply goes by the log's time:
// an entry that this node has swept may still be alive there, and be added to.
const (
	tombDeleted = 1
	tombSwept   = 2
)

type tombstoneRow struct {
	kind       byte
	revision   godwit.Revision
	due        int64 // unix seconds
	expiration int64
	created    int64
	number     number // that the value was
}

// head is what a decision needs to know of the key.
func (t *tombstoneRow) head() Head {
	h := Head{kind: headDeleted, Revision: t.revision, due: t.due}
	if t.kind == tombSwept {
		h.kind, h.Expiration, h.Created, h.number = headSwept, t.expiration, t.created, t.number
	}
	return h
}

func appendTombstoneRow(b []byte, t tombstoneRow) []byte {
	b = binary.BigEndian.AppendUint64(append(b, t.kind), uint64(t.revision))
	b = binary.BigEndian.AppendUint64(b, uint64(t.due))
	if t.kind == tombSwept {
		b = binary.AppendUvarint(b, uint64(t.expiration))
		b = binary.AppendUvarint(b, uint64(t.created))
		if t.number.is {
			b = binary.BigEndian.AppendUint64(b, uint64(t.number.n))
		}
	}
	return b
}

func decodeTombstoneRow(b []byte) (t tombstoneRow, err error) {
	d := wire.NewDecoder(b)
	t.kind = d.Byte()
	t.revision = godwit.Revision(d.Uint64())
	t.due = int64(d.Uint64())
	if t.kind == tombSwept {
		t.expiration = d.Int()
		t.created = d.Int()
		if t.number.is = d.Len() > 0; t.number.is {
			t.number.n = int64(d.Uint64())
		}
	}
	if d.Err() != nil || t.kind != tombDeleted && t.kind != tombSwept {
		return tombstoneRow{}, fmt.Errorf("decode tombstone of %d bytes: %w", len(b), ErrCorrupt)
	}
	return t, nil
}

// appendRevisionRow makes the value of a row of r.
func appendRevisionRow(b []byte, op godwit.Op, ns godwit.NamespaceID, key string) []byte {
	return append(append(append(b, byte(op)), ns[:]...), key...)
}

func decodeRevisionRow(b []byte) (op godwit.Op, ns godwit.NamespaceID, key []byte, err error) {
	if len(b) > 0 {
		op = godwit.Op(b[0])
	}
	if op != godwit.OpPut && op != godwit.OpDelete || len(b) < 1+nsLen {
		return 0, ns, nil, fmt.Errorf("decode revision row of %d bytes: %w", len(b), ErrCorrupt)
	}
	ns, key, _ = cutNSKey(b[1:])
	return op, ns, key, nil
}

// appendBlobRow makes the value of a row of b: the entry that names the blob.
func appendBlobRow(b []byte, r godwit.Revision, key string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(r)), key...)
}

// decodeBlobRow takes a row of b apart. One without content tells nothing: known
// is false.
func decodeBlobRow(b []byte) (r godwit.Revision, key []byte, known bool, err error) {
	switch {
	case len(b) == 0:
		return 0, nil, false, nil
	case len(b) <= 8:
		return 0, nil, false, fmt.Errorf("decode blob row of %d bytes: %w", len(b), ErrCorrupt)
	}
	return godwit.Revision(binary.BigEndian.Uint64(b)), b[8:], true, nil
}

// pair is a row of two numbers: counters, applied, a proposer.
func appendPair(b []byte, x, y uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, x), y)
}

func decodePair(b []byte) (x, y uint64, err error) {
	if len(b) != 16 {
		return 0, 0, fmt.Errorf("decode row of %d bytes, not 16: %w", len(b), ErrCorrupt)
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), nil
}

// requestRow is a remembered transaction.
type requestRow struct {
	time     int64 // the log's, unix milliseconds
	revision godwit.Revision
	sums     []int64
}

func appendRequestRow(b []byte, r requestRow) []byte {
	b = appendPair(b, uint64(r.time), uint64(r.revision))
	for _, n := range r.sums {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func decodeRequestRow(b []byte) (r requestRow, err error) {
	if len(b) < 16 || len(b)%8 != 0 {
		return r, fmt.Errorf("decode remembered transaction of %d bytes: %w", len(b), ErrCorrupt)
	}
	r.time, r.revision = int64(binary.BigEndian.Uint64(b)), godwit.Revision(binary.BigEndian.Uint64(b[8:]))
	for b = b[16:]; len(b) > 0; b = b[8:] {
		r.sums = append(r.sums, int64(binary.BigEndian.Uint64(b)))
	}
	return r, nil
}

// appendLineageRow is the row of an epoch, whose first revision is in its key.
func appendLineageRow(b []byte, e godwit.Epoch) []byte {
	b = append(b, e.ID[:]...)
	if e.After != 0 || e.Generation != 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(e.After))
	}
	if e.Generation != 0 {
		b = binary.BigEndian.AppendUint64(b, e.Generation)
	}
	return b
}

func decodeLineageRow(row []byte) (e godwit.Epoch, err error) {
	if len(row) != nsLen && len(row) != nsLen+8 && len(row) != nsLen+16 {
		return e, fmt.Errorf("read lineage: %w", ErrCorrupt)
	}
	if copy(e.ID[:], row); len(row) > nsLen {
		e.After = godwit.Revision(binary.BigEndian.Uint64(row[nsLen:]))
	}
	if len(row) > nsLen+8 {
		e.Generation = binary.BigEndian.Uint64(row[nsLen+8:])
	}
	return e, nil
}
