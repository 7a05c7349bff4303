package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// safe tells whether a path is one that any system takes, and that stays where it is.
func safe(path string) bool {
	if !filepath.IsLocal(filepath.FromSlash(path)) {
		return false
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || len(name) > 240 || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") ||
			strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`\:*?"<>|`, r) }) {
			return false
		}
	}
	return true
}

func FuzzPathOf(f *testing.F) {
	for _, key := range oddKeys {
		f.Add(key)
	}
	for _, key := range []string{"%", "%%", "%+", "%~", "a%~/b", "a%+/b", ".godwit-export", ".../..", "/", "//", strings.Repeat("/", 512), strings.Repeat(".", 512), strings.Repeat("%", 512), strings.Repeat("\xba", 512)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		_, _ = transfer.KeyOf(key) // whatever it is, it ends
		if key == "" {
			return
		}
		path := transfer.PathOf(key)
		if !safe(path) {
			t.Errorf("%q becomes %q", key, path)
		}
		if got, err := transfer.KeyOf(path); err != nil || got != key {
			t.Errorf("%q becomes %q becomes %q: %v", key, path, got, err)
		}
	})
}

// toDir exports into a directory.
func toDir(t *testing.T, kv *client.KV, dir, prefix string) (lossy []string, collisions []string) {
	t.Helper()
	counts := new(transfer.Progress)
	target := &transfer.DirTarget{
		Name: dir, Prefix: prefix, Progress: counts,
		Lossy:   func(key string) { lossy = append(lossy, key) },
		Collide: func(a, b string) { collisions = append(collisions, a+" "+b) },
	}
	check(t, target.Open())
	err := transfer.Run(t.Context(), &transfer.Server{KV: kv, Prefix: prefix}, target, transfer.Options{Progress: counts, Now: now, Concurrency: 1})
	check(t, errors.Join(err, target.Close()))
	return lossy, collisions
}

func fromDir(t *testing.T, kv *client.KV, dir, prefix string) (counts *transfer.Progress, skipped []string, err error) {
	t.Helper()
	counts = new(transfer.Progress)
	source := &transfer.Dir{Name: dir, Prefix: prefix, Progress: counts, Skip: func(what string) { skipped = append(skipped, what) }}
	_, err = runTo(t.Context(), source, kv, transfer.Options{Progress: counts})
	return counts, skipped, err
}

// values are the contents of a namespace without what files do not keep.
func values(t *testing.T, kv *client.KV) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for key, e := range contents(t, kv) {
		all[key] = e.Value
	}
	return all
}

// TestDirRoundTrip writes every odd key into a directory, twice, and reads it back.
func TestDirRoundTrip(t *testing.T) {
	c := serve(t, "from", "to", "part")
	kv := c.KV("from")
	var pairs []client.Pair
	keys := append([]string{"a", "a/b", "a/b/c", "a!", "A", "a/", "p/a", "p/a/b", "p/", "p/.x", "%", "%41"}, oddKeys...)
	for i, key := range keys {
		pairs = append(pairs, client.Pair{Key: key, Value: fmt.Appendf(nil, "%d \xff", i)})
	}
	pairs[0].Metadata = []byte("1")
	pairs = append(pairs, client.Pair{Key: "large", Value: bytes.Repeat([]byte("x"), 3<<20)})
	_, err := kv.BulkPut(t.Context(), pairs)
	check(t, err)
	dir := filepath.Join(t.TempDir(), "out")
	for range 2 {
		lossy, collisions := toDir(t, kv, dir, "")
		if diff := cmp.Diff([]string{"a"}, lossy); diff != "" {
			t.Errorf("what is lost: %s", diff)
		}
		if diff := cmp.Diff([]string{"A a"}, collisions); diff != "" {
			t.Errorf("what differs in case only: %s", diff)
		}
	}
	_, _, err = fromDir(t, c.KV("to"), dir, "")
	check(t, err)
	if diff := cmp.Diff(values(t, kv), values(t, c.KV("to"))); diff != "" {
		t.Errorf("(-from +to)\n%s", diff)
	}
	part := filepath.Join(t.TempDir(), "part")
	toDir(t, kv, part, "p/")
	_, _, err = fromDir(t, c.KV("part"), part, "p/")
	check(t, err)
	want := values(t, kv)
	for key := range want {
		if !strings.HasPrefix(key, "p/") {
			delete(want, key)
		}
	}
	if diff := cmp.Diff(want, values(t, c.KV("part"))); diff != "" || len(want) != 4 {
		t.Errorf("(-from +to)\n%s", diff)
	}
}

