package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestJavaScriptClient runs the tests of the npm package in clients/js, under Node,
// Deno and Bun, with nodes that they start.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	tests, err := filepath.Glob("../clients/js/test/*.test.mjs")
	if err != nil || len(tests) < 8 {
		t.Fatalf("found the tests %q: %v", tests, err)
	}
	args := []string{"--test", "--test-reporter=spec"}
	for _, file := range tests {
		args = append(args, filepath.Join("test", filepath.Base(file)))
	}
	runJavaScript(t, args...)
}

// TestJavaScriptTypes holds the types of the npm package against Workers', against
// its own code, and against unstorage's and Keyv's.
func TestJavaScriptTypes(t *testing.T) {
	t.Parallel()
	for _, project := range []string{"workers", "node", "source"} {
		runJavaScript(t, "node_modules/typescript/bin/tsc", "-p", "test/types/"+project)
	}
}

// runJavaScript runs Node in clients/js.
func runJavaScript(t *testing.T, args ...string) {
	t.Helper()
	const dir = "../clients/js"
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "typescript")); err != nil {
		t.Fatalf("what its tests need is not installed: run make js-deps: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), clients.node, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GODWIT_BINARY="+clients.godwit, "NO_COLOR=1", "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("node %q: %v\n%s", args, err, out)
	}
}
