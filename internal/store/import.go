package store

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// BlobImport is the content of a blob that comes in parts. It is for one
// goroutine.
type BlobImport struct {
	s    *Store
	w    *blob.Writer
	size int64
}

// BeginImport takes in the content of b in parts. Error: the disk's; CodeDiskFull.
func (s *Store) BeginImport(b godwit.Blob) (*BlobImport, error) {
	w, err := s.blobs.Import(b)
	if err != nil {
		return nil, s.uploadError(err)
	}
	return &BlobImport{s: s, w: w}, nil
}

// Size is how many bytes have come in.
func (i *BlobImport) Size() int64 { return i.size }

// Write takes the next part. Errors: the disk's; CodeDiskFull.
func (i *BlobImport) Write(p []byte) (int, error) {
	n, err := i.w.Write(p)
	i.size += int64(n)
	if err != nil {
		return n, i.s.uploadError(err)
	}
	return n, nil
}

// Commit makes the blob durable. Errors: blob.ErrDamaged if it is not what b says,
// and leaves nothing behind; CodeDiskFull; the disk's.
func (i *BlobImport) Commit() error {
	if _, err := i.w.Commit(); err != nil {
		return i.s.uploadError(err)
	}
	return nil
}

// Abort drops what has come in.
func (i *BlobImport) Abort() { i.w.Abort() }
