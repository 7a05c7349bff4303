package workerd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestIgnored holds that what is withheld of an assets directory has the last word, and
// what may be taken back has the first.
func TestIgnored(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".assetsignore"), []byte("\ufeff!.env\n!.godwit\\"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := workerd.Config{Dir: dir, Workers: []workerd.Worker{{
		Worker: &wrangler.Worker{Name: "a", Assets: &wrangler.Assets{Directory: dir}}, Withheld: []string{"a-1/[B] ü\n!"},
	}}}
	path, err := cfg.Write()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `/_worker.js\\n.dev.vars*\\n.env*\\n.git\\n.wrangler\\n!.env\\n!.godwit\\\\\\n.[gG][oO][dD][wW][iI][tT]\\n/[aA]-1/?[bB]??\xc3\xbc??\\n\"`
	if !strings.Contains(string(text), want) {
		t.Errorf("the configuration does not hold %s:\n%s", want, text)
	}
}
