package dashboard_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/node"
)

// TestChangesAreRecorded changes keys with forms, and reads what the audit log says.
func TestChangesAreRecorded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	n := openNode(t, func(cfg *node.Config) { cfg.AuditLog = file })
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	save := "/dashboard/key/save" + q(ns)
	if got := b.post(save, "key", "godwit", "text", "secret", "expire", "never"); got.status != 303 {
		t.Fatalf("create: %d %s", got.status, got.body)
	}
	if got := b.post("/dashboard/key/delete"+q(ns, "godwit"), "revision", "1"); got.status != 409 {
		t.Fatalf("delete of another revision: %d %s", got.status, got.body)
	}
	rev := first(t, revision, b.get("/dashboard/key"+q(ns, "godwit")).body)
	if got := b.post("/dashboard/key/delete"+q(ns, "godwit"), "revision", rev); got.status != 303 {
		t.Fatalf("delete: %d %s", got.status, got.body)
	}

	all := keyEntries(t, file, 3)
	for i, want := range []audit.Entry{
		{Operation: "put", Outcome: audit.OutcomeOK, Status: 200, Revision: rev},
		{Operation: "delete", Outcome: audit.OutcomeRefused},
		{Operation: "delete", Outcome: audit.OutcomeOK, Status: 200},
	} {
		got := all[i]
		if got.Operation != want.Operation || got.Outcome != want.Outcome || want.Status != 0 && got.Status != want.Status {
			t.Errorf("entry %d: got %+v, want %+v", i, got, want)
		}
		if want.Revision != "" && got.Revision != want.Revision || (got.Revision == "") != (got.Outcome != audit.OutcomeOK) {
			t.Errorf("entry %d: revision %q", i, got.Revision)
		}
		if got.Title != "birds" || got.Remote != "127.0.0.1" || got.TokenName == "" {
			t.Errorf("entry %d does not say whose doing it is, or where: %+v", i, got)
		}
	}
}

// keyEntries waits until a log has n entries about the key godwit, and returns them.
func keyEntries(t *testing.T, file string, n int) (all []audit.Entry) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = all[:0]
		for line := range strings.Lines(string(b)) {
			var e audit.Entry
			if json.Unmarshal([]byte(line), &e) == nil && e.Key == "godwit" {
				all = append(all, e)
			}
		}
		if len(all) == n {
			return all
		}
	}
	t.Fatalf("got %d entries, want %d: %+v", len(all), n, all)
	return nil
}
