package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
)

// diskFS is a real directory, whose operations a test can make fail.
type diskFS struct {
	fail string // the operation
}

var errDisk = errors.New("the disk failed")

func (d *diskFS) check(op string) error {
	if d.fail == op {
		return errDisk
	}
	return nil
}

func (d *diskFS) Create(name string) (blob.File, error) {
	f, err := os.Create(name)
	return &diskFile{f, d}, errors.Join(d.check("create"), err)
}

func (d *diskFS) Open(name string) (blob.File, error) {
	f, err := os.Open(name)
	return &diskFile{f, d}, err
}

func (d *diskFS) Rename(from, to string) error {
	return errors.Join(d.check("rename"), os.Rename(from, to))
}
func (d *diskFS) Remove(name string) error { return os.Remove(name) }
func (d *diskFS) List(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
func (d *diskFS) Exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
func (d *diskFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }
func (d *diskFS) SyncDir(string) error      { return d.check("sync directory") }

type diskFile struct {
	*os.File
	fs *diskFS
}

func (f *diskFile) Sync() error { return f.fs.check("sync") }
func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.fs.check("write"); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func open(t testing.TB, dir string) (*blob.Store, *diskFS) {
	t.Helper()
	fs := new(diskFS)
	s, err := blob.Open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, fs
}

func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = rng.Read(b)
	return b
}

func write(t testing.TB, s *blob.Store, value []byte) godwit.Blob {
	t.Helper()
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, iotest.OneByteReader(bytes.NewReader(value[:min(len(value), 10)]))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(value[min(len(value), 10):]); err != nil {
		t.Fatal(err)
	}
	b, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	w.Abort() // changes nothing after Commit
	return b
}

func read(s *blob.Store, b godwit.Blob) ([]byte, error) {
	r, err := s.Open(b)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

// sizes are around the ends of chunks of 64 KiB.
var sizes = []int{0, 1, 10, 65535, 65536, 65537, 131072, 131073, 1_000_000}

func TestRoundTrip(t *testing.T) {
	s, _ := open(t, t.TempDir())
	for _, n := range sizes {
		value := random(n)
		b := write(t, s, value)
		if b.Size != int64(n) || b.Hash != sha256.Sum256(value) || b.IsZero() {
			t.Errorf("%d bytes: %+v", n, b)
		}
		if got, err := read(s, b); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%d bytes: read %d, %v", n, len(got), err)
		}
		if err := s.Verify(context.Background(), b); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		r, err := s.Open(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, value); err != nil && n < 70_000 {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func importBlob(s *blob.Store, b godwit.Blob, content []byte) error {
	w, err := s.Import(b)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		return err
	}
	_, err = w.Commit()
	return err
}

// TestImport: what is written becomes the blob that was named, or nothing.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	for _, n := range sizes {
		value := random(n)
		b := godwit.Blob{ID: godwit.BlobID{byte(n), byte(n >> 8), byte(n >> 16), 1}, Size: int64(n), Hash: sha256.Sum256(value)}
		if s.Has(b.ID) {
			t.Errorf("%d bytes are there", n)
		}
		for name, other := range map[string]godwit.Blob{
			"length": {ID: b.ID, Size: b.Size + 1, Hash: b.Hash}, "hash": {ID: b.ID, Size: b.Size},
		} {
			if err := importBlob(s, other, value); !errors.Is(err, blob.ErrDamaged) || s.Has(b.ID) {
				t.Errorf("%d bytes of another %s: %v", n, name, err)
			}
		}
		if err := importBlob(s, b, value); err != nil || !s.Has(b.ID) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err := importBlob(s, b, append(value, 0)); !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("%d bytes, once more and too long: %v", n, err)
		}
		if got, err := read(s, b); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%d bytes: read %d, %v", n, len(got), err)
		}
	}
	if names, err := (&diskFS{}).List(dir); err != nil || len(names) != len(sizes) {
		t.Errorf("files %v, %v", names, err)
	}
}

// TestImportTwiceAtOnce: neither is in the other's way, whoever ends first, and
// what a crash cuts off goes when the store is opened.
func TestImportTwiceAtOnce(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	value := random(100_000)
	b := godwit.Blob{ID: godwit.BlobID{1}, Size: int64(len(value)), Hash: sha256.Sum256(value)}
	var writers [3]*blob.Writer
	for i := range writers {
		w, err := s.Import(b)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		if _, err := w.Write(value[:70_000]); err != nil {
			t.Fatal(err)
		}
		writers[i] = w
	}
	for _, w := range writers[:2] {
		if _, err := w.Write(value[70_000:]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	s, _ = open(t, dir)
	if got, err := read(s, b); err != nil || !bytes.Equal(got, value) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if names, err := (&diskFS{}).List(dir); err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
	}
}

func TestNotFound(t *testing.T) {
	s, _ := open(t, t.TempDir())
	b := write(t, s, []byte("value"))
	if err := errors.Join(s.Remove(b.ID), s.Remove(b.ID)); err != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := s.Open(b); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	if err := s.Verify(context.Background(), b); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("verify: %v", err)
	}
}

// TestRemoveWhileRead: a reader that has the blob open goes on.
func TestRemoveWhileRead(t *testing.T) {
	s, _ := open(t, t.TempDir())
	value := random(300_000)
	b := write(t, s, value)
	r, err := s.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := make([]byte, 100)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(b.ID); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(first, rest...), value) {
		t.Errorf("read %d bytes, %v", len(first)+len(rest), err)
	}
}

