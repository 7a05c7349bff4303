package wire

import (
	"encoding/binary"

	"github.com/godwitkv/godwit"
)

// A record:
//
//	shape:1 namespace:16 count key revision modified
//	[created]            if it is not modified
//	[expiration]
//	[count metadata]
//	[count value | blob:16 size hash:32]
//
// Numbers are uvarints. Shape tells what it is and which parts are there.
const (
	shapeDelete   = 1 << iota
	shapeSwept    // a put whose value and metadata are gone, but for a number
	shapeCreated  // created is there
	shapeExpires  // expiration is there
	shapeMetadata // metadata is there
	shapeInline   // the value is there
	shapeBlob     // a reference is there in the value's place

	shapeAll = 1<<iota - 1
)

// MinRecordBytes is how many bytes any record takes at the least.
const MinRecordBytes = 1 + len(godwit.NamespaceID{}) + 3

// AppendRecord appends an encoding of r to b.
func AppendRecord(b []byte, r *godwit.Record) []byte {
	shape := shapeOf(r)
	b = append(b, shape)
	b = append(b, r.Namespace[:]...)
	b = AppendCounted(b, r.Key)
	b = binary.AppendUvarint(b, uint64(r.Revision))
	b = binary.AppendUvarint(b, uint64(r.Modified))
	if shape&shapeCreated != 0 {
		b = binary.AppendUvarint(b, uint64(r.Created))
	}
	return appendContent(b, shape, &r.Mutation)
}

func shapeOf(r *godwit.Record) byte {
	shape := contentShape(&r.Mutation)
	if r.Swept {
		shape = shape&shapeExpires | shapeSwept
		if _, is := godwit.ParseNumber(r.Value.Inline); is {
			shape |= shapeInline
		}
	}
	if r.Created != r.Modified {
		shape |= shapeCreated
	}
	return shape
}

// contentShape tells what a mutation does, and which parts of its content are
// there. A deletion has none, whatever else stands in it.
func contentShape(m *godwit.Mutation) (shape byte) {
	if m.Op == godwit.OpDelete {
		return shapeDelete
	}
	if m.Expiration != 0 {
		shape |= shapeExpires
	}
	if m.Metadata != nil {
		shape |= shapeMetadata
	}
	switch {
	case !m.Value.Blob.IsZero():
		shape |= shapeBlob
	case m.Value.Inline != nil:
		shape |= shapeInline
	}
	return shape
}

// appendContent appends the parts of a mutation's content that are there.
func appendContent(b []byte, shape byte, m *godwit.Mutation) []byte {
	if shape&shapeExpires != 0 {
		b = binary.AppendUvarint(b, uint64(m.Expiration))
	}
	if shape&shapeMetadata != 0 {
		b = AppendCounted(b, m.Metadata)
	}
	switch {
	case shape&shapeBlob != 0:
		b = append(b, m.Value.Blob.ID[:]...)
		b = binary.AppendUvarint(b, uint64(m.Value.Blob.Size))
		b = append(b, m.Value.Blob.Hash[:]...)
	case shape&shapeInline != 0:
		b = AppendCounted(b, m.Value.Inline)
	}
	return b
}

// AppendCounted appends the length of s, as a uvarint, and s.
func AppendCounted[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// DecodeRecord takes a record from d, which tells whether there was one. All of
// it but the key points into d's input.
func DecodeRecord(d *Decoder, r *godwit.Record) {
	shape := d.Byte()
	*r = godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpPut}, Swept: shape&shapeSwept != 0}
	if !possible(shape) {
		d.Fail()
		return
	}
	if shape&shapeDelete != 0 {
		r.Op = godwit.OpDelete
	}
	copy(r.Namespace[:], d.Bytes(int64(len(r.Namespace))))
	r.Key = string(d.Counted(godwit.MaxKeyBytes))
	r.Revision = d.Revision()
	r.Modified = d.Int()
	r.Created = r.Modified
	if shape&shapeCreated != 0 {
		r.Created = d.Int()
	}
	decodeContent(d, shape, &r.Mutation)
	if r.Key == "" || r.Revision == 0 || r.Swept && !goneButForNumber(r.Value.Inline) {
		d.Fail()
	}
}

// decodeContent takes the parts of a mutation's content that shape says are
// there.
func decodeContent(d *Decoder, shape byte, m *godwit.Mutation) {
	if shape&shapeExpires != 0 {
		m.Expiration = d.Int()
	}
	if shape&shapeMetadata != 0 {
		m.Metadata = d.Counted(godwit.MaxMetadataBytes)
	}
	switch {
	case shape&shapeBlob != 0:
		m.Value.Blob = d.blob()
	case shape&shapeInline != 0:
		m.Value.Inline = d.Counted(godwit.MaxInlineBytes)
	}
}

// goneButForNumber tells whether what is swept may have a value.
func goneButForNumber(value []byte) bool {
	_, is := godwit.ParseNumber(value)
	return value == nil || is
}

// possible tells whether a record may have a shape: a deletion has nothing but
// its key, and what is swept has no content any more, but for a number.
func possible(shape byte) bool {
	const content = shapeMetadata | shapeInline | shapeBlob
	switch {
	case shape&^shapeAll != 0, shape&shapeInline != 0 && shape&shapeBlob != 0:
		return false
	case shape&shapeDelete != 0:
		return shape&(shapeSwept|shapeExpires|content) == 0
	case shape&shapeSwept != 0:
		return shape&(shapeMetadata|shapeBlob) == 0
	}
	return true
}

// Revision takes a revision, which may be zero.
func (d *Decoder) Revision() godwit.Revision {
	r := godwit.Revision(d.Int())
	if r > godwit.MaxRevision {
		d.Fail()
		return 0
	}
	return r
}

func (d *Decoder) blob() (b godwit.Blob) {
	copy(b.ID[:], d.Bytes(int64(len(b.ID))))
	b.Size = d.Int()
	copy(b.Hash[:], d.Bytes(int64(len(b.Hash))))
	if b.IsZero() {
		d.Fail()
	}
	return b
}
