package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// miniflareScript makes local state as "wrangler dev" does.
const miniflareScript = `
import miniflare from "MODULES/miniflare/dist/src/index.js";
const { Miniflare } = miniflare;
const mf = new Miniflare({
  modules: true, script: "export default { fetch() { return new Response(); } }",
  kvNamespaces: { BIRDS: "birds", OTHER: "14106a8eaaef0ee5d24baf017fc91f36" }, kvPersist: process.argv[2],
});
const kv = await mf.getKVNamespace("BIRDS");
await kv.put("text", "Limosa \"lapponica\"", { metadata: { legs: 2, names: ["é", null] } });
await kv.put("uni-é-漢-🤓/../x", "y", { expiration: 2105080000 });
await kv.put("bytes", new Uint8Array([255, 0, 1]));
await kv.put("empty", "", { metadata: 0 });
await kv.put("large", new Uint8Array(3_000_000).fill(7), { metadata: "large" });
await kv.put("gone", "x");
await kv.delete("gone");
for (let i = 0; i < 20; i++) await kv.put("many/" + String(i).padStart(2, "0"), String(i));
await (await mf.getKVNamespace("OTHER")).put("elsewhere", "v");
await mf.dispose();
`

// TestMiniflareImport takes in the local state that the real miniflare has made, and
// leaves it as it is.
func TestMiniflareImport(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	dir := t.TempDir()
	script, state := filepath.Join(dir, "make.mjs"), filepath.Join(dir, "project", ".wrangler", "state", "v3", "kv")
	write(t, script, []byte(strings.ReplaceAll(miniflareScript, "MODULES", clients.modules)))
	if out, err := exec.Command(clients.node, script, state).CombinedOutput(); err != nil {
		t.Fatalf("make state: %v\n%s", err, out)
	}
	before := treeOf(t, state)
	for _, from := range []string{state, filepath.Join(dir, "project"), filepath.Join(dir, "project", ".wrangler", "state")} {
		s.godwit(t, "import", "from miniflare", "--from", "miniflare", from, "--miniflare-namespace", "birds", "--quiet")
	}
	if after := treeOf(t, state); after != before {
		t.Errorf("the state was changed:\n%s\n%s", before, after)
	}
	lines := s.godwit(t, "export", "from miniflare", "--quiet")
	large := `{"key":"large","value":"` + strings.Repeat("BwcH", 1_000_000) + `","base64":true,"metadata":"large"}` + "\n"
	if !strings.Contains(lines, large) {
		t.Error("the large value is not what it was")
	}
	want := `{"key":"bytes","value":"/wAB","base64":true}
{"key":"empty","value":"","metadata":0}
`
	for i := range 20 {
		want += `{"key":"many/` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `","value":"` + strings.TrimPrefix(string(rune('0'+i/10))+string(rune('0'+i%10)), "0") + "\"}\n"
	}
	want = strings.Replace(want, `00","value":""`, `00","value":"0"`, 1)
	want += `{"key":"text","value":"Limosa \"lapponica\"","metadata":{"legs":2,"names":["é",null]}}
{"key":"uni-é-漢-🤓/../x","value":"y","expiration":2105080000}
`
	if got := strings.Replace(lines, large, "", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	out, err := s.try("import", "x", "--from", "miniflare", state)
	if err == nil || !strings.Contains(out, `holds several namespaces, ["14106a8eaaef0ee5d24baf017fc91f36" "birds"]: say which`) {
		t.Errorf("got %v: %s", err, out)
	}
}

// treeOf tells of all files below a directory, and of what is in them.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.WriteString(strings.TrimPrefix(path, dir))
		all.WriteByte(' ')
		fmt.Fprintf(&all, "%x", sha256.Sum256(b))
		all.WriteByte('\n')
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