// TestImportFailsOverWhatIsThere: the blob that was there stays, or comes whole, whatever
// fails.
func TestImportFailsOverWhatIsThere(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "rename", "sync directory"} {
		dir := t.TempDir()
		s, fs := open(t, dir)
		value := random(200_000)
		b := write(t, s, value)
		fs.fail = op
		if err := importBlob(s, b, value); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", op, err)
		}
		if got, err := read(s, b); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: read %d bytes, %v", op, len(got), err)
		}
	}
}

// TestFailures: whatever fails, no blob is left but an import's that had its name already.
func TestFailures(t *testing.T) {
	for op, named := range map[string]int{"create": 0, "write": 0, "sync": 0, "rename": 1, "sync directory": 1} {
		t.Run("create/"+op, func(t *testing.T) { fails(t, op, 0, (*blob.Store).Create) })
		t.Run("import/"+op, func(t *testing.T) {
			value := random(200_000)
			b := godwit.Blob{ID: godwit.BlobID{1}, Size: int64(len(value)), Hash: sha256.Sum256(value)}
			fails(t, op, named, func(s *blob.Store) (*blob.Writer, error) { return s.Import(b) })
		})
	}
}

func fails(t *testing.T, op string, left int, create func(*blob.Store) (*blob.Writer, error)) {
	dir := t.TempDir()
	s, fs := open(t, dir)
	fs.fail = op
	w, err := create(s)
	if err == nil {
		if _, err = w.Write(random(200_000)); err == nil {
			_, err = w.Commit()
		}
		w.Abort()
	}
	if !errors.Is(err, errDisk) {
		t.Errorf("%s: %v", op, err)
	}
	if ids, err := s.IDs(); err != nil || len(ids) != left {
		t.Errorf("%s: blobs %v, %v", op, ids, err)
	}
}

// TestOpenRemovesUnfinished: what a crash cut off goes, what is whole stays, and
// files of others are left alone.
func TestOpenRemovesUnfinished(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	b := write(t, s, []byte("whole"))
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(random(100_000)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir)
	ids, err := s.IDs()
	if err != nil || !slices.Equal(ids, []godwit.BlobID{b.ID}) {
		t.Errorf("blobs %v, %v", ids, err)
	}
	names, err := (&diskFS{}).List(dir)
	if err != nil || len(names) != 2 || !slices.Contains(names, "README") {
		t.Errorf("files %v, %v", names, err)
	}
}

func TestVerifyStops(t *testing.T) {
	s, _ := open(t, t.TempDir())
	b := write(t, s, random(1000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Verify(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	b.Hash[0]++
	if err := s.Verify(context.Background(), b); !errors.Is(err, blob.ErrDamaged) {
		t.Errorf("verify against another hash: %v", err)
	}
}

// TestSwapped: a blob's file under another blob's name is damage.
func TestSwapped(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	a, b := write(t, s, random(1000)), write(t, s, random(1000))
	if err := os.Rename(filepath.Join(dir, a.ID.String()), filepath.Join(dir, b.ID.String())); err != nil {
		t.Fatal(err)
	}
	if got, err := read(s, b); !errors.Is(err, blob.ErrDamaged) || len(got) != 0 {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

// FuzzFile changes a blob's file at will: a read gives the value's bytes, as
// many as are whole, and then an error; never others.
func FuzzFile(f *testing.F) {
	f.Add(uint32(5), uint32(0), byte(1), uint32(0), []byte(nil))
	f.Add(uint32(70_000), uint32(65_600), byte(0x80), uint32(0), []byte(nil))
	f.Add(uint32(70_000), uint32(3), byte(0), uint32(66_000), []byte(nil))
	f.Add(uint32(65_536), uint32(9), byte(0), uint32(1), []byte("tail"))
	dir := f.TempDir()
	s, _ := open(f, dir)
	f.Fuzz(func(t *testing.T, size, at uint32, flip byte, cut uint32, tail []byte) {
		value := random(int(size % 200_000))
		b := write(t, s, value)
		defer func() { _ = s.Remove(b.ID) }()
		name := filepath.Join(dir, b.ID.String())
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole := bytes.Clone(file)
		file[at%uint32(len(file))] ^= flip
		file = append(file[:len(file)-int(cut%uint32(len(file)+1))], tail...)
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := read(s, b)
		if !bytes.HasPrefix(value, got) {
			t.Fatal("wrong bytes")
		}
		if damaged := !bytes.HasPrefix(file, whole); damaged && (len(value) > 0 && !errors.Is(err, blob.ErrDamaged)) || !damaged && err != nil {
			t.Errorf("%d bytes, flip %#x at %d, cut %d, tail %d: %v", len(value), flip, at, cut, len(tail), err)
		}
		if err == nil && len(got) != len(value) {
			t.Errorf("%d of %d bytes without an error", len(got), len(value))
		}
	})
}

func TestIDsIgnoresOtherNames(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	for _, name := range []string{"x", strings.Repeat("g", 32), strings.Repeat("a", 31), strings.Repeat("a", 33)} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := s.IDs(); err != nil || len(ids) != 0 {
		t.Errorf("blobs %v, %v", ids, err)
	}
}
