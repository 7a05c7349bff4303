package store_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// below is what stands below a directory, by names that begin there.
func below(t *testing.T, fs store.FS, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for name, content := range snapshotFS(t, fs, dir) {
		files[strings.TrimPrefix(name, dir)] = content
	}
	return files
}

// TestCopy: the copy is refused until it is promoted, and what it was made of
// stays as it was.
func TestCopy(t *testing.T) {
	d := everyRow(t)
	r := d.Revision()
	sum, _, err := d.Digest(ctx, d.clock.Now().Unix())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Copy(ctx, d.cfg, "/copy", nil); !errors.Is(err, store.ErrInUse) {
		t.Errorf("copied an open store: %v", err)
	}
	d.close()
	before := snapshotFS(t, d.mem, "/data")
	bytes := int64(0)
	if err := store.Copy(ctx, d.cfg, "/copy", func(n int64) { bytes += n }); err != nil {
		t.Fatal(err)
	}
	if bytes < 70_000 {
		t.Errorf("%d bytes were told", bytes)
	}
	want, got := below(t, d.mem, "/data"), below(t, d.mem, "/copy")
	for _, name := range []string{"/FORMAT", "/db/LOCK"} {
		delete(want, name)
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copy (-want +got):\n%s", diff)
	}
	cfg := d.cfg
	cfg.Dir = "/copy"
	if err := errors.Join(refusedUnfinished(cfg), store.Copy(ctx, cfg, "/other", nil)); !errors.Is(err, store.ErrUnfinished) {
		t.Errorf("a copy that is not finished: %v", err)
	}
	if err := store.Copy(ctx, d.cfg, "/copy", nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copied over something: %v", err)
	}
	if _, err := store.Promote(ctx, cfg, r); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	again, at, err := s.Digest(ctx, d.clock.Now().Unix())
	if err := errors.Join(err, s.Close()); err != nil || again != sum || at != r {
		t.Errorf("the copy at %d, want %d, the same %t, %v", at, r, again == sum, err)
	}
	if diff := cmp.Diff(before, snapshotFS(t, d.mem, "/data")); diff != "" {
		t.Errorf("what was copied has changed (-was +is):\n%s", diff)
	}
}

// refusedUnfinished is nil unless all who open a directory are told that it is
// unfinished.
func refusedUnfinished(cfg store.Config) error {
	for _, follower := range []bool{false, true} {
		cfg.Follower = follower
		s, err := store.Open(ctx, cfg)
		if err == nil {
			return errors.Join(errors.New("it was opened"), s.Close())
		}
		if !errors.Is(err, store.ErrUnfinished) {
			return err
		}
	}
	for _, err := range []error{
		store.Look(ctx, cfg, nil), store.Fsck(ctx, cfg, nil),
	} {
		if !errors.Is(err, store.ErrUnfinished) {
			return err
		}
	}
	return nil
}

// TestCopyCrash: whatever of it the disk kept, it is nothing, empty or refused.
func TestCopyCrash(t *testing.T) {
	d := everyRow(t)
	d.close()
	outcomes := make(map[string]int)
	faults := storetest.NewFaults(d.mem)
	faults.Inject(func(storetest.Op, string) error {
		left := d.mem.CrashClone(store.CrashClone{})
		cfg := d.cfg
		cfg.FS, cfg.Dir = left, "/copy"
		switch empty, err := store.Empty(left, "/copy"); {
		case err != nil:
			t.Error(err)
		case empty:
			outcomes["empty"]++
		case onlyNew(left):
			outcomes["named"]++
		default:
			outcomes["refused"]++
			if err := refusedUnfinished(cfg); err != nil {
				t.Errorf("crash %v: %v", outcomes, err)
			}
		}
		return nil
	})
	cfg := d.cfg
	cfg.FS = faults
	if err := store.Copy(ctx, cfg, "/copy", nil); err != nil {
		t.Fatal(err)
	}
	if outcomes["refused"] < 10 || outcomes["empty"] == 0 {
		t.Errorf("crashes %v: little was tested", maps.Collect(maps.All(outcomes)))
	}
}

// onlyNew tells whether nothing but the format file's first form is there.
func onlyNew(left store.FS) bool {
	names, err := left.List("/copy")
	return err == nil && len(names) == 1 && names[0] == "FORMAT.new"
}

func TestCopyStops(t *testing.T) {
	d := everyRow(t)
	d.close()
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.Copy(ctx, d.cfg, "/copy", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("copy: %v", err)
	}
}
