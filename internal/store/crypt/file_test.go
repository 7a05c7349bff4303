package crypt_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// TestAsPlain does the same to an encrypted file system and to a plain one: nobody
// who uses it can tell them apart.
func TestAsPlain(t *testing.T) {
	for seed := range uint64(20) {
		w := &twoDisks{t: t, rng: rand.New(rand.NewPCG(seed, 1)), raw: vfs.NewMem(), plain: vfs.NewMem()}
		w.crypt = mount(t, w.raw, keys(t, line1))
		mount(t, w.plain, nil)
		for range 60 {
			w.step()
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type twoDisks struct {
	t                 *testing.T
	rng               *rand.Rand
	raw, crypt, plain vfs.FS
}

func (w *twoDisks) name() string { return fmt.Sprintf("/data/db/%d", w.rng.IntN(5)) }

// same does one thing to both.
func (w *twoDisks) same(what string, do func(vfs.FS) (string, error)) {
	w.t.Helper()
	want, wantErr := do(w.plain)
	got, err := do(w.crypt)
	if got != want || (err == nil) != (wantErr == nil) {
		w.t.Errorf("%s: %.50q %v, want %.50q %v", what, got, err, want, wantErr)
	}
}

func (w *twoDisks) step() {
	name, other, seed := w.name(), w.name(), w.rng.Uint64()
	switch w.rng.IntN(6) {
	case 0:
		w.same("create "+name, func(fs vfs.FS) (string, error) {
			f, err := fs.Create(name, "pebble-wal")
			return fill(f, err, seed)
		})
	case 1:
		w.same("reuse", func(fs vfs.FS) (string, error) {
			f, err := fs.ReuseForWrite(name, other, "pebble-wal")
			if err != nil {
				return "", err
			}
			// What was in it before is noise now: cover it.
			info, err := f.Stat()
			if err == nil {
				_, err = f.Write(noise(int(info.Size())+1, seed))
			}
			return "", errors.Join(err, f.Close())
		})
	case 2:
		w.same("link", func(fs vfs.FS) (string, error) { return "", fs.Link(name, other) })
	case 3:
		w.same("rename", func(fs vfs.FS) (string, error) { return "", fs.Rename(name, other) })
	case 4:
		w.same("remove", func(fs vfs.FS) (string, error) { return "", fs.Remove(name) })
	}
	w.same("read "+name, func(fs vfs.FS) (string, error) { return read(fs, name) })
	w.same("read parts of "+name, func(fs vfs.FS) (string, error) { return readParts(fs, name, seed) })
	w.same("list", func(fs vfs.FS) (string, error) {
		names, err := fs.List("/data/db")
		return fmt.Sprint(len(names)), err
	})
}

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = rng.Read(b)
	return b
}

// fill writes a file in pieces and closes it.
func fill(f vfs.File, err error, seed uint64) (string, error) {
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	for range rng.IntN(6) {
		_, wErr := f.Write(noise(rng.IntN(5000), rng.Uint64()))
		_, syncErr := f.SyncTo(100)
		err = errors.Join(err, wErr, syncErr, f.Preallocate(4096, 100), f.SyncData())
	}
	info, statErr := f.Stat()
	return fmt.Sprint(info.Size()), errors.Join(err, statErr, f.Close())
}

// readParts reads at places that no block begins at, also behind the end.
func readParts(fs vfs.FS, name string, seed uint64) (string, error) {
	f, err := fs.Open(name, vfs.RandomReadsOption)
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	var parts strings.Builder
	for range 8 {
		p := make([]byte, rng.IntN(700))
		off := rng.Int64N(6000)
		n, err := f.ReadAt(p, off)
		fmt.Fprintf(&parts, "%d %v %x\n", off, err == nil || n == len(p), p[:n])
	}
	info, err := f.Stat()
	return fmt.Sprint(info.Size(), parts.String()), errors.Join(err, f.Prefetch(1, 2), f.Close())
}

func TestReader(t *testing.T) {
	fs := mount(t, vfs.NewMem(), keys(t, line1))
	write(t, fs, "/data/db/1", text(1000))
	f, err := fs.Open("/data/db/1")
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(f, []byte(text(1000))); err != nil {
		t.Error(err)
	}
	if _, err := f.ReadAt(make([]byte, 10), -crypt.HeaderSize); err == nil {
		t.Error("the header was read")
	}
	_, writeErr := f.Write([]byte("x"))
	_, atErr := f.WriteAt([]byte("x"), 0)
	if writeErr == nil || atErr == nil {
		t.Errorf("written into: %v, %v", writeErr, atErr)
	}
	if _, err := fs.OpenReadWrite("/data/db/1", "test"); err == nil {
		t.Error("opened to write over")
	}
}

// TestNothingPlain: content is nowhere to be seen, and the same content is other
// bytes in each file, also in one that is used again.
func TestNothingPlain(t *testing.T) {
	raw := vfs.NewMem()
	fs := mount(t, raw, keys(t, line1))
	seen := map[string]string{}
	for i, reuse := range []bool{false, false, true} {
		name := fmt.Sprintf("/data/db/%d", i)
		if reuse {
			f, err := fs.ReuseForWrite("/data/db/0", name, "pebble-wal")
			if err == nil {
				_, err = f.Write([]byte(text(500)))
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		} else {
			write(t, fs, name, text(500))
		}
		stored, err := read(raw, name)
		if err != nil || len(stored) != 500+crypt.HeaderSize || strings.Contains(stored, "Limosa") {
			t.Fatalf("%s is %.200q, %v", name, stored, err)
		}
		for at := crypt.HeaderSize; at+16 <= len(stored); at++ {
			if other := seen[stored[at:at+16]]; other != "" {
				t.Fatalf("%s has bytes of %s", name, other)
			}
			seen[stored[at:at+16]] = name
		}
		wantContent(t, fs, name, text(500))
	}
}

// golden is a file that the first version wrote.
const golden = "677763727970743143b3748a59eb57ad42a74bdce76ab1ce2280423e05750fe556304306ccb1288abb786a5b700cbc16" +
	"4e79b51a5dff6861b15295f1e0aa4699f194d2062ff629f01d81bc79f096b75e0a578f89030a1c4d2a6462b6dd90bd02" +
	"4a94d527c6c600396a16e6d1489f5b24d3"

// TestFormat holds what stands on disks.
func TestFormat(t *testing.T) {
	raw := vfs.NewMem()
	fs := mount(t, raw, keys(t, line3, line1))
	b, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	write(t, raw, "/data/db/1", string(b))
	if got, err := read(fs, "/data/db/1"); err != nil || got != "Limosa lapponica flies eleven days without a stop" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestBrokenFile: a file that ends with its header or before is empty, as one that
// a crash left before anything was in it. Any other without its header is damaged.
func TestBrokenFile(t *testing.T) {
	raw := vfs.NewMem()
	fs := mount(t, raw, keys(t, line1))
	write(t, fs, "/data/db/1", text(100))
	whole, err := read(raw, "/data/db/1")
	if err != nil {
		t.Fatal(err)
	}
	for n := range crypt.HeaderSize + 1 {
		write(t, raw, "/data/db/2", whole[:n])
		wantContent(t, fs, "/data/db/2", "")
		write(t, raw, "/data/db/2", strings.Repeat("\x00", n))
		wantContent(t, fs, "/data/db/2", "")
	}
	for at := range crypt.HeaderSize {
		damaged := []byte(whole)
		damaged[at] ^= 4
		write(t, raw, "/data/db/2", string(damaged))
		if _, err := read(fs, "/data/db/2"); !errors.Is(err, crypt.ErrDamaged) || errors.Is(err, crypt.ErrKey) || !strings.Contains(err.Error(), "/data/db/2") {
			t.Errorf("changed at %d: %v", at, err)
		}
	}
	write(t, raw, "/data/db/2", strings.Repeat("\x00", 100))
	if _, err := read(fs, "/data/db/2"); !errors.Is(err, crypt.ErrDamaged) {
		t.Errorf("zeros: %v", err)
	}
}

// TestHeaderIsSynced: when a log can be written to, no crash takes its header.
func TestHeaderIsSynced(t *testing.T) {
	raw := vfs.NewCrashableMem()
	fs := mount(t, raw, keys(t, line1))
	write(t, fs, "/data/db/1", text(9000))
	open := map[string]func(string) (vfs.File, error){
		"created": func(name string) (vfs.File, error) { return fs.Create(name, "pebble-wal") },
		"reused":  func(name string) (vfs.File, error) { return fs.ReuseForWrite("/data/db/1", name, "pebble-wal") },
		"list":    func(name string) (vfs.File, error) { return fs.Create(name, "pebble-manifest") },
	}
	for what, begin := range open {
		name := "/data/db/" + what
		f, err := begin(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"/", "/data", "/data/db"} {
			d, err := raw.OpenDir(dir)
			if err == nil {
				err = errors.Join(d.Sync(), d.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.Write([]byte(text(9000))); err != nil {
			t.Fatal(err)
		}
		left, err := dir(raw.CrashClone(vfs.CrashCloneCfg{})).Mount(keys(t, line1))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(left, name); err != nil || strings.Contains(got, "Limosa") {
			t.Errorf("%s: %.50q, %v", what, got, err)
		}
		stored, err := read(raw.CrashClone(vfs.CrashCloneCfg{}), name)
		now, nowErr := read(raw, name)
		if err := errors.Join(err, nowErr); err != nil || len(stored) < crypt.HeaderSize || stored[:crypt.HeaderSize] != now[:crypt.HeaderSize] {
			t.Errorf("%s: the header is not on the disk, %v", what, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailedWrite: nothing is written behind bytes of which it is not known whether
// they are there, and a file that could not be begun is not there.
func TestFailedWrite(t *testing.T) {
	raw := vfs.NewMem()
	fail := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			return io.ErrUnexpectedEOF
		}
		return nil
	})}
	fs := mount(t, errorfs.Wrap(raw, &fail), keys(t, line1))
	f, err := fs.Create("/data/db/1", "test")
	if err != nil {
		t.Fatal(err)
	}
	fail.On()
	_, first := f.Write([]byte("one"))
	_, beginErr := fs.Create("/data/db/2", "test")
	fail.Off()
	if _, err := f.Write([]byte("two")); !errors.Is(first, io.ErrUnexpectedEOF) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("wrote on: %v, %v", first, err)
	}
	if _, err := raw.Stat("/data/db/2"); err == nil || !errors.Is(beginErr, io.ErrUnexpectedEOF) {
		t.Errorf("a file without a header is left: %v, %v", err, beginErr)
	}
}

// FuzzHeader opens any bytes as a file.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("gwcrypt1"))
	b, err := hex.DecodeString(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	raw := vfs.NewMem()
	fs := mount(f, raw, keys(f, line1))
	f.Fuzz(func(t *testing.T, stored []byte) {
		write(t, raw, "/data/db/1", string(stored))
		got, err := read(fs, "/data/db/1")
		whole := bytes.HasPrefix(stored, b[:crypt.HeaderSize])
		switch {
		case len(stored) <= crypt.HeaderSize:
			if err != nil || got != "" {
				t.Errorf("%q, %v", got, err)
			}
		case whole && err != nil, !whole && !errors.Is(err, crypt.ErrDamaged):
			t.Errorf("%d bytes: %v", len(stored), err)
		}
	})
}

func BenchmarkReadAt(b *testing.B) {
	for _, n := range []int{100, 4 << 10, 32 << 10} {
		for name, k := range map[string]*crypt.Keys{"plain": nil, "encrypted": keys(b, line1)} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				fs := mount(b, vfs.NewMem(), k)
				write(b, fs, "/data/db/1", text(1<<20))
				f, err := fs.Open("/data/db/1")
				if err != nil {
					b.Fatal(err)
				}
				p := make([]byte, n)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for i := range b.N {
					if _, err := f.ReadAt(p, int64(i*4097)%(1<<20-int64(n))); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
