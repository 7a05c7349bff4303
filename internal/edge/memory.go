package edge

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/godwitkv/godwit"
)

const (
	// maxMemoryUploads bounds the bytes of values that wait in memory for being
	// passed on.
	maxMemoryUploads = 256 << 20
	memoryPiece      = 256 << 10
)

// memory keeps values that are passed on and must not come to the disk: their
// namespaces are of a jurisdiction that this node is not for.
type memory struct {
	mu   sync.Mutex
	held int64
	all  map[godwit.BlobID][]byte
}

func newMemory() *memory { return &memory{all: make(map[godwit.BlobID][]byte)} }

// upload reads a value to its end. Errors: CodeValueTooLarge, ErrBusy, r's wrapped.
func (m *memory) upload(ctx context.Context, r io.Reader, limit int64) (v godwit.Value, err error) {
	var taken int64
	defer func() {
		if v.Blob.IsZero() {
			m.give(taken)
		}
	}()
	var value bytes.Buffer
	for err == nil {
		if err = ctx.Err(); err != nil {
			return v, fmt.Errorf("upload: %w", err)
		}
		if !m.take(memoryPiece) {
			return v, godwit.ErrBusy
		}
		taken += memoryPiece
		_, err = io.CopyN(&value, r, memoryPiece)
		if int64(value.Len()) > limit {
			return v, valueTooLarge(int64(value.Len()), r, limit)
		}
	}
	if !errors.Is(err, io.EOF) {
		return v, fmt.Errorf("read value: %w", err)
	}
	if value.Len() <= godwit.DefaultInlineBytes {
		return godwit.Value{Inline: value.Bytes()}, nil
	}
	return godwit.Value{Blob: m.keep(value.Bytes(), taken)}, nil
}

// drainBeyond bounds how much of a value that is too long is read only to tell its
// length.
const drainBeyond = 4 * godwit.MaxValueBytes

func valueTooLarge(n int64, r io.Reader, limit int64) error {
	more, _ := io.Copy(io.Discard, io.LimitReader(r, drainBeyond))
	return godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", n+more, limit)
}

func (m *memory) take(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held+n > maxMemoryUploads {
		return false
	}
	m.held += n
	return true
}

func (m *memory) give(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held -= n
}

// keep takes a value over, and gives back what of taken it does not need.
func (m *memory) keep(value []byte, taken int64) godwit.Blob {
	b := godwit.Blob{Size: int64(len(value)), Hash: sha256.Sum256(value)}
	_, _ = rand.Read(b.ID[:]) // never fails: it ends the process first
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held -= taken - b.Size
	m.all[b.ID] = value
	return b
}

// open returns a value that is kept, and false if it is not.
func (m *memory) open(b godwit.Blob) (io.ReadCloser, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.all[b.ID]
	return io.NopCloser(bytes.NewReader(value)), ok
}

// drop forgets a value, and tells whether it was one.
func (m *memory) drop(b godwit.Blob) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.all[b.ID]
	if ok {
		m.held -= int64(len(value))
		delete(m.all, b.ID)
	}
	return ok
}
