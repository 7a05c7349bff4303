package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRootTokenIsShownOnATerminal starts nodes on a terminal: their first start shows the
// token, and says where it is kept. That nothing else is shown it, serve.txtar holds.
func TestRootTokenIsShownOnATerminal(t *testing.T) {
	for format, says := range map[string]string{"text": "shown this once, kept in", "json": "shown this once and kept in"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			controls, tty := openPTY(t)
			cmd := exec.CommandContext(t.Context(), "godwit", "serve", "--data", dir, "--log-format", format,
				"--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			shown := &screenReader{t: t, from: controls}
			shown.until("root-token")
			token, err := os.ReadFile(filepath.Join(dir, "root-token"))
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			shown.until("node stopped")
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			for _, want := range []string{says, strings.TrimSpace(string(token))} {
				if !strings.Contains(shown.all.String(), want) {
					t.Errorf("%q is not on the terminal:\n%s", want, shown.all.String())
				}
			}
		})
	}
}
