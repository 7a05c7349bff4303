package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	for _, args := range [][]string{importing, exporting} {
		cut := 0
		for after := 40 * time.Millisecond; ; after += 40 * time.Millisecond {
			if killed(t, after, args...) {
				break
			}
			cut++
		}
		if cut == 0 {
			t.Errorf("%s was never cut off: nothing was tested", args[0])
		}
		t.Logf("%s was cut off %d times", args[0], cut)
	}
	if _, err := os.Stat(checkpoint); err == nil {
		t.Error("the checkpoint of a whole import is still there")
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, text.Bytes()) {
		t.Errorf("%d bytes came out, %d went in: %v", len(got), text.Len(), err)
	}
}
