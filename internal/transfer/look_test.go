package transfer_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// TestLook counts large values as it does small ones, and finds those that are too large.
func TestLook(t *testing.T) {
	const large = 2 << 20
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "large"), make([]byte, large), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "small"), []byte("v"), 0o600))
	c := serve(t, "from")
	_, err := c.KV("from").Put(t.Context(), "large", bytes.NewReader(make([]byte, large)), client.PutOptions{})
	check(t, err)
	_, err = c.KV("from").Put(t.Context(), "small", strings.NewReader("v"), client.PutOptions{})
	check(t, err)
	for name, from := range map[string]transfer.Source{
		"dir":    &transfer.Dir{Name: dir, Progress: new(transfer.Progress)},
		"server": &transfer.Server{KV: c.KV("from")},
	} {
		counts := new(transfer.Progress)
		err := transfer.Look(t.Context(), from, large, transfer.Options{Progress: counts, Now: now})
		if want := int64(large + len("large") + len("smallv")); err != nil || counts.Bytes.Load() != want {
			t.Errorf("%s: %d bytes of %d, %v", name, counts.Bytes.Load(), want, err)
		}
		err = transfer.Look(t.Context(), from, large-1, transfer.Options{Now: now})
		var item *transfer.ItemError
		if !errors.As(err, &item) || item.Key != "large" || !strings.Contains(err.Error(), "the limit is 2097151") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
