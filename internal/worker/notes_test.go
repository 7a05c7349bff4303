package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/godwitkv/godwit/internal/worker"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestNotesOfDeletedClasses tells where a deleted class has left something, and of no other.
func TestNotesOfDeletedClasses(t *testing.T) {
	dir := t.TempDir()
	file, objects := filepath.Join(dir, "wrangler.toml"), filepath.Join(dir, "objects")
	text := `name = "w"
main = "a.js"
[[migrations]]
tag = "v1"
new_classes = ["Gone", "Kept", "Back", "Empty"]
[[migrations]]
tag = "v2"
deleted_classes = ["Gone", "Back", "Empty"]
[[migrations]]
tag = "v3"
new_classes = ["Back"]
[exports.Old]
type = "durable-object"
state = "deleted"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"Gone", "Kept", "Back", "Old"} {
		if err := os.MkdirAll(filepath.Join(objects, "w-"+class), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config, err := wrangler.Load(wrangler.Found{File: file}, wrangler.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	line := "godwit: %s:%d: the class %s is deleted; what it has stored stays in %s until you remove that\n"
	want := fmt.Sprintf(line, file, 8, "Gone", filepath.Join(objects, "w-Gone")) + fmt.Sprintf(line, file, 12, "Old", filepath.Join(objects, "w-Old"))
	if got := worker.Notes(config, objects); got != want {
		t.Errorf("it tells\n%swant\n%s", got, want)
	}
}
