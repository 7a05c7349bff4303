package godwit

import (
	"encoding/hex"
	"encoding/json"
)

// Entry is what a key holds. An *Entry from a [Reader] is shared and immutable:
// neither it nor the bytes it points to may be changed.
type Entry struct {
	Key        string
	Revision   Revision
	Created    int64  // unix milliseconds of the write that made the key
	Modified   int64  // unix milliseconds of the write that made this revision
	Expiration int64  // unix seconds from which on the entry is absent; 0: never
	Metadata   []byte // JSON text as it was given; nil: none
	Value      Value
}

// Expired tells whether the entry is absent at now, in unix seconds.
func (e *Entry) Expired(now int64) bool { return e.Expiration != 0 && e.Expiration <= now }

// Value is an entry's content: bytes in hand, or a blob when Blob is not zero.
type Value struct {
	Inline []byte
	Blob   Blob
}

// Size is the value's length in bytes.
func (v Value) Size() int64 {
	if !v.Blob.IsZero() {
		return v.Blob.Size
	}
	return int64(len(v.Inline))
}

// BlobID names a blob. It is random.
type BlobID [16]byte

// String is the id in hexadecimal.
func (id BlobID) String() string { return hex.EncodeToString(id[:]) }

// Blob refers to a value too large to live beside its key.
type Blob struct {
	ID   BlobID
	Size int64
	Hash [32]byte // SHA-256 of the value
}

// IsZero tells that b refers to nothing.
func (b Blob) IsZero() bool { return b.ID == BlobID{} }

// ValidateMetadata returns nil if text may be an entry's metadata: JSON of at
// most [MaxMetadataBytes] bytes. Errors: [CodeMetadataTooLarge],
// [CodeInvalidMetadata].
func ValidateMetadata(text []byte) error {
	if len(text) > MaxMetadataBytes {
		return Errorf(CodeMetadataTooLarge, "Metadata length of %d exceeds limit of %d.", len(text), MaxMetadataBytes)
	}
	if !json.Valid(text) || !validUTF8(text) {
		return Errorf(CodeInvalidMetadata, "Metadata is not valid JSON.")
	}
	return nil
}
