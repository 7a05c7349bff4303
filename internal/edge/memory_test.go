package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
)

// TestMemoryOfUploads: a value that must not come to the disk is kept whole, within
// bounds, and what is over gives back what it took.
func TestMemoryOfUploads(t *testing.T) {
	m := edge.NewMemory()
	up := func(n int64, limit int64) (godwit.Value, error) {
		return m.Upload(context.Background(), io.LimitReader(endless{}, n), limit)
	}
	for n, blob := range map[int64]bool{0: false, 1: false, godwit.DefaultInlineBytes: false, godwit.DefaultInlineBytes + 1: true, 256 << 10: true, 1 << 20: true, 1<<20 + 1: true} {
		v, err := up(n, 1<<21)
		if err != nil || v.Size() != n || v.Blob.IsZero() == blob {
			t.Fatalf("%d bytes: %+v, %v", n, v.Blob, err)
		}
		if !blob {
			continue
		}
		r, ok := m.Open(v.Blob)
		if b, err := io.ReadAll(r); !ok || err != nil || int64(len(b)) != n || strings.Trim(string(b), "x") != "" {
			t.Errorf("%d bytes: read %d, %t, %v", n, len(b), ok, err)
		}
		if !m.Drop(v.Blob) || m.Drop(v.Blob) {
			t.Errorf("%d bytes: dropped not once", n)
		}
	}
	if _, err := up(1<<20, 1<<20-1); godwit.CodeOf(err) != godwit.CodeValueTooLarge || !strings.Contains(err.Error(), "1048576 exceeds limit of 1048575") {
		t.Errorf("too large: %v", err)
	}
	broken := io.MultiReader(bytes.NewReader(make([]byte, 300<<10)), failing{})
	if _, err := m.Upload(context.Background(), broken, 1<<20); !errors.Is(err, errFailing) {
		t.Errorf("a body that breaks off: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Upload(ended, endless{}, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that has ended: %v", err)
	}
	if m.Held() != 0 {
		t.Errorf("%d bytes are still held", m.Held())
	}
	if _, err := up(edge.MaxMemoryUploads+1, 1<<40); !errors.Is(err, godwit.ErrBusy) {
		t.Errorf("more than there is room for: %v", err)
	}
	if m.Held() != 0 {
		t.Errorf("%d bytes are still held", m.Held())
	}
}

// endless is a body of x without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

var errFailing = errors.New("broken off")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }
