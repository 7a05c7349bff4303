package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// TestFailedSync: after a sync failed nothing is acknowledged any more, whoever
// has a result before has it for good, and the log says that it failed.
func TestFailedSync(t *testing.T) {
	for _, fail := range []struct {
		name string
		op   storetest.Op
	}{{"sync", storetest.Sync}, {"write", storetest.Write}} {
		t.Run(fail.name, func(t *testing.T) {
			w, faults := newFaultyWorld(t, store.Config{})
			ns := w.fill()
			var acked, unknown [8]int
			var writers sync.WaitGroup
			for i := range acked {
				writers.Go(func() { acked[i], unknown[i] = proposeUntilFailure(t, w, ns, i) })
			}
			for i := range acked {
				for w.value(ns, fmt.Sprint(i)) == "" {
					w.propose(put(ns, "other", nil))
				}
			}
			faults.FailLog(fail.op)
			writers.Wait()
			if err := <-w.log.Failed(); !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("failed: %v", err)
			}
			if _, err := w.log.Propose(context.Background(), []godwit.Transaction{put(ns, "late", nil)}); godwit.CodeOf(err) != godwit.CodeUnavailable {
				t.Errorf("propose after the failure: %v", err)
			}
			crashed := w.fs.CrashClone(store.CrashClone{})
			if err := errors.Join(w.log.Close(), w.store.Close()); err == nil {
				t.Log("closing a store whose disk failed gave no error")
			}
			w.fs, w.cfg.FS = crashed, crashed
			w.fsck(crashed)
			w.open()
			for i := range acked {
				got := w.value(ns, fmt.Sprint(i))
				if got != fmt.Sprint(acked[i]) && got != fmt.Sprint(unknown[i]) {
					t.Errorf("writer %d: %q is there, %d was acknowledged, %d may have been done", i, got, acked[i], unknown[i])
				}
			}
		})
	}
}

// proposeUntilFailure writes numbers and returns the last that was acknowledged
// and, if there was one, the one whose outcome is unknown.
func proposeUntilFailure(t *testing.T, w *world, ns godwit.NamespaceID, writer int) (acked, unknown int) {
	for n := 1; ; n++ {
		_, err := w.log.Propose(context.Background(), []godwit.Transaction{put(ns, fmt.Sprint(writer), fmt.Append(nil, n))})
		switch {
		case err == nil:
			acked = n
		case errors.Is(err, godwit.ErrOutcomeUnknown):
			return acked, n
		default:
			if godwit.CodeOf(err) != godwit.CodeUnavailable {
				t.Errorf("writer %d: %v", writer, err)
			}
			return acked, 0
		}
	}
}

// failureChild names the failure that a child process is to run into.
const failureChild = "GODWIT_TEST_FAILURE"

// TestProcessEnds lets a process of its own run into failures that the database
// does not survive: it must not end well, must not acknowledge anything after
// the failure, and what it acknowledged before must be there.
func TestProcessEnds(t *testing.T) {
	for name, part := range map[string]string{"log": ".log", "catalog of files": "MANIFEST-"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(os.Args[0], "-test.run=^TestFailureChild$")
			child.Env = append(os.Environ(), failureChild+"="+part, "GODWIT_TEST_DIR="+dir)
			out, err := child.CombinedOutput()
			if err == nil {
				t.Error("the process ended well")
			}
			if !strings.Contains(string(out), "injected error") {
				t.Errorf("the process ended without naming the failure:\n%.2000s", out)
			}
			acked := strings.Count(string(out), "acknowledged\n")
			if acked == 0 || strings.Contains(string(out), "after the failure") {
				t.Errorf("%d acknowledged:\n%.2000s", acked, out)
			}
			s, err := store.Open(context.Background(), store.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			err = s.Scan(godwit.SystemNamespace, "", func(*godwit.Entry) error { found++; return nil })
			if err != nil || found < acked {
				t.Errorf("%d keys are there, %d were acknowledged (%v)", found, acked, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFailureChild is not a test: it is the process of TestProcessEnds.
func TestFailureChild(t *testing.T) {
	part := os.Getenv(failureChild)
	if part == "" {
		t.Skip("runs in a process of its own")
	}
	faults := storetest.NewFaults(store.Disk())
	s, err := store.Open(context.Background(), store.Config{Dir: os.Getenv("GODWIT_TEST_DIR"), FS: faults, DiskReserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	l, err := embedded.Open(context.Background(), embedded.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	value := bytes.Repeat([]byte("x"), 60_000)
	for i := range 2000 {
		if i == 10 {
			faults.Fail(storetest.Write, part)
		}
		tx := put(godwit.SystemNamespace, fmt.Sprint(i), value)
		if _, err = l.Propose(context.Background(), []godwit.Transaction{tx}); err != nil {
			break
		}
		fmt.Println("acknowledged")
	}
	if part == ".log" {
		err = errors.Join(err, <-l.Failed())
		_, late := l.Propose(context.Background(), []godwit.Transaction{put(godwit.SystemNamespace, "late", nil)})
		if late == nil {
			fmt.Println("after the failure")
		}
	}
	t.Fatalf("failed: %v", err)
}
