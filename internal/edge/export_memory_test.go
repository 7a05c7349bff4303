package edge

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

const MaxMemoryUploads = maxMemoryUploads

// Memory is memory, for tests.
type Memory struct{ m *memory }

func NewMemory() Memory { return Memory{newMemory()} }

func (m Memory) Upload(ctx context.Context, r io.Reader, limit int64) (godwit.Value, error) {
	return m.m.upload(ctx, r, limit)
}
func (m Memory) Open(b godwit.Blob) (io.ReadCloser, bool) { return m.m.open(b) }
func (m Memory) Drop(b godwit.Blob) bool                  { return m.m.drop(b) }

func (m Memory) Held() int64 {
	m.m.mu.Lock()
	defer m.m.mu.Unlock()
	return m.m.held
}
