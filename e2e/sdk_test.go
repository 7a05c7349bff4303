package e2e_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
)

// TestSDK runs every KV method of npm's cloudflare, in the versions in use.
func TestSDK(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"4", "5", "7"} {
		t.Run("cloudflare "+version, func(t *testing.T) {
			t.Parallel()
			runScript(t, startServer(t, "--jurisdiction", "eu"), 14, "testdata/sdk/sdk.mjs", version)
		})
	}
}

// runScript runs a Node program that prints a line of JSON for each of its
// cases, at least as many as said.
func runScript(t *testing.T, s *server, least int, script string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), clients.node, append([]string{script}, args...)...)
	cmd.Env = s.environment(t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, &stderr)
	}
	ran := 0
	for line := range bytes.Lines(stdout.Bytes()) {
		var c struct{ Name, Error string }
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s printed %q", script, line)
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			if c.Error != "" {
				t.Error(c.Error)
			}
		})
	}
	if ran < least {
		t.Errorf("%d cases ran, want at least %d\n%s", ran, least, &stderr)
	}
}
