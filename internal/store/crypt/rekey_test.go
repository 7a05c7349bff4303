package crypt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// contents are what stands in the directory, whatever it is encrypted with.
var contents = map[string]string{
	"/data/FORMAT": "f", "/data/db/1": text(100_000), "/data/db/2": "", "/data/db/3": text(64),
	"/data/blobs/4": text(65), "/data/blobs/5": text(63),
}

// TestRekey cuts the power before every step. What is left is refused or whole, and
// a second call ends it; then the old key can be dropped.
func TestRekey(t *testing.T) {
	one, two := keys(t, line1), keys(t, line2, line1)
	for name, c := range map[string]struct{ from, to *crypt.Keys }{
		"plain":     {nil, one},
		"encrypted": {one, two},
	} {
		t.Run(name, func(t *testing.T) {
			steps := 0
			for at := 0; at <= steps; at++ {
				raw := vfs.NewCrashableMem()
				fill := mount(t, raw, c.from)
				for name, content := range contents {
					write(t, fill, name, content)
				}
				syncAll(t, raw)
				left := cutRekey(t, raw, c.to, at, &steps)
				wantCut(t, left, c.from, c.to)
				if err := dir(left).Rekey(context.Background(), c.to, nil); err != nil {
					t.Fatalf("after step %d: %v", at, err)
				}
				wantRekeyed(t, left, c.to)
			}
			if steps < 20 {
				t.Errorf("%d steps", steps)
			}
		})
	}
}

// cutRekey is what a power cut before a step leaves.
func cutRekey(t *testing.T, raw *vfs.MemFS, to *crypt.Keys, at int, steps *int) *vfs.MemFS {
	t.Helper()
	n, rng := 0, rand.New(rand.NewPCG(uint64(at), 1))
	var left *vfs.MemFS
	count := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			if n == at {
				left = raw.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			}
			n++
		}
		return nil
	})
	bytes := int64(0)
	if err := dir(errorfs.Wrap(raw, count)).Rekey(context.Background(), to, func(n int64) { bytes += n }); err != nil {
		t.Fatal(err)
	}
	if bytes < 100_000 {
		t.Errorf("%d bytes were told", bytes)
	}
	if *steps = n; left == nil {
		left = raw.CrashClone(vfs.CrashCloneCfg{})
	}
	return left
}

// wantCut: a directory that was encrypted can be used at any time; one that was plain
// before its marker is there, or when all is done.
func wantCut(t *testing.T, left vfs.FS, from, to *crypt.Keys) {
	t.Helper()
	fs, err := dir(left).Mount(to)
	switch {
	case err == nil:
	case from == nil && errors.Is(err, crypt.ErrUnfinished):
		if _, err := dir(left).Mount(nil); !errors.Is(err, crypt.ErrEncrypted) {
			t.Errorf("without a key: %v", err)
		}
		return
	case from == nil && errors.Is(err, crypt.ErrPlain):
		if fs, err = dir(left).Mount(nil); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatal(err)
	}
	for name, content := range contents {
		wantContent(t, fs, name, content)
	}
}

func wantRekeyed(t *testing.T, raw vfs.FS, to *crypt.Keys) {
	t.Helper()
	var active *crypt.Keys
	for _, line := range []string{line1, line2} {
		if k := keys(t, line); k.Active() == to.Active() {
			active = k
		}
	}
	fs := mount(t, raw, active)
	for name, content := range contents {
		wantContent(t, fs, name, content)
	}
	uses, err := dir(raw).Uses()
	if err != nil || len(uses) != 1 || uses[0].Key != to.Active() || uses[0].Files != 5 {
		t.Errorf("in use: %+v, %v", uses, err)
	}
	if files := all(t, raw); strings.Contains(files, "Limosa") || strings.Contains(files, ".rekey") || strings.Contains(files, "unfinished") {
		t.Errorf("left: %.300q", files)
	}
}

// TestRekeyRefuses: nothing is changed where something could not be read.
func TestRekeyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		make func(raw vfs.FS)
		keys *crypt.Keys
		want error
	}{
		"another key": {
			func(raw vfs.FS) { write(t, mount(t, raw, keys(t, line1)), "/data/db/1", text(100)) },
			keys(t, line2), crypt.ErrKey,
		},
		"another key, marker lost": {
			func(raw vfs.FS) {
				write(t, mount(t, raw, keys(t, line1)), "/data/db/1", text(100))
				_ = raw.Remove("/data/ENCRYPTION")
			},
			keys(t, line2), crypt.ErrKey,
		},
		"a plain file among encrypted ones": {
			func(raw vfs.FS) {
				write(t, mount(t, raw, keys(t, line1)), "/data/db/1", text(100))
				write(t, raw, "/data/db/2", text(100))
			},
			keys(t, line2, line1), crypt.ErrDamaged,
		},
		"a damaged header": {
			func(raw vfs.FS) {
				write(t, mount(t, raw, keys(t, line1)), "/data/db/1", text(100))
				stored, _ := read(raw, "/data/db/1")
				write(t, raw, "/data/db/1", stored[:40]+"x"+stored[41:])
			},
			keys(t, line2, line1), crypt.ErrDamaged,
		},
	} {
		raw := vfs.NewMem()
		mount(t, raw, nil)
		c.make(raw)
		before, _ := read(raw, "/data/db/1")
		if err := dir(raw).Rekey(context.Background(), c.keys, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if after, err := read(raw, "/data/db/1"); after != before || err != nil {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
}

// TestRekeyGoesOn: one that is stopped keeps what it has done, and a marker that was
// lost is made again.
func TestRekeyGoesOn(t *testing.T) {
	raw := vfs.NewMem()
	fs := mount(t, raw, keys(t, line1))
	for i := range 5 {
		write(t, fs, fmt.Sprintf("/data/db/%d", i), text(1000))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := 0
	err := dir(raw).Rekey(ctx, keys(t, line2, line1), func(int64) {
		if done++; done == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || done != 2 {
		t.Errorf("%d files, %v", done, err)
	}
	if err := raw.Remove("/data/ENCRYPTION"); err != nil {
		t.Fatal(err)
	}
	if err := dir(raw).Rekey(context.Background(), keys(t, line2, line1), func(int64) { done++ }); err != nil || done != 5 {
		t.Errorf("%d files, %v", done, err)
	}
	for i := range 5 {
		wantContent(t, mount(t, raw, keys(t, line2)), fmt.Sprintf("/data/db/%d", i), text(1000))
	}
}
