package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// cli is a command of godwit, for this server where it asks one.
func (s *server) cli(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), clients.godwit, args...)
	cmd.Env = append(os.Environ(), "GODWIT_URL=http://"+s.api, "GODWIT_TOKEN="+rootToken)
	return cmd
}

// try runs a command that may fail, and returns all that it says.
func (s *server) try(args ...string) (string, error) {
	out, err := s.cli(args...).CombinedOutput()
	return string(out), err
}

// command runs a command that is to succeed.
func (s *server) command(args ...string) {
	s.t.Helper()
	if out, err := s.try(args...); err != nil {
		s.t.Fatalf("godwit %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// runs tells whether a command succeeds.
func (s *server) runs(args ...string) bool {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Logf("godwit %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return err == nil
}

// godwit runs a command that is to succeed, and returns what it writes.
func (s *server) godwit(t testing.TB, args ...string) string {
	t.Helper()
	cmd := s.cli(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("godwit %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
