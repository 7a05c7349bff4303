package worker_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker"
)

// TestPrivate holds which directories may be published, and what is withheld of them,
// however they are called.
func TestPrivate(t *testing.T) {
	for name, test := range map[string]struct {
		state, data, dir string
		links            []string // from, to
		refused          bool
		withheld         []string
	}{
		"the project":              {state: "p/.godwit", dir: "p", withheld: []string{".godwit", ".godwit/node", ".godwit/objects", ".godwit/runs"}},
		"beside the state":         {state: "p/.godwit", dir: "p/public"},
		"a like name":              {state: "p/public.state", dir: "p/public"},
		"a node's data too":        {state: "p/.godwit", data: "p/public/data", dir: "p/public", withheld: []string{"data"}},
		"the state":                {state: "p/state", dir: "p/state", refused: true},
		"a node's":                 {state: "p/state", dir: "p/state/node", refused: true},
		"within a node's":          {state: "p/state", dir: "p/state/node/db", refused: true},
		"the data":                 {state: "s", data: "p", dir: "p", refused: true},
		"within the data":          {state: "s", data: ".", dir: "p/public"},
		"beside, within a state":   {state: "p", dir: "p/public"},
		"by a link":                {state: "p/.godwit", dir: "link", links: []string{"link", "p"}, withheld: []string{".godwit", ".godwit/node", ".godwit/objects", ".godwit/runs"}},
		"by a link, a node's":      {state: "p/state", dir: "link", links: []string{"link", "p/state/node/db"}, refused: true},
		"a state behind a link":    {state: "p/link", dir: "p", links: []string{"p/link", "elsewhere"}, withheld: []string{"link", "link/node", "link/objects", "link/runs"}},
		"a link from elsewhere":    {state: "link", dir: "p", links: []string{"link", "p/deep"}, withheld: []string{"deep", "deep/node", "deep/objects", "deep/runs"}},
		"a link within":            {state: "p/link", dir: "p", links: []string{"p/link", "p/deep"}, withheld: []string{"deep", "deep/node", "deep/objects", "deep/runs", "link", "link/node", "link/objects", "link/runs"}},
		"a state not there so far": {state: "p/absent/deep", dir: "p", withheld: []string{"absent/deep", "absent/deep/node", "absent/deep/objects", "absent/deep/runs"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			at := func(path string) string { return filepath.Join(root, filepath.FromSlash(path)) }
			for _, path := range []string{"p/public", "p/state/node/db", "p/deep", "elsewhere"} {
				if err := os.MkdirAll(at(path), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for i := 0; i+1 < len(test.links); i += 2 {
				if err := os.Symlink(at(test.links[i+1]), at(test.links[i])); err != nil {
					t.Fatal(err)
				}
			}
			cfg := worker.Config{State: at(test.state), Nodes: []string{filepath.Join(at(test.state), "node")}}
			if test.data != "" {
				cfg.Data = []string{at(test.data)}
			}
			withheld, err := worker.Private(cfg, at(test.dir))
			if (err != nil) != test.refused {
				t.Fatalf("refused: %v, want %t", err, test.refused)
			}
			slices.Sort(withheld)
			if diff := cmp.Diff(test.withheld, withheld); diff != "" && err == nil {
				t.Errorf("withheld (-want +got):\n%s", diff)
			}
		})
	}
}
