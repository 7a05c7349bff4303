package dashboard_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/node"
)

func TestAuditPage(t *testing.T) {
	n := openNode(t, func(cfg *node.Config) { cfg.AuditLog, cfg.AuditStrict = filepath.Join(t.TempDir(), "audit.log"), true })
	ns := namespace(t, n, `<script>window.hit=1</script>`)
	other := namespace(t, n, "waders")
	for range 130 {
		put(t, n, ns, `"><img src=x>`, "the value")
	}
	put(t, n, other, "knot", "Calidris")
	b := signedIn(t, n, rootToken)
	eventually(t, "the last write is recorded", func() bool { return strings.Contains(b.get("/dashboard/audit").body, "knot") })
	page := b.get("/dashboard/audit?outcome=ok")
	b.contains(page, 200, "value_put", "waders", "knot", "root", "127.0.0.1", "&lt;script&gt;", "img src=x")
	if strings.Contains(page.body, "the value") || strings.Contains(page.body, "Calidris") {
		t.Error("it shows values")
	}
	rows := strings.Count(page.body, "<tr>") - 1
	if rows != 100 {
		t.Errorf("the page has %d entries", rows)
	}
	older := b.get(first(t, nextLink, page.body))
	b.contains(older, 200, "namespace_create", "That is all")
	if got := strings.Count(older.body, "<tr>") - 1 + rows; got != 133 {
		t.Errorf("got %d entries that are ok", got)
	}
	for query, want := range map[string]string{
		"namespace=waders": "knot", "namespace=" + other: "knot", "token=root": "knot", "operation=namespace_create": "waders",
		"from=2000-01-01T00:00": "knot", "to=2999-01-01T00:00": "knot",
	} {
		b.contains(b.get("/dashboard/audit?"+query), 200, want)
	}
	for _, query := range []string{"namespace=nothing", "token=nobody", "outcome=failed", "operation=nothing", "from=2999-01-01T00:00", "to=2000-01-01T00:00"} {
		b.contains(b.get("/dashboard/audit?"+query), 200, "No entry fits")
	}
	b.contains(b.get("/dashboard/audit?from=soon"), 400, "a date with a time, in UTC", `value="soon"`)
	b.contains(b.get("/dashboard/audit?cursor=soon"), 400, "none of this log")
}

func TestAuditPageSaysHowToTurnItOn(t *testing.T) {
	b := signedIn(t, openNode(t), rootToken)
	b.contains(b.get("/dashboard/audit"), 200, "It is off", "--audit-log")
}
