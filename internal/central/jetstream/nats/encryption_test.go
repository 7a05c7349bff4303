package nats_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestEncryptedServers looks for messages in every file of three servers: those of the
// stream and those of the log that they replicate it by. Started again they have them.
func TestEncryptedServers(t *testing.T) {
	w := prepare(t, 3)
	w.key = "the-key-of-the-tests"
	for _, p := range w.peers {
		w.start(p.Name)
	}
	for _, p := range w.peers {
		w.wait(w.servers[p.Name])
	}
	w.settle()
	const message = "LIMOSA-lapponica-in-the-log"
	for range 20 {
		mustSend(t, w.servers["n1"].stream, message)
	}
	w.holdsNot("running", message)
	for _, p := range w.peers {
		w.stop(p.Name)
	}
	w.holdsNot("stopped", message)
	for _, p := range w.peers {
		w.start(p.Name)
	}
	w.wait(w.servers["n2"])
	state, err := w.servers["n2"].stream.State(t.Context())
	if err != nil || state.Last != 20 {
		t.Errorf("after another start: %+v, %v", state, err)
	}
}

// holdsNot wants no file of any server to hold a text.
func (w *world) holdsNot(when, text string) {
	w.t.Helper()
	files := 0
	for _, m := range w.servers {
		err := filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if files++; bytes.Contains(b, []byte(text)) {
				w.t.Errorf("%s: %s holds the message", when, path)
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if files < 20 {
		w.t.Errorf("%s: %d files", when, files)
	}
}
