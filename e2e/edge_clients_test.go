package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestWorkersAtTwoEdges has Workers on real workerd at two edges, one of them
// behind a relay, see each other's writes.
func TestWorkersAtTwoEdges(t *testing.T) {
	t.Parallel()
	world := startTree(t)
	ns := world.centre.createNamespace("shared")
	script := bundle(t, "testdata/worker/worker.ts")
	token := world.centre.createToken("write", "shared")
	at := map[string]*workerd{}
	for _, s := range []*server{world.near, world.far} {
		at[s.name()] = startWorkerd(t, worker{script: script, bindings: map[string]bound{"KV": {s, ns, token}}})
	}
	large := strings.Repeat("0123456789", 40_000)
	for from, to := range map[string]string{"ams": "bhx", "bhx": "ams"} {
		key := "from " + from
		must := func(method string, args ...any) string {
			result, failure := at[from].op("KV", method, args...)
			if failure != "" {
				t.Fatalf("%s at %s: %s", method, from, failure)
			}
			return result
		}
		must("put", key, "written", map[string]any{"metadata": from})
		if got := must("get", key); got != `"written"` {
			t.Errorf("%s does not see its own write: %s", from, got)
		}
		eventually(t, to+" sees what was written at "+from, func() bool {
			got, _ := at[to].op("KV", "getWithMetadata", key)
			return strings.Contains(got, `"value":"written"`) && strings.Contains(got, strconv.Quote(from))
		})
		must("put", key, large)
		eventually(t, to+" sees the large value", func() bool {
			got, _ := at[to].op("KV", "get", key)
			return got == strconv.Quote(large)
		})
		eventually(t, to+" lists it", func() bool {
			got, _ := at[to].op("KV", "list", map[string]any{"prefix": "from " + from})
			return strings.Contains(got, strconv.Quote(key))
		})
		must("delete", key)
		if got := must("get", key); got != "null" {
			t.Errorf("%s does not see its own deletion: %s", from, got)
		}
		eventually(t, to+" sees the deletion", func() bool {
			got, _ := at[to].op("KV", "get", key)
			return got == "null"
		})
	}
}

// TestWorkerAtEdge runs every case of the Worker at an edge: it cannot tell.
func TestWorkerAtEdge(t *testing.T) {
	t.Parallel()
	centre := startServer(t)
	brief := startServer(t, "--min-expiration-ttl", "1s")
	edge, briefEdge := startEdge(t, centre), startEdge(t, brief, "--min-expiration-ttl", "1s")
	centre.createNamespace("everything")
	w := startWorkerd(t, worker{script: bundle(t, "testdata/worker/worker.ts"), bindings: map[string]bound{
		"KV":    {edge, centre.createNamespace("cases"), rootToken},
		"ALL":   {edge, "everything", rootToken},
		"BRIEF": {briefEdge, brief.createNamespace("brief"), rootToken},
	}})
	_, list := w.get("/")
	var names []string
	if err := json.Unmarshal(list, &names); err != nil || len(names) < 40 {
		t.Fatalf("list the cases: %v: %s", err, list)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if status, got := w.get("/" + url.PathEscape(name)); status != http.StatusOK {
				t.Error(string(got))
			}
		})
	}
}

// TestWranglerAtEdge runs transcripts of TestWrangler against edges: wrangler
// cannot tell.
func TestWranglerAtEdge(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"namespaces", "keys", "bulk"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edge := startEdge(t, startServer(t, "--jurisdiction", "eu"))
			s := &session{server: edge, dir: t.TempDir(), home: t.TempDir(), titles: map[string]string{}}
			datadriven.RunTest(t, filepath.Join("testdata", "wrangler", name), s.command)
		})
	}
}
