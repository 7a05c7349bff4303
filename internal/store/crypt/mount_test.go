package crypt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// TestMount: what each directory says to each key file, and that asking changes
// nothing.
func TestMount(t *testing.T) {
	one, two, both, swapped := keys(t, line1), keys(t, line2), keys(t, line1, line2), keys(t, line2, line1)
	for name, c := range map[string]struct {
		make func(raw vfs.FS)
		want map[*crypt.Keys]error
	}{
		"new": {
			func(vfs.FS) {},
			map[*crypt.Keys]error{nil: nil, one: nil, two: nil},
		},
		"cut off early": {
			func(raw vfs.FS) { write(t, raw, "/data/FORMAT.new", "x"); write(t, raw, "/data/db/LOCK", "") },
			map[*crypt.Keys]error{nil: nil, one: nil},
		},
		"plain": {
			func(raw vfs.FS) { write(t, raw, "/data/FORMAT", "x") },
			map[*crypt.Keys]error{nil: nil, one: crypt.ErrPlain},
		},
		"plain without a format": {
			func(raw vfs.FS) { write(t, raw, "/data/db/1", text(100)) },
			map[*crypt.Keys]error{nil: nil, one: crypt.ErrPlain},
		},
		"encrypted": {
			func(raw vfs.FS) { write(t, mount(t, raw, one), "/data/db/1", text(100)) },
			map[*crypt.Keys]error{nil: crypt.ErrEncrypted, one: nil, two: crypt.ErrKey, both: nil, swapped: nil},
		},
		"with two keys": {
			func(raw vfs.FS) {
				write(t, mount(t, raw, one), "/data/db/1", text(100))
				write(t, mount(t, raw, swapped), "/data/blobs/2", text(100))
			},
			map[*crypt.Keys]error{nil: crypt.ErrEncrypted, one: crypt.ErrKey, two: crypt.ErrKey, both: nil, swapped: nil},
		},
		"all rewritten": {
			func(raw vfs.FS) {
				write(t, mount(t, raw, one), "/data/db/1", text(100))
				fs := mount(t, raw, swapped)
				write(t, fs, "/data/db/2", text(100))
				if err := fs.Remove("/data/db/1"); err != nil {
					t.Fatal(err)
				}
			},
			map[*crypt.Keys]error{nil: crypt.ErrEncrypted, one: crypt.ErrKey, two: nil, swapped: nil},
		},
		"marker lost": {
			func(raw vfs.FS) {
				write(t, mount(t, raw, one), "/data/FORMAT", text(100))
				if err := raw.Remove("/data/ENCRYPTION"); err != nil {
					t.Fatal(err)
				}
			},
			map[*crypt.Keys]error{nil: crypt.ErrUnfinished, one: crypt.ErrUnfinished},
		},
		"marker of another": {
			func(raw vfs.FS) { write(t, raw, "/data/ENCRYPTION", "godwit encryption, format 1\nkey x y\n") },
			map[*crypt.Keys]error{nil: crypt.ErrDamaged, one: crypt.ErrDamaged},
		},
		"marker without keys": {
			func(raw vfs.FS) { write(t, raw, "/data/ENCRYPTION", "godwit encryption, format 1\n") },
			map[*crypt.Keys]error{nil: crypt.ErrDamaged, one: crypt.ErrDamaged},
		},
		"another check": {
			func(raw vfs.FS) {
				write(t, raw, "/data/ENCRYPTION", "godwit encryption, format 1\nkey "+one.Active().String()+" "+strings.Repeat("0", 32)+"\n")
			},
			map[*crypt.Keys]error{nil: crypt.ErrEncrypted, one: crypt.ErrDamaged},
		},
	} {
		raw := vfs.NewMem()
		mount(t, raw, nil)
		c.make(raw)
		before := all(t, raw)
		for k, want := range c.want {
			_, err := dir(raw).Mount(k)
			if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), "/data") {
				t.Errorf("%s, %v: %v, want %v", name, k, err, want)
			}
			if after := all(t, raw); after != before {
				t.Errorf("%s, %v: the directory was changed:\n%q\n%q", name, k, before, after)
			}
		}
	}
}

// all is every file with its bytes.
func all(t *testing.T, raw vfs.FS) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"/data", "/data/db", "/data/blobs"} {
		names, err := raw.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := raw.Stat(dir + "/" + name); err == nil && !info.IsDir() {
				content, err := read(raw, dir+"/"+name)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString(dir + "/" + name + "=" + content + ";")
			}
		}
	}
	return b.String()
}

// TestMarkerComesFirst: whenever there is a file under a key, the marker names that key,
// and no crash takes it back.
func TestMarkerComesFirst(t *testing.T) {
	raw := vfs.NewCrashableMem()
	mount(t, raw, nil)
	syncAll(t, raw)
	looked := 0
	look := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		uses, err := dir(raw).Uses()
		if err != nil {
			t.Error(err)
		}
		said, _ := read(raw.CrashClone(vfs.CrashCloneCfg{}), "/data/ENCRYPTION")
		for _, u := range uses {
			if looked++; !strings.Contains(said, u.Key.String()) {
				t.Errorf("before %v: the marker says %q, and files are under %s", op, said, u.Key)
			}
		}
		return nil
	})
	for i, k := range []*crypt.Keys{keys(t, line1), keys(t, line2, line1), keys(t, line3, line2, line1)} {
		fs := mount(t, errorfs.Wrap(raw, look), k)
		write(t, fs, "/data/db/"+string(rune('1'+i)), text(100))
		write(t, fs, "/data/blobs/"+string(rune('1'+i)), text(100))
	}
	said, err := read(raw, "/data/ENCRYPTION")
	if err != nil || strings.Count(said, "key ") != 3 || looked < 10 {
		t.Errorf("looked %d times, at last at %q, %v", looked, said, err)
	}
	for _, line := range []string{line1, line2, line3} {
		if strings.Contains(said, line[:16]) {
			t.Error("the marker tells a key")
		}
	}
}

func syncAll(t *testing.T, fs vfs.FS) {
	t.Helper()
	for _, name := range []string{"/", "/data", "/data/db", "/data/blobs"} {
		d, err := fs.OpenDir(name)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUses(t *testing.T) {
	raw := vfs.NewMem()
	one, two := keys(t, line1), keys(t, line2, line1)
	write(t, mount(t, raw, one), "/data/db/1", text(100))
	fs := mount(t, raw, two)
	write(t, fs, "/data/db/2", text(500))
	write(t, fs, "/data/blobs/3", text(500))
	write(t, fs, "/data/blobs/4", "")
	write(t, raw, "/data/FORMAT", "plain")
	uses, err := dir(raw).Uses()
	want := []crypt.Use{
		{Key: two.Active(), Files: 2, Bytes: 1000 + 2*crypt.HeaderSize},
		{Key: one.Active(), Files: 1, Bytes: 100 + crypt.HeaderSize},
		{Plain: true, Files: 1, Bytes: 5},
	}
	if err != nil || len(uses) != 3 || uses[0] != want[0] || uses[1] != want[1] || uses[2] != want[2] {
		t.Errorf("%+v, %v, want %+v", uses, err, want)
	}
}
