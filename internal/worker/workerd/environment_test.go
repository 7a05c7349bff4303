package workerd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/worker/workerd"
)

// TestEnvironment holds what of our environment a workerd sees: no secret, and what its
// allocator needs before what the user asks of the C library.
func TestEnvironment(t *testing.T) {
	t.Setenv("GODWIT_TOKEN", "a-secret-token")
	t.Setenv("TZ", "UTC")
	program := filepath.Join(t.TempDir(), "workerd")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec env >&2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string]string{
		"unset":                    "GLIBC_TUNABLES=glibc.pthread.rseq=0\n",
		"":                         "GLIBC_TUNABLES=glibc.pthread.rseq=0\n",
		"glibc.malloc.arena_max=1": "GLIBC_TUNABLES=glibc.pthread.rseq=0:glibc.malloc.arena_max=1\n",
		"glibc.pthread.rseq=1":     "GLIBC_TUNABLES=glibc.pthread.rseq=0:glibc.pthread.rseq=1\n",
	} {
		if t.Setenv("GLIBC_TUNABLES", set); set == "unset" {
			os.Unsetenv("GLIBC_TUNABLES")
		}
		_, err := workerd.Start(t.Context(), workerd.Options{Program: program, Log: func(workerd.Line) {}})
		var said *workerd.StartError
		if !errors.As(err, &said) {
			t.Fatal(err)
		}
		if got := said.Said + "\n"; !strings.Contains(got, want) || !strings.Contains(got, "TZ=UTC\n") || strings.Contains(got, "a-secret-token") {
			t.Errorf("with %q it sees:\n%s", set, got)
		}
	}
}
