package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// follow takes over an upstream's identity.
func (d *disk) follow(l godwit.Lineage) {
	d.t.Helper()
	d.tx(func(tx *store.Tx) error { return tx.Follow(strings.Repeat("ab", 16), l, 0) })
}

// copied is a follower that holds a prefix of a log, up to revision 7 in the first
// of two epochs.
func copied(t *testing.T) *disk {
	t.Helper()
	d := newFollower(t, store.Config{})
	d.follow(godwit.Lineage{{ID: godwit.EpochID{1}, First: 5}, {ID: godwit.EpochID{2}, First: 1000, After: 900}})
	d.tx(func(tx *store.Tx) error {
		tx.SetNote("edge", []byte("note"))
		return errors.Join(tx.Apply(at(6, put(ns1, "a", "1"))), tx.Apply(at(7, put(ns1, "b", "2"))))
	})
	return d
}

// promote makes the closed store one that owns its log, at a revision.
func (d *disk) promote(r godwit.Revision) (uint64, error) {
	d.t.Helper()
	d.close()
	g, err := store.Promote(ctx, d.cfg, r)
	if err == nil {
		d.cfg.Follower, d.cfg.Backup = false, false
	}
	return g, err
}

// TestPromote: a follower's store is refused to who would write to it, and after
// it was promoted goes on with the log under a generation above all that it knew,
// and without the epochs of which it holds nothing.
func TestPromote(t *testing.T) {
	d := copied(t)
	d.close()
	before := snapshotFS(t, d.mem, "/data")
	own := d.cfg
	own.Follower = false
	if _, err := store.Open(ctx, own); !errors.Is(err, store.ErrFollower) {
		t.Errorf("opened as a centre's: %v", err)
	}
	if diff := cmp.Diff(before, snapshotFS(t, d.mem, "/data")); diff != "" {
		t.Errorf("what was refused was changed (-was +is):\n%s", diff)
	}
	if _, err := d.promote(6); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("promoted at another revision: %v", err)
	}
	g, err := d.promote(7)
	if want := uint64(d.clock.Now().UnixMilli()); err != nil || g != want {
		t.Fatalf("generation %d, %v, want %d", g, err, want)
	}
	d.open()
	e := d.openEpoch()
	want := godwit.Lineage{{ID: godwit.EpochID{1}, First: 5}, {ID: e.ID, First: e.First, After: 7, Generation: g}}
	for range 2 {
		if diff := cmp.Diff(want, d.Lineage()); diff != "" || d.Generation() != g {
			t.Errorf("generation %d, lineage (-want +got):\n%s", d.Generation(), diff)
		}
		d.reopen()
	}
	if note, err := d.Note("edge"); note != nil || err != nil {
		t.Errorf("note %q, %v", note, err)
	}
	if is, err := d.Follows(); is || err != nil {
		t.Errorf("follows %t, %v", is, err)
	}
	d.wantValue(ns1, "a", "1")
	d.write(put(ns1, "a", "new"))
	if again, err := d.promote(d.Revision()); err != nil || again != g+1 { // the clock stands still
		t.Errorf("the second time %d, %v", again, err)
	}
	d.open()
	d.healthy()
}

func TestPromoteRefusesAMixture(t *testing.T) {
	d := copied(t)
	d.tx(func(tx *store.Tx) error { return tx.CatchUp(at(20, put(ns1, "c", "3"))) })
	if _, err := d.promote(7); err == nil {
		t.Error("a mixture was promoted")
	}
	d.open()
	d.wantState(7, true)
}

