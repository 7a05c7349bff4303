package nats_test

import (
	"bytes"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// TestTrimErases: once as many other bytes have been sent as EraseBytes says, a trim has
// taken a message's bytes out of every file of every server, those of the stream and
// those of the log that they replicate it by. Without them it has not.
func TestTrimErases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	s := w.servers["n1"].stream
	const message = "LIMOSA-lapponica-in-the-log"
	for range 20 {
		mustSend(t, s, message)
	}
	if err := s.Trim(t.Context(), 20); err != nil {
		t.Fatal(err)
	}
	mustSend(t, s, "after")
	if n := w.filesWith(message); n < 3 {
		t.Errorf("%d files have the message: a trim alone has erased it", n)
	}
	part := make([]byte, 512<<10)
	for sent := 0; sent < jetstream.EraseBytes; sent += len(part) {
		_, _ = rand.Read(part)
		mustSend(t, s, string(part))
	}
	if err := s.Trim(t.Context(), mustState(t, s).Last); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.until("the message is gone", func() bool { return w.filesWith(message) == 0 })
	t.Logf("gone after %v", time.Since(began))
}

// filesWith counts the files of all servers that hold a text.
func (w *world) filesWith(text string) (n int) {
	w.t.Helper()
	for _, m := range w.servers {
		err := filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(text)) {
				n++
			}
			if os.IsNotExist(err) {
				return nil
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return n
}
