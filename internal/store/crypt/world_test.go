package crypt_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// Lines of key files.
const (
	line1 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	line2 = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
	line3 = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
)

func keys(t testing.TB, lines ...string) *crypt.Keys {
	t.Helper()
	k, err := crypt.ParseKeys([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// dir is the directory on a file system.
func dir(fs vfs.FS) crypt.Place {
	return crypt.Place{FS: fs, Root: "/data", Files: []string{"FORMAT", "CLOSED"}, Dirs: []string{"db", "blobs"}}
}

func mount(t testing.TB, fs vfs.FS, k *crypt.Keys) vfs.FS {
	t.Helper()
	for _, name := range []string{"/data/db", "/data/blobs"} {
		if err := fs.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mounted, err := dir(fs).Mount(k)
	if err != nil {
		t.Fatal(err)
	}
	return mounted
}

func write(t testing.TB, fs vfs.FS, name, content string) {
	t.Helper()
	f, err := fs.Create(name, "test")
	if err == nil {
		_, err = f.Write([]byte(content))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
}

func read(fs vfs.FS, name string) (string, error) {
	f, err := fs.Open(name)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

func wantContent(t testing.TB, fs vfs.FS, name, want string) {
	t.Helper()
	got, err := read(fs, name)
	if err != nil || got != want {
		t.Errorf("%s holds %.60q, %v, want %.60q", name, got, err, want)
	}
	info, err := fs.Stat(name)
	if err != nil || info.Size() != int64(len(want)) {
		t.Errorf("%s: %v, %v, want %d bytes", name, info, err, len(want))
	}
}

func text(n int) string { return string(bytes.Repeat([]byte("Limosa lapponica "), n/17+1)[:n]) }