// TestPromoteCrash: whatever of it the disk kept, the store is still a follower's,
// or wholly a centre's.
func TestPromoteCrash(t *testing.T) {
	d := copied(t)
	d.close()
	start := d.mem.CrashClone(store.CrashClone{})
	crashes := 0
	for n := 0; ; n++ {
		mem := start.CrashClone(store.CrashClone{})
		cfg, faults := d.cfg, storetest.NewFaults(mem)
		cfg.FS = faults
		var left *store.MemFS
		ops := 0
		faults.Inject(func(storetest.Op, string) error {
			if ops++; ops == n+1 {
				left = mem.CrashClone(store.CrashClone{})
			}
			return nil
		})
		if _, err := store.Promote(ctx, cfg, 7); err != nil {
			t.Fatal(err)
		}
		if left == nil {
			break
		}
		crashes++
		cfg.FS, cfg.Follower = left, false
		s, err := store.Open(ctx, cfg)
		if errors.Is(err, store.ErrFollower) {
			cfg.Follower = true
			s, err = store.Open(ctx, cfg)
			if err == nil && s.Generation() != 0 {
				t.Errorf("crash %d: a follower of generation %d", n, s.Generation())
			}
		} else if err == nil && s.Generation() == 0 {
			t.Errorf("crash %d: a centre of generation 0", n)
		}
		if err != nil {
			t.Fatalf("crash %d: %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if crashes < 10 {
		t.Errorf("%d crashes: nothing was tested", crashes)
	}
}

// TestGenerationOnlyRises: what was followed is not gone back from.
func TestGenerationOnlyRises(t *testing.T) {
	d := newFollower(t, store.Config{})
	first, second := godwit.Epoch{ID: godwit.EpochID{1}, First: 5, Generation: 3}, godwit.Epoch{ID: godwit.EpochID{2}, First: 9, Generation: 4}
	d.follow(godwit.Lineage{first, second})
	d.reopen()
	if g := d.Generation(); g != 4 {
		t.Errorf("generation %d", g)
	}
	tx := d.Begin()
	if err := tx.Follow(strings.Repeat("ab", 16), godwit.Lineage{first}, 0); err == nil {
		t.Error("an older log was taken")
	}
	if err := tx.Follow(strings.Repeat("ab", 16), godwit.Lineage{second, {ID: godwit.EpochID{3}, First: 20, Generation: 3}}, 0); err == nil {
		t.Error("a lineage that goes back was taken")
	}
	tx.Rollback()
	d.tx(func(tx *store.Tx) error { tx.RaiseGeneration(7); tx.RaiseGeneration(6); return nil })
	d.reopen()
	if g := d.Generation(); g != 7 {
		t.Errorf("generation %d", g)
	}
	d.healthy()
}

// TestPromoteToTheLastGeneration: a generation that followers would not take is not given.
func TestPromoteToTheLastGeneration(t *testing.T) {
	for fence, ok := range map[uint64]bool{godwit.MaxGeneration/2 - 1: true, godwit.MaxGeneration / 2: false} {
		d := newDisk(t, store.Config{})
		d.openEpoch()
		r := d.write(put(ns1, "a", "1"))
		if err := d.Fence(fence); err != nil {
			t.Fatal(err)
		}
		crashed := openDisk(t, d.mem.CrashClone(store.CrashClone{}), d.cfg)
		if g, err := crashed.promote(r); (err == nil) != ok || ok && g != fence+1 {
			t.Errorf("fenced by %d: generation %d, %v", fence, g, err)
		}
	}
}

// TestFence: it outlives a crash at once, and ends with a generation that is as
// high.
func TestFence(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.openEpoch()
	r := d.write(put(ns1, "a", "1"))
	if err := d.Fence(5); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Fence(5), d.Fence(4)); err != nil || d.Fenced() != 5 { // it is known already
		t.Errorf("fenced by %d, %v", d.Fenced(), err)
	}
	if err := d.Fence(godwit.MaxGeneration + 1); err == nil {
		t.Error("no generation is taken for one")
	}
	crashed := openDisk(t, d.mem.CrashClone(store.CrashClone{}), d.cfg)
	if crashed.Fenced() != 5 || crashed.Generation() != 0 || crashed.Revision() != r {
		t.Errorf("after a crash: fenced by %d, generation %d, revision %d", crashed.Fenced(), crashed.Generation(), crashed.Revision())
	}
	crashed.clock.advance(crashed.clock.Now().Sub(time.UnixMilli(0)) * -1) // a clock that was never set
	g, err := crashed.promote(r)
	if err != nil || g != 6 {
		t.Errorf("generation %d, %v", g, err)
	}
	crashed.open()
	if crashed.Fenced() != 0 || crashed.Fence(6) == nil {
		t.Errorf("fenced by %d", crashed.Fenced())
	}
	d.cfg.Follower = true
	d.reopen()
	d.tx(func(tx *store.Tx) error {
		return tx.Follow(d.Cluster(), godwit.Lineage{{ID: godwit.EpochID{1}, First: 5, Generation: 5}}, 0)
	})
	if d.Fenced() != 0 || d.Generation() != 5 {
		t.Errorf("as an edge: fenced by %d, generation %d", d.Fenced(), d.Generation())
	}
	d.healthy()
	crashed.healthy()
}

// TestBackupMark: a directory that is marked is for who says that it is a backup,
// and for nobody else.
func TestBackupMark(t *testing.T) {
	mem := store.NewCrashFS()
	if err := store.MarkBackup(store.Config{FS: mem, Dir: "/data"}, "abc"); err != nil {
		t.Fatal(err)
	}
	if cluster, is, err := store.BackupOf(store.Config{FS: mem.CrashClone(store.CrashClone{}), Dir: "/data"}); cluster != "abc" || !is || err != nil {
		t.Errorf("marked %t, cluster %q, %v", is, cluster, err)
	}
	cfg := store.Config{Dir: "/data", FS: mem, Follower: true}
	if _, err := store.Open(ctx, cfg); !errors.Is(err, store.ErrBackup) {
		t.Errorf("opened a backup: %v", err)
	}
	d := openDisk(t, mem, store.Config{Follower: true, Backup: true})
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(6, put(ns1, "a", "1"))) })
	if _, err := d.promote(6); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.wantValue(ns1, "a", "1")
	d.close()
	cfg = d.cfg
	cfg.Backup = true
	if _, err := store.Open(ctx, cfg); err == nil || !strings.Contains(err.Error(), "not a backup") {
		t.Errorf("a data directory as a backup: %v", err)
	}
}

// TestLookChangesNothing, also where no close sealed the directory.
func TestLookChangesNothing(t *testing.T) {
	d := everyRow(t)
	crashed := d.mem.CrashClone(store.CrashClone{})
	want := d.Revision()
	for range 2 {
		before := snapshotFS(t, crashed, "/data")
		cfg, seen, blobs := d.cfg, godwit.Revision(0), 0
		cfg.FS = crashed
		err := store.Look(ctx, cfg, func(ctx context.Context, s *store.Store) error {
			seen = s.Revision()
			return s.Blobs(ctx, func(_ store.Place, _ *godwit.Entry, here bool) error {
				if here {
					blobs++
				}
				return nil
			})
		})
		if err != nil || seen != want || blobs != 1 {
			t.Errorf("looked at revision %d with %d blobs: %v", seen, blobs, err)
		}
		if diff := cmp.Diff(before, snapshotFS(t, crashed, "/data")); diff != "" {
			t.Errorf("looking changed (-was +is):\n%s", diff)
		}
		d.close()
		crashed = d.mem
	}
	if err := store.Look(ctx, store.Config{Dir: "/none", FS: d.mem}, nil); err == nil {
		t.Error("nothing was looked at")
	}
}
