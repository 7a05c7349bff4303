package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/godwitkv/godwit/internal/durable"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWriteFile holds that a file is there in place of what was, for its owner alone, and
// that nothing else is left.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "name")
	for _, content := range []string{"first, which is longer\n", "second\n", ""} {
		if err := durable.WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != content {
			t.Errorf("wrote %q, read %q", content, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("beside it are %v, %v", names, err)
	}
}

// TestWhatIsInTheWay holds that nothing is written through what others have put where the
// half-written file goes, or the file itself.
func TestWhatIsInTheWay(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(precious, at string) error
	}{
		{"a link", os.Symlink},
		{"another name of a file", os.Link},
	} {
		for _, at := range []func(string) string{durable.HalfWritten, func(path string) string { return path }} {
			dir := t.TempDir()
			precious, path := filepath.Join(dir, "precious"), filepath.Join(dir, "name")
			write(t, precious, "precious")
			if err := test.put(precious, at(path)); err != nil {
				t.Fatal(err)
			}
			if err := durable.WriteFile(path, []byte("content")); err != nil {
				t.Fatal(err)
			}
			if got := read(t, precious); got != "precious" {
				t.Errorf("%s at %s: wrote %q through it", test.name, at(path), got)
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode() != 0o600 || read(t, path) != "content" {
				t.Errorf("%s at %s: the file is %v, %v", test.name, at(path), info.Mode(), err)
			}
		}
	}
}

// TestFailed holds that what cannot be put in place leaves nothing behind.
func TestFailed(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{taken, filepath.Join(dir, "missing", "name")} {
		if err := durable.WriteFile(path, []byte("content")); err == nil {
			t.Errorf("wrote %s", path)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("there are %v, %v", names, err)
	}
	if err := durable.SyncDir(filepath.Join(dir, "missing")); err == nil {
		t.Error("synced a directory that is not there")
	}
}
