package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

func config(dir string) audit.Config {
	return audit.Config{
		File: filepath.Join(dir, "audit.log"), MaxBytes: audit.MinBytes, Node: "lhr", Upstream: true,
		Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
}

func open(t *testing.T, cfg audit.Config) *audit.Log {
	t.Helper()
	l, err := audit.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// entries reads a file of entries; none if it is not there.
func entries(t *testing.T, name string) (all []audit.Entry) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("the line %.100q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

func TestEntries(t *testing.T) {
	cfg := config(t.TempDir())
	if err := os.WriteFile(cfg.File, []byte("{\"operation\":\"before\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, cfg)
	e := audit.Entry{Operation: "put", Key: "<a & \n\x00>", Upstream: true, Revision: "7"}
	e.By(&godwit.Token{ID: "id", Name: "name", Hash: [32]byte{1}})
	e.About(&godwit.Namespace{ID: godwit.NamespaceID{1}, Title: "birds"}, "")
	e.Ended(200)
	l.Record(e)
	l.Record(audit.Entry{Operation: "long", Key: strings.Repeat("k", 10_000)})
	if err := l.Begin(e); err != nil { // it is not strict: nothing is announced
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	e.Time, e.Node = noon, "lhr"
	want := []audit.Entry{{Operation: "before"}, e, {Time: noon, Node: "lhr", Operation: "long", Key: strings.Repeat("k", 1024)}}
	if diff := cmp.Diff(want, entries(t, cfg.File)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(cfg.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

func TestEnded(t *testing.T) {
	for status, want := range map[int]string{
		200: audit.OutcomeOK, 201: audit.OutcomeOK, 304: audit.OutcomeOK, 403: audit.OutcomeRefused, 429: audit.OutcomeRefused,
		503: audit.OutcomeFailed, 507: audit.OutcomeFailed, 504: audit.OutcomeUnknown, 0: audit.OutcomeUnknown,
	} {
		var e audit.Entry
		if e.Ended(status); e.Outcome != want {
			t.Errorf("%d: %s, want %s", status, e.Outcome, want)
		}
	}
}

// TestDiskIsBounded writes many times what the log may take.
func TestDiskIsBounded(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Strict = true
	l := open(t, cfg)
	const all = 8000
	last := 0
	for i := range all {
		if err := l.Begin(audit.Entry{Operation: fmt.Sprint(i), Key: strings.Repeat("k", 500)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	both := append(entries(t, audit.Before(cfg.File)), entries(t, cfg.File)...)
	for i, e := range both {
		n, _ := fmt.Sscan(e.Operation, &last)
		if n != 1 || last != all-len(both)+i {
			t.Fatalf("entry %d of %d is %s", i, len(both), e.Operation)
		}
	}
	size := int64(0)
	for _, name := range []string{cfg.File, audit.Before(cfg.File)} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > cfg.MaxBytes || size < cfg.MaxBytes/2 {
		t.Errorf("%d bytes, of %d", size, cfg.MaxBytes)
	}
}

// What there is no room for is counted, in the log too.
func TestDropped(t *testing.T) {
	cfg := config(t.TempDir())
	l, start, err := audit.OpenStalled(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range audit.MaxQueued + 7 {
		l.Record(audit.Entry{Operation: "put"})
	}
	start()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all := entries(t, cfg.File)
	if len(all) != audit.MaxQueued+1 || all[0].Operation != audit.OperationDropped || all[0].Count != 7 {
		t.Errorf("%d entries, the first %+v", len(all), all[0])
	}
}

// TestFileThatCannotBeWritten takes the file's directory away: a strict log refuses,
// and goes on once the directory is there again.
func TestFileThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := config(dir)
	cfg.Strict = true
	l := open(t, cfg)
	begin := func(want bool) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
			err := l.Begin(audit.Entry{Operation: "put"})
			if err != nil && godwit.CodeOf(err) != godwit.CodeUnavailable {
				t.Fatalf("refused with %v", err)
			}
			if (err == nil) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("written is never %v: %v", want, err)
			}
		}
	}
	begin(true)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	begin(false)
	l.Record(audit.Entry{Operation: "lost"})
	begin(false)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	begin(true)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all := entries(t, cfg.File)
	if len(all) != 2 || all[0].Operation != audit.OperationDropped || all[0].Count < 3 || all[1].Outcome != audit.OutcomeAsked {
		t.Errorf("then it has %+v", all)
	}
	if err := l.Begin(audit.Entry{Operation: "put"}); err == nil {
		t.Error("a closed log announces")
	}
}

// Who moves the file away and says so finds the next entries in a new one. A line
// that a crash has cut off does not spoil the next.
func TestReopen(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Strict = true
	if err := os.WriteFile(cfg.File, []byte(`{"operation":"cut o`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, cfg)
	if err := l.Begin(audit.Entry{Operation: "first"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(cfg.File)
	if err != nil || !strings.HasPrefix(string(b), "{\"operation\":\"cut o\n{") {
		t.Errorf("after a cut line: %.80q, %v", b, err)
	}
	if err := os.Rename(cfg.File, cfg.File+".moved"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	for deadline := time.Now().Add(20 * time.Second); len(entries(t, cfg.File)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is written to the new file")
		}
		if err := l.Begin(audit.Entry{Operation: "second"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.File = filepath.Dir(cfg.File)
	if l, err := audit.Open(cfg); err == nil {
		_ = l.Close()
		t.Error("a directory is opened as a log")
	}
	var none *audit.Log
	none.Record(audit.Entry{})
	none.Reopen()
	if err := errors.Join(none.Begin(audit.Entry{}), none.Close()); err != nil || none.On() {
		t.Errorf("no log: %v", err)
	}
}
