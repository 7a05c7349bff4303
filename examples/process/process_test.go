package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/examples/process"
)

// TestStartSaysWhyNot starts what ends at once, and wants to be told what it said.
func TestStartSaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	ends := filepath.Join(dir, "ends")
	if err := os.WriteFile(ends, []byte("#!/bin/sh\necho first\necho the port is taken >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	n := &process.Node{Dir: filepath.Join(dir, "n1")}
	if err := n.Start(t.Context(), ends); err == nil || !strings.HasPrefix(err.Error(), "the port is taken (") {
		t.Errorf("got error %v", err)
	}
}
