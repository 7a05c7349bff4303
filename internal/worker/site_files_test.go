package worker_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// TestManifest follows links, also from the bucket itself, passes over what is no file, and
// ends where links lead back.
func TestManifest(t *testing.T) {
	root := t.TempDir()
	at := func(path string) string { return filepath.Join(root, filepath.FromSlash(path)) }
	for _, dir := range []string{"real/deep", "elsewhere/within"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"real/a.html", "real/deep/b.html", "real/x.draft", "elsewhere/within/c.html", "alone.html"} {
		if err := os.WriteFile(at(file), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"bucket": "real", "real/file.html": "../alone.html", "real/dir": "../elsewhere", "real/again": "../elsewhere/within",
		"real/deep/up": "..", "elsewhere/within/back": "../../real", "real/nowhere": "away", "real/itself": "itself", "real/nowhere.draft": "away",
	} {
		if err := os.Symlink(filepath.FromSlash(target), at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("real/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	manifest, looked, err := worker.Manifest(&wrangler.Site{Bucket: at("bucket"), Exclude: []string{"*.draft"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.html", "again/c.html", "deep/b.html", "dir/within/c.html", "file.html"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(manifest))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for path, want := range map[string]bool{"bucket": true, "bucket/dir/within": true, "bucket/nowhere": true, "bucket/fifo": true, "bucket/x.draft": false, "bucket/nowhere.draft": false} {
		if slices.Contains(looked, at(path)) != want {
			t.Errorf("looked at %s: %t", path, !want)
		}
	}
}

// TestManifestOfManyWays has links that lead to one directory in more ways than there is
// time for.
func TestManifestOfManyWays(t *testing.T) {
	root := t.TempDir()
	dir := root
	for range 20 {
		dir = filepath.Join(dir, "d")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("d", filepath.Join(filepath.Dir(dir), "e")); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := worker.Manifest(&wrangler.Site{Bucket: root, Place: wrangler.Place{File: "w.toml", Line: 3}})
	if err == nil || !strings.Contains(err.Error(), "w.toml:3: site: more than 20000 directories") {
		t.Errorf("got %v", err)
	}
}
