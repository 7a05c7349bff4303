package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// TestTransferByServersClock: what the server still has is not left out by a machine whose
// clock is ahead of it.
func TestTransferByServersClock(t *testing.T) {
	const token = "root-token-of-the-tests"
	n, err := node.Open(t.Context(), node.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", RootToken: token,
		Now: func() time.Time { return time.Now().Add(-2 * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	cl, err := client.New(n.APIURL(), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	live := time.Now().Add(-time.Hour).Unix() // by this machine's clock it has ended
	line := func(key string, expiration int64) string {
		return `{"key":"` + key + `","value":"v","expiration":` + strconv.FormatInt(expiration, 10) + "}\n"
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(line("live", live)+line("gone", live-2*60*60)), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		p := program{stdin: os.Stdin, stdout: os.Stderr, stderr: os.Stderr}
		if code := p.run(t.Context(), append(args, "--url", n.APIURL(), "--token", token)); code != 0 {
			t.Fatalf("%s: code %d", args[0], code)
		}
	}
	run("import", "imported", in)
	run("copy", "imported", "copied")
	run("export", "imported", "--output", out)
	for _, title := range []string{"imported", "copied"} {
		page, err := cl.KV(title).ListPage(t.Context(), client.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Keys) != 1 || page.Keys[0].Name != "live" || page.Keys[0].Expiration != live {
			t.Errorf("%s has %v", title, page.Keys)
		}
	}
	text, err := os.ReadFile(out)
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"live"`) {
		t.Errorf("exported %s, %v", text, err)
	}
}
