package workerd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/worker/workerd"
)

// TestStartError tells what workerd refuses, and would refuse again, from what may pass.
func TestStartError(t *testing.T) {
	for name, test := range map[string]struct {
		script, want  string
		refused, late bool
	}{
		"refused":          {"echo boom >&2; exit 1", "boom", true, false},
		"silent":           {"exit 1", "it ended before it listened", false, false},
		"killed":           {"echo boom >&2; kill -9 $$", "boom", false, false},
		"too slow":         {"exec sleep 600", "it does not listen after 30s", false, true},
		"slow, with words": {"echo boom >&2; exec sleep 600", "it does not listen after 30s", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "workerd")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+test.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if strings.Contains(test.script, "sleep") {
				soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				ctx = soon
			}
			_, err := workerd.Start(ctx, workerd.Options{Program: program, Log: func(workerd.Line) {}})
			var failure *workerd.StartError
			if !errors.As(err, &failure) || failure.Refused != test.refused || failure.Late != test.late || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v (%+v); want %s, refused: %t, late: %t", err, failure, test.want, test.refused, test.late)
			}
		})
	}
}

// TestStopOfOneThatStays stops a process that does not end when it is asked to, and waits no
// longer for it than whoever stops it.
func TestStopOfOneThatStays(t *testing.T) {
	program := filepath.Join(t.TempDir(), "workerd")
	script := "#!/bin/sh\ntrap '' TERM\necho '{\"event\":\"listen\",\"socket\":\"http\"}' >&3\nexec sleep 600\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := workerd.Start(t.Context(), workerd.Options{Program: program, Log: func(workerd.Line) {}})
	if err != nil {
		t.Fatal(err)
	}
	workerd.SetPatience(p, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Stop(ctx)
	if err := p.Err(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended by %v", err)
	}
}
