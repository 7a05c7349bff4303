package workerd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestAssetFiles holds that none of the files that rule an assets directory counts as absent
// which is there.
func TestAssetFiles(t *testing.T) {
	put := func(text string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, test := range map[string]struct {
		file string
		make func(path string) error
		want string
	}{
		"none":              {".assetsignore", func(string) error { return nil }, ""},
		"one":               {".assetsignore", put("a"), ""},
		"a large one":       {"_redirects", put(strings.Repeat("#", 1<<20)), ""},
		"too large":         {".assetsignore", put(strings.Repeat("#", 1<<20+1)), "has 1048577 bytes; 1048576 are the most"},
		"too many headers":  {"_headers", put(strings.Repeat("#", 1<<20+1)), "has 1048577 bytes; 1048576 are the most"},
		"one with no end":   {"_redirects", func(path string) error { return os.Symlink("_redirects", path) }, "too many levels of symbolic links"},
		"a link to nowhere": {".assetsignore", func(path string) error { return os.Symlink("away", path) }, ""},
		"a directory":       {"_headers", func(path string) error { return os.Mkdir(path, 0o700) }, "is not a file"},
		"UTF-16":            {".assetsignore", put("\xff\xfea\x00"), "is not UTF-8"},
		"a null":            {".assetsignore", put("a\x00"), "holds a null character"},
		"Latin-1":           {"_headers", put("/a\n A: \xfc"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, test.file)
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			cfg := workerd.Config{Dir: t.TempDir(), Workers: []workerd.Worker{{
				Worker: &wrangler.Worker{Name: "a", Assets: &wrangler.Assets{Directory: dir}},
			}}}
			_, err := cfg.Write()
			for what, err := range map[string]error{"write": err, "check": workerd.CheckAssetFiles(dir)} {
				if test.want == "" && err == nil {
					continue
				}
				if text := fmt.Sprint(err); test.want == "" || !strings.Contains(text, test.want) || !strings.Contains(text, path) {
					t.Errorf("%s: got %v, want %q", what, err, test.want)
				}
			}
		})
	}
}
