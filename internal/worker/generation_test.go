package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/internal/worker"
	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestGenerationThatCannotBePrepared lets the configuration of a second workerd fail to be
// written: the first is not left to start, nor to run.
func TestGenerationThatCannotBePrepared(t *testing.T) {
	before := goleak.IgnoreCurrent()
	dir := t.TempDir()
	program, blob := filepath.Join(dir, "workerd"), filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil { // it never listens
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(blob, 0o600); err != nil {
		t.Fatal(err)
	}
	var feed errgroup.Group
	feed.Go(func() error { // what each configuration reads, and waits for
		if err := os.WriteFile(blob, nil, 0); err != nil {
			return err
		}
		second := awaitMatch(filepath.Join(dir, "g*", "1"))
		f, err := os.OpenFile(blob, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return os.RemoveAll(second)
	})
	workers := []workerd.Worker{{
		Worker: &wrangler.Worker{Name: "w", Main: "w.js", Blobs: []wrangler.Blob{{Binding: "B", Path: blob, Type: wrangler.Text}}},
		Built:  &bundle.Result{Modules: []bundle.Module{{Name: "w.js", Type: wrangler.ESModule}}},
	}}
	if err := worker.Generate(t.Context(), dir, program, 2, workers); err == nil {
		t.Error("a generation has started without its second workerd")
	}
	if err := feed.Wait(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
	if left, _ := filepath.Glob(filepath.Join(dir, "g*")); len(left) != 0 {
		t.Errorf("directories are left: %q", left)
	}
}

// awaitMatch waits until a file is there, and returns its path.
func awaitMatch(pattern string) string {
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			tick.Stop()
			return found[0]
		}
	}
}

// TestStartThatIsNotTriedAgain is one of code that another attempt would not make start, as
// that of a Worker that loops, unlike one that somebody has killed.
func TestStartThatIsNotTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		script  string
		refused bool
	}{
		"refused":            {"echo boom >&2; exit 1", true},
		"does not end":       {"exec sleep 600", true},
		"loops, and says so": {"echo boom >&2; exec sleep 600", true},
		"killed":             {"echo boom >&2; kill -9 $$", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			program := filepath.Join(dir, "workerd")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+test.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if strings.Contains(test.script, "sleep") {
				soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				ctx = soon
			}
			workers := []workerd.Worker{{
				Worker: &wrangler.Worker{Name: "w", Main: "w.js"},
				Built:  &bundle.Result{Modules: []bundle.Module{{Name: "w.js", Type: wrangler.ESModule}}},
			}}
			err := worker.Generate(ctx, dir, program, 1, workers)
			if err == nil || worker.Refused(err) != test.refused {
				t.Errorf("%v: refused for good: %t", err, worker.Refused(err))
			}
		})
	}
}
