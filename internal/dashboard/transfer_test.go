package dashboard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/node"
)

// jobName is one as a page makes it up.
const jobName = "0123456789abcdef01234567"

// hostileLines are items that are easily spoiled on the way.
const hostileLines = `{"key":"</script>","value":"<script>window.hit=1</script>"}
{"key":"a/ÿ/b","value":"AAEC/w==","base64":true,"metadata":{"km":1}}
{"key":"a/line","value":"one\r\ntwo\n"}
{"key":"empty","value":""}
`

// TestExportAndImport takes a namespace out, puts it into another, and takes that out.
func TestExportAndImport(t *testing.T) {
	n := openNode(t)
	from, to := namespace(t, n, "from/a"), namespace(t, n, "to")
	put(t, n, from, "large", strings.Repeat("x", 300_000)) // a value of its own file
	b := signedIn(t, n, rootToken)
	got := b.upload("/dashboard/import"+q(from), []byte(hostileLines), "lines", "csrf", b.csrf)
	b.contains(got, 200, "Imported", "4 keys")

	b.contains(b.get("/dashboard/data"+q(from)), 200, "5 keys")
	out := b.get("/dashboard/export" + q(from) + "&job=" + jobName)
	if name := out.header.Get("Content-Disposition"); out.status != 200 || out.header.Get("Content-Type") != "application/x-ndjson" || !strings.HasPrefix(name, "attachment; filename=from_a_") {
		t.Fatalf("export: %d as %s, %s", out.status, out.header.Get("Content-Type"), name)
	}
	for line := range strings.Lines(hostileLines) {
		if !strings.Contains(out.body, line) {
			t.Errorf("the export lacks %q in\n%.2000s", line, out.body)
		}
	}
	b.contains(b.get("/dashboard/progress?job="+jobName), 200, `"known":true,"ended":true,"keys":5`)
	some := b.get("/dashboard/export" + q(from) + "&prefix=a/")
	if lines := strings.Count(some.body, "\n"); lines != 2 {
		t.Errorf("a prefix has %d lines", lines)
	}
	b.contains(b.get("/dashboard/data"+q(from)), 200)
	b.contains(b.upload("/dashboard/import"+q(to), []byte(out.body), "lines", "csrf", b.csrf), 200, "Imported", "5 keys")
	if again := b.get("/dashboard/export" + q(to)); again.body != out.body {
		t.Error("what went in and out again is not the same")
	}
	empty := b.get("/dashboard/export" + q(to) + "&prefix=none")
	if empty.status != 200 || empty.body != "" || !strings.Contains(empty.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("nothing, exported: %d %q", empty.status, empty.body)
	}
	b.contains(b.get("/dashboard/export"+q(to)+"&prefix="+strings.Repeat("x", 600)), 400)
}

// TestImportStops holds that nothing behind a line that is no good is written, however
// far behind, and that all before is.
func TestImportStops(t *testing.T) {
	n := openNode(t)
	for _, tt := range []struct {
		name, line, says string
		at               int
	}{
		{"first", "no json", "line", 0},
		{"in the middle", `{"key":"k","value":`, "line", 5000},
		{"no key", `{"value":"v"}`, "key", 3},
		{"too large a key", `{"key":"` + strings.Repeat("k", 600) + `","value":"v"}`, "512", 7},
		{"an illegal key", `{"key":"..","value":"v"}`, "not allowed as a key", 4},
		{"what the node refuses", `{"key":"k","value":"v","expiration_ttl":1}`, "at least 60", 6000},
		{"text that is hostile", `{"key":"k","<script>window.hit=1</script>":1}`, "script", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ns := namespace(t, n, tt.name)
			b := signedIn(t, n, rootToken)
			lines := numbered(10_000)
			lines[tt.at] = tt.line
			got := b.upload("/dashboard/import"+q(ns), []byte(strings.Join(lines, "\n")), "lines", "csrf", b.csrf)
			b.contains(got, 400, "is no good", tt.says, strings.NewReplacer("5001", "5\u202f001", "6001", "6\u202f001").Replace(fmt.Sprintf("Line %d is", tt.at+1)))
			before, behind := fmt.Sprintf("k%05d", tt.at-1), fmt.Sprintf("k%05d", tt.at+1)
			if _, ok := value(t, n, ns, before); !ok && tt.at > 0 {
				t.Error("the line before was not written")
			}
			if _, ok := value(t, n, ns, behind); ok {
				t.Error("the line behind was written")
			}
			if _, ok := value(t, n, ns, "k09999"); ok {
				t.Error("the last line was written")
			}
		})
	}
}

