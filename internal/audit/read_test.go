package audit_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/audit"
)

// filled is a log with n entries, whose operations are numbers, over two files.
func filled(t *testing.T, n int) (*audit.Log, audit.Config) {
	t.Helper()
	cfg := config(t.TempDir())
	clock := noon
	cfg.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
	cfg.Strict = true // what Begin has announced is in the file
	l := open(t, cfg)
	for i := range n {
		if err := l.Begin(audit.Entry{Operation: fmt.Sprint(i), Key: strings.Repeat("k", 900), Namespace: fmt.Sprint(i % 3)}); err != nil {
			t.Fatal(err)
		}
	}
	return l, cfg
}

// TestRead pages through a log from its end to its beginning, and goes on behind what
// was added meanwhile.
func TestRead(t *testing.T) {
	const all = 700 // over half of what the two files hold
	l, cfg := filled(t, all)
	if info, err := os.Stat(audit.Before(cfg.File)); err != nil || info.Size() == 0 {
		t.Fatalf("there is one file: %v", err)
	}
	next := all - 1
	for cursor := ""; ; {
		page, err := l.Read(t.Context(), audit.Query{Limit: 37, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			if e.Operation != fmt.Sprint(next) {
				t.Fatalf("got %s, want %d", e.Operation, next)
			}
			next--
		}
		if cursor == "" {
			if err := l.Begin(audit.Entry{Operation: "later"}); err != nil {
				t.Fatal(err)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if next != -1 {
		t.Errorf("%d entries were not told", next+1)
	}
}

func TestReadSome(t *testing.T) {
	l, _ := filled(t, 100)
	some, err := l.Read(t.Context(), audit.Query{Limit: 1000, Match: func(e *audit.Entry) bool { return e.Namespace == "1" }})
	if err != nil || len(some.Entries) != 33 || some.Entries[0].Operation != "97" {
		t.Errorf("got %d of one namespace: %v", len(some.Entries), err)
	}
	since, err := l.Read(t.Context(), audit.Query{Limit: 1000, Since: noon.Add(91 * time.Second)})
	if err != nil || len(since.Entries) != 10 || since.Cursor != "" {
		t.Errorf("got %d since a time: %v", len(since.Entries), err)
	}
	if _, err := l.Read(t.Context(), audit.Query{Limit: 10, Cursor: "here"}); godwit.CodeOf(err) != godwit.CodeInvalidRequest {
		t.Errorf("another's cursor: %v", err)
	}
	if gone, err := l.Read(t.Context(), audit.Query{Limit: 10, Cursor: "00000000-5"}); err != nil || len(gone.Entries) != 0 {
		t.Errorf("the cursor of a file that is gone: %+v, %v", gone, err)
	}
	var none *audit.Log
	if found, err := none.Read(t.Context(), audit.Query{Limit: 10}); err != nil || len(found.Entries) != 0 {
		t.Errorf("no log: %+v, %v", found, err)
	}
}

// Lines that are no entries are passed over, however long they are.
func TestReadPassesOverWhatIsNoEntry(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.MaxBytes = 64 << 20
	text := "{\"operation\":\"first\"}\n{\"operation\":\"cut o\n" + strings.Repeat("x", 2<<20) + "\n{\"operation\":\"last\"}\n{\"oper"
	if err := os.WriteFile(cfg.File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, cfg)
	found, err := l.Read(t.Context(), audit.Query{Limit: 10})
	if err != nil || len(found.Entries) != 2 || found.Entries[0].Operation != "last" || found.Entries[1].Operation != "first" {
		t.Errorf("got %+v, %v", found, err)
	}
}

// TestReadWhileTheFileIsReplaced holds that a file which takes its other name between the
// two openings is read once.
func TestReadWhileTheFileIsReplaced(t *testing.T) {
	l, cfg := filled(t, 3)
	if err := os.Link(cfg.File, audit.Before(cfg.File)); err != nil { // it has both names
		t.Fatal(err)
	}
	page, err := l.Read(t.Context(), audit.Query{Limit: 37})
	if err != nil || len(page.Entries) != 3 || page.Cursor != "" {
		t.Errorf("%d entries, cursor %q: %v; want 3 and no more", len(page.Entries), page.Cursor, err)
	}
}
