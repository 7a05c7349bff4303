package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

// TestNamesOfNodesOnATerminal: what a node tells of itself plays no tricks on the terminal
// of who looks at it, in words or as JSON, and the JSON says the same.
func TestNamesOfNodesOnATerminal(t *testing.T) {
	const name = "\x1b]0;t\a\u009b31m\u202efra\u2066\x7fé"
	node := map[string]any{"id": "1", "role": "edge", "location": name}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Godwit-Revision", "1")
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "1", "role": "central", "location": name, "tree": node})
	}))
	t.Cleanup(server.Close)
	for _, args := range [][]string{
		{"probe"}, {"status"}, {"status", "--tree"}, {"status", "--json"}, {"status", "--tree", "--json"},
	} {
		cmd := exec.Command("godwit", append(args, "--url", server.URL, "--token", "t")...)
		out, _ := cmd.CombinedOutput() // some of it may not be there
		if !strings.Contains(string(out), "fra") {
			t.Errorf("%v does not show the name: %q", args, out)
		}
		if i := strings.IndexFunc(string(out), func(r rune) bool {
			return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
		}); i >= 0 {
			t.Errorf("%v shows %q", args, out[i:])
		}
		if args[len(args)-1] == "--json" {
			var told struct{ Location string }
			if err := json.Unmarshal(out, &told); err != nil || told.Location != name {
				t.Errorf("%v tells of %q: %v", args, told.Location, err)
			}
		}
	}
}
