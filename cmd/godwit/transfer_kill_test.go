package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestKillOfExportAndImport kills both, again and again: each goes on where it was, and
// what comes out in the end is what went in.
func TestKillOfExportAndImport(t *testing.T) {
	node := startChild(t, filepath.Join(t.TempDir(), "data"))
	dir := t.TempDir()
	var text bytes.Buffer
	keys := 40_000
	if testing.Short() {
		keys = 10_000
	}
	for i := range keys {
		fmt.Fprintf(&text, `{"key":"k%06d","value":"%s"}`+"\n", i, strings.Repeat("v", i%600))
	}
	in, out, checkpoint := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(in, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	to := []string{"--url", node.url, "--token", "root-token-of-the-tests", "--quiet"}
	importing := append([]string{"import", "birds", in, "--checkpoint", checkpoint}, to...)
	exporting := append([]string{"export", "birds", "--output", out, "--resume"}, to...)
	imported := func() int64 {
		n, err := node.client.KV("birds").Count(t.Context(), client.CountOptions{})
		if err != nil && !errors.Is(err, client.ErrNamespaceNotFound) {
			t.Fatal(err)
		}
		return n.Keys
	}
	exported := func() int64 { return sizeOf(out) }
	cutOff(t, imported, int64(keys), importing...)
	cutOff(t, exported, int64(text.Len()), exporting...)
	if _, err := os.Stat(checkpoint); err == nil {
		t.Error("the checkpoint of a whole import is still there")
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, text.Bytes()) {
		t.Errorf("%d bytes came out, %d went in: %v", len(got), text.Len(), err)
	}
}

// cutOff kills a transfer each time that it has come a twelfth further, and then lets it
// come to its end.
func cutOff(t *testing.T, done func() int64, all int64, args ...string) {
	t.Helper()
	cut := 0
	for step := range int64(12) {
		if !killedOnce(t, func() bool { return done() >= 1+all*step/12 }, args...) {
			cut++
		}
	}
	if cut == 0 {
		t.Errorf("%s was never cut off: nothing was tested", args[0])
	}
	runs(t, args...)
	t.Logf("%s was cut off %d times", args[0], cut)
}