// numbered are n lines.
func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"key":"k%05d","value":"v"}`, i)
	}
	return lines
}

// TestImportChecksFirst reads all, and writes nothing.
func TestImportChecksFirst(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	b.contains(b.upload("/dashboard/import"+q(ns), []byte(hostileLines), "lines", "csrf", b.csrf, "check", "1"), 200, "The file is good", "4 keys")
	b.contains(b.upload("/dashboard/import"+q(ns), []byte(hostileLines+"x\n"), "lines", "csrf", b.csrf, "check", "1"), 400, "Line 5 is no good", "Nothing was written")
	b.contains(b.upload("/dashboard/import"+q(ns), nil, "", "csrf", b.csrf), 400, "Choose a file")
	var told struct{ Keys int }
	if api(t, n, http.MethodGet, "/godwit/v1/namespaces/"+ns+"/count", nil, &told); told.Keys != 0 {
		t.Errorf("%d keys were written", told.Keys)
	}
}

// TestImportNeedsItsPage sends imports that no page of the session has.
func TestImportNeedsItsPage(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	line := []byte(`{"key":"k","value":"v"}`)
	b.contains(b.upload("/dashboard/import"+q(ns), line, "lines"), 403, "did not come from a page")
	b.contains(b.upload("/dashboard/import"+q(ns), line, "lines", "csrf", "x"), 403, "did not come from a page")
	b.contains(b.post("/dashboard/import"+q(ns)), 403, "did not come from a page")
	if _, ok := value(t, n, ns, "k"); ok {
		t.Error("it was imported")
	}
}

// TestImportIsRecorded reads what the audit log has of an import, by whom and from where.
func TestImportIsRecorded(t *testing.T) {
	file := t.TempDir() + "/audit.log"
	n := openNode(t, func(cfg *node.Config) { cfg.AuditLog = file })
	ns := namespace(t, n, "birds")
	writer, _ := token(t, n, godwit.PermissionWrite, ns)
	b := signedIn(t, n, writer)
	b.contains(b.upload("/dashboard/import"+q(ns), []byte(hostileLines), "lines", "csrf", b.csrf), 200, "Imported")
	root := signedIn(t, n, rootToken)
	eventually(t, "the import is recorded", func() bool {
		page := root.get("/dashboard/audit?operation=bulk_put&token=write").body
		return strings.Contains(page, "write token") && strings.Contains(page, "127.0.0.1") && strings.Contains(page, "4 keys")
	})
}

// TestProgressIsOnesOwn holds that nobody learns of another's job.
func TestProgressIsOnesOwn(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	put(t, n, ns, "k", "v")
	b := signedIn(t, n, rootToken)
	b.get("/dashboard/export" + q(ns) + "&job=" + jobName)
	reader, _ := token(t, n, godwit.PermissionRead)
	b.contains(b.get("/dashboard/progress?job="+jobName), 200, `"known":true`)
	b.contains(signedIn(t, n, reader).get("/dashboard/progress?job="+jobName), 200, `"known":false`)
	b.contains(b.get("/dashboard/progress"), 200, `"known":false`)
	for range 100 { // of which none is kept for ever
		b.get("/dashboard/export" + q(ns))
	}
	b.contains(b.get("/dashboard/progress?job="+jobName), 200, `"known":false`)
}

// TestImportAtEdge writes through an edge, and finds it at the centre.
func TestImportAtEdge(t *testing.T) {
	centre := openNode(t)
	ns := namespace(t, centre, "birds")
	edge := openNode(t, edgeOf(centre))
	b := signedIn(t, edge, rootToken)
	b.contains(b.upload("/dashboard/import"+q(ns), []byte(strings.Join(numbered(5000), "\n")), "lines", "csrf", b.csrf), 200, "Imported")
	if v, ok := value(t, centre, ns, "k04999"); !ok || v != "v" {
		t.Error("the centre has it not")
	}
	out := b.get("/dashboard/export" + q(ns))
	if n := strings.Count(out.body, "\n"); n != 5000 || !json.Valid(bytes.SplitN([]byte(out.body), []byte("\n"), 2)[0]) {
		t.Errorf("the edge exports %d lines", n)
	}
}