// TestDirOfCutOffExport: what an export was writing as it was killed is no key, nor is what
// else stands there under a name that no export gives.
func TestDirOfCutOffExport(t *testing.T) {
	c := serve(t, "from", "to")
	_, err := c.KV("from").BulkPut(t.Context(), []client.Pair{{Key: "photos/a.jpg", Value: []byte("whole")}, {Key: ".b.jpg.new", Value: []byte("a key")}})
	check(t, err)
	dir := filepath.Join(t.TempDir(), "out")
	toDir(t, c.KV("from"), dir, "")
	check(t, os.WriteFile(filepath.Join(dir, "photos", ".b.jpg.new"), []byte("ha"), 0o600))
	check(t, os.Mkdir(filepath.Join(dir, ".git"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, ".git", "HEAD"), []byte("ref"), 0o600))
	counts, skipped, err := fromDir(t, c.KV("to"), dir, "")
	check(t, err)
	if diff := cmp.Diff(values(t, c.KV("from")), values(t, c.KV("to"))); diff != "" {
		t.Errorf("(-from +to)\n%s", diff)
	}
	want := []string{dir + "/.git is not of the export", dir + "/photos/.b.jpg.new is not of the export"}
	if diff := cmp.Diff(want, skipped); diff != "" || counts.Skipped.Load() != 2 {
		t.Errorf("skipped %d:\n%s", counts.Skipped.Load(), diff)
	}
}

// TestDirOfSomebodys takes the names of files as they are, and follows no link.
func TestDirOfSomebodys(t *testing.T) {
	c := serve(t, "to")
	dir, elsewhere := t.TempDir(), t.TempDir()
	check(t, os.WriteFile(filepath.Join(elsewhere, "secret"), []byte("secret"), 0o600))
	check(t, os.MkdirAll(filepath.Join(dir, "css", ".hidden"), 0o700))
	want := map[string]string{"site/index.html": "<html>", "site/css/100%.css": "", "site/css/.hidden/%41": "x"}
	for key, value := range want {
		check(t, os.WriteFile(filepath.Join(dir, strings.TrimPrefix(key, "site/")), []byte(value), 0o600))
	}
	check(t, os.Symlink(filepath.Join(elsewhere, "secret"), filepath.Join(dir, "link")))
	check(t, os.Symlink(elsewhere, filepath.Join(dir, "links")))
	counts, skipped, err := fromDir(t, c.KV("to"), dir, "site/")
	check(t, err)
	if diff := cmp.Diff(want, values(t, c.KV("to"))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{dir + "/link is no file", dir + "/links is no file"}, skipped); diff != "" || counts.Skipped.Load() != 2 {
		t.Errorf("skipped %d:\n%s", counts.Skipped.Load(), diff)
	}
	check(t, os.WriteFile(filepath.Join(dir, "bad\xff"), nil, 0o600))
	if _, _, err := fromDir(t, c.KV("to"), dir, ""); err == nil || !strings.Contains(err.Error(), "the name is not UTF-8") {
		t.Errorf("got %v", err)
	}
	if _, _, err := fromDir(t, c.KV("to"), dir+"/none", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	target := &transfer.DirTarget{Name: dir, Progress: new(transfer.Progress)}
	if err := target.Open(); err == nil || !strings.Contains(err.Error(), "holds something else than an export") {
		t.Errorf("got %v", err)
	}
}

// TestDirStaysInside writes through no link that somebody has put into the directory.
func TestDirStaysInside(t *testing.T) {
	c := serve(t, "from")
	_, err := c.KV("from").BulkPut(t.Context(), []client.Pair{{Key: "a/b", Value: []byte("v")}, {Key: "f", Value: []byte("v")}})
	check(t, err)
	dir, elsewhere := filepath.Join(t.TempDir(), "out"), t.TempDir()
	file := filepath.Join(elsewhere, "file")
	check(t, os.WriteFile(file, []byte("before"), 0o600))
	toDir(t, c.KV("from"), dir, "none")
	check(t, os.Symlink(elsewhere, filepath.Join(dir, "a")))
	check(t, os.Symlink(file, filepath.Join(dir, "f")))
	toDir(t, c.KV("from"), dir, "")
	names, err := os.ReadDir(elsewhere)
	check(t, err)
	if b, err := os.ReadFile(file); err != nil || string(b) != "before" || len(names) != 1 {
		t.Errorf("elsewhere: %v, %q, %v", names, b, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a%~", "b")); err != nil || string(b) != "v" {
		t.Errorf("%q, %v", b, err)
	}
}
