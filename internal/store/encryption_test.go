package store_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// encrypted is a store with every kind of row, and a config for it.
func encrypted(t *testing.T, numbers ...byte) *disk {
	t.Helper()
	return fillEveryRow(t, newDisk(t, store.Config{InlineBytes: 5000, Keys: storetest.Keys(numbers...)}))
}

// entries are all ways to open a directory.
var entries = map[string]func(cfg store.Config) error{
	"open": func(cfg store.Config) error {
		s, err := store.Open(ctx, cfg)
		if err == nil {
			err = s.Close()
		}
		return err
	},
	"fsck": func(cfg store.Config) error { return store.Fsck(ctx, cfg, func(string) {}) },
	"look": func(cfg store.Config) error {
		return store.Look(ctx, cfg, func(context.Context, *store.Store) error { return nil })
	},
	"promote": func(cfg store.Config) error {
		_, err := store.Promote(ctx, cfg, 0)
		return err
	},
	"mark":   func(cfg store.Config) error { return store.MarkBackup(cfg, "c") },
	"backup": func(cfg store.Config) error { _, _, err := store.BackupOf(cfg); return err },
}

// TestKeysRefused: a wrong key and none are told by name, whoever opens the
// directory, and nothing in it is touched.
func TestKeysRefused(t *testing.T) {
	secret, open := encrypted(t, 1), everyRow(t)
	for _, c := range []struct {
		name string
		disk *disk
		keys *store.Keys
		want error
		says string
	}{
		{"no key", secret, nil, store.ErrEncrypted, storetest.Keys(1).Active().String()},
		{"another key", secret, storetest.Keys(2, 3), store.ErrKey, storetest.Keys(1).Active().String()},
		{"a key for a plain directory", open, storetest.Keys(1), store.ErrPlain, "is plain"},
	} {
		c.disk.close()
		before := snapshotFS(t, c.disk.mem, "/data")
		cfg := c.disk.cfg
		cfg.Keys = c.keys
		for entry, do := range entries {
			if err := do(cfg); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "/data") {
				t.Errorf("%s with %s: %v", entry, c.name, err)
			}
		}
		if diff := cmp.Diff(before, snapshotFS(t, c.disk.mem, "/data")); diff != "" {
			t.Errorf("%s: the directory was touched (-was +is):\n%.2000s", c.name, diff)
		}
	}
	if err := store.Copy(ctx, withKeys(secret.cfg, storetest.Keys(2)), "/copy", nil); !errors.Is(err, store.ErrKey) {
		t.Errorf("copied with another key: %v", err)
	}
}

func withKeys(cfg store.Config, keys *store.Keys) store.Config {
	cfg.Keys = keys
	return cfg
}

// TestCopyEncrypts: with keys a copy is encrypted, whether what it was made of is or
// not, and holds the same; without keys nothing encrypted is copied.
func TestCopyEncrypts(t *testing.T) {
	for name, d := range map[string]*disk{"plain": everyRow(t), "encrypted": encrypted(t, 1)} {
		r := d.Revision()
		sum, _, err := d.Digest(ctx, d.clock.Now().Unix())
		if err != nil {
			t.Fatal(err)
		}
		d.close()
		cfg := withKeys(d.cfg, storetest.Keys(2, 1))
		if err := store.Copy(ctx, cfg, "/copy", nil); err != nil {
			t.Fatal(err)
		}
		cfg.Dir = "/copy"
		if _, err := store.Promote(ctx, cfg, r); err != nil {
			t.Fatal(err)
		}
		wantUses(t, cfg, 2)
		s, err := store.Open(ctx, withKeys(cfg, storetest.Keys(2)))
		if err != nil {
			t.Fatal(err)
		}
		again, at, err := s.Digest(ctx, d.clock.Now().Unix())
		if err := errors.Join(err, s.Close()); err != nil || again != sum || at != r {
			t.Errorf("the copy of a %s store at %d, want %d, the same %t, %v", name, at, r, again == sum, err)
		}
	}
	d := encrypted(t, 1)
	d.close()
	if err := store.Copy(ctx, withKeys(d.cfg, nil), "/copy", nil); !errors.Is(err, store.ErrEncrypted) {
		t.Errorf("copied without a key: %v", err)
	}
}

// wantUses: everything is under one key.
func wantUses(t *testing.T, cfg store.Config, number byte) {
	t.Helper()
	uses, err := store.KeyUses(cfg)
	if err != nil || len(uses) != 1 || uses[0].Plain || uses[0].Key != storetest.Keys(number).Active() {
		t.Errorf("keys in use: %+v, %v, want %s alone", uses, err, storetest.Keys(number))
	}
}

// TestRekeyStore encrypts a plain store, and then with another key: each time it
// holds the same, is whole, and needs the new key alone.
func TestRekeyStore(t *testing.T) {
	d := everyRow(t)
	sum, _, err := d.Digest(ctx, d.clock.Now().Unix())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Rekey(ctx, withKeys(d.cfg, storetest.Keys(1)), nil); !errors.Is(err, store.ErrInUse) {
		t.Errorf("an open store: %v", err)
	}
	for _, keys := range []*store.Keys{storetest.Keys(1), storetest.Keys(2, 1)} {
		d.close()
		if err := store.Rekey(ctx, withKeys(d.cfg, keys), nil); err != nil {
			t.Fatal(err)
		}
		d.cfg.Keys = storetest.Keys(keyNumber(keys))
		wantUses(t, d.cfg, keyNumber(keys))
		d.healthy()
		d.open()
		if again, _, err := d.Digest(ctx, d.clock.Now().Unix()); err != nil || again != sum {
			t.Errorf("with %s: other content, %v", keys, err)
		}
		d.wantValue(ns1, "blob", strings.Repeat("x", 70_000))
		d.write(put(ns2, "after", "v"), del(ns2, "after"))
		sum, _, err = d.Digest(ctx, d.clock.Now().Unix())
		if err != nil {
			t.Fatal(err)
		}
	}
	d.close()
	if err := d.mem.Remove("/data/ENCRYPTION"); err != nil {
		t.Fatal(err)
	}
	if is, err := store.Encrypted(d.cfg); !is || err != nil {
		t.Errorf("without its marker it is taken for plain, %v", err)
	}
	if err := entries["fsck"](d.cfg); !errors.Is(err, store.ErrUnfinishedKeys) {
		t.Errorf("opened without its marker: %v", err)
	}
	if err := store.Rekey(ctx, d.cfg, nil); err != nil {
		t.Errorf("make the marker again: %v", err)
	}
	d.healthy()
	for name, cfg := range map[string]store.Config{
		"nothing": {Dir: "/nothing", FS: d.mem, Keys: storetest.Keys(1)},
		"no keys": {Dir: "/data", FS: d.mem},
	} {
		if err := store.Rekey(ctx, cfg, nil); err == nil {
			t.Errorf("%s: rekeyed", name)
		}
	}
}

// TestRekeyCutOff ends the change from a key to another before each of its steps, as
// kill -9 does. With both keys the store opens, holds the same and keeps nothing half
// written, and another call ends the change.
func TestRekeyCutOff(t *testing.T) {
	d := encrypted(t, 1)
	d.reopen() // so that there are tables
	sum := d.digest()
	d.close()
	both := storetest.Keys(2, 1)
	for i, left := range cutRekey(t, d, both) {
		cfg := store.Config{InlineBytes: 5000, Keys: both}
		wantCut(t, i, left, cfg, sum)
		cfg.Dir, cfg.FS = "/data", left
		if err := store.Rekey(ctx, cfg, nil); err != nil {
			t.Fatalf("cut %d: again: %v", i, err)
		}
		cfg.Keys = storetest.Keys(2)
		wantCut(t, i, left, cfg, sum)
	}
}

// cutRekey is the disk before each step of a rekey, and after the last.
func cutRekey(t *testing.T, d *disk, keys *store.Keys) (left []*store.MemFS) {
	t.Helper()
	all := store.CrashClone{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}
	d.faults.Inject(func(storetest.Op, string) error {
		left = append(left, d.mem.CrashClone(all))
		return nil
	})
	err := store.Rekey(ctx, withKeys(d.cfg, keys), nil)
	d.faults.Inject(nil)
	if err != nil || len(left) < 50 {
		t.Fatalf("%d steps, %v", len(left), err)
	}
	return append(left, d.mem.CrashClone(all))
}

func wantCut(t *testing.T, cut int, left *store.MemFS, cfg store.Config, sum [32]byte) {
	t.Helper()
	d := openDisk(t, left, cfg)
	if again := d.digest(); again != sum {
		t.Errorf("cut %d: the store holds something else", cut)
	}
	d.close()
	for path := range snapshotFS(t, left, "/data") {
		if strings.Contains(path, "rekey") {
			t.Errorf("cut %d: %s is left", cut, path)
		}
	}
}

func keyNumber(keys *store.Keys) byte {
	for n := range byte(10) {
		if storetest.Keys(n).Active() == keys.Active() {
			return n
		}
	}
	return 0
}

// TestNothingPlainOnDisk looks for keys, values, metadata and titles in every file,
// after each way in which they can get there, with the store open and closed. Where
// it is not encrypted they are there: else the test would see nothing.
func TestNothingPlainOnDisk(t *testing.T) {
	for name, keys := range map[string]*store.Keys{"plain": nil, "encrypted": storetest.Keys(1)} {
		d := newDisk(t, store.Config{InlineBytes: 20_000, Keys: keys})
		secrets := []string{"limosaKEY", "INLINEcurlew", "ROWwhimbrel", "knotBLOB", "dunlinMETA", "sanderlingTITLE"}
		m := put(ns1, secrets[0], secrets[1])
		m.Metadata = []byte(`"` + secrets[4] + `"`)
		d.write(m, put(ns1, "row", strings.Repeat(secrets[2], 500)), d.putBlob(ns1, "blob", strings.Repeat(secrets[3], 10_000)),
			put(godwit.SystemNamespace, "title", `{"title":"`+secrets[5]+`"}`))
		running := snapshotFS(t, d.mem, "/data")
		d.reopen()
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		d.close()
		closed := snapshotFS(t, d.mem, "/data")
		for when, files := range map[string]map[string]string{"running": running, "closed": closed} {
			for _, secret := range secrets {
				found := ""
				for path, content := range files {
					if strings.Contains(content, secret) {
						found = path
					}
				}
				missing := keys == nil && found == "" && when == "running" // tables are compressed
				if keys != nil && found != "" || missing {
					t.Errorf("%s, %s: %q is in %q", name, when, secret, found)
				}
			}
		}
	}
}

// TestEveryFileIsEncrypted: each that ever holds something begins with the header of an
// encrypted one, those of a copy's runs too, but for the marker.
func TestEveryFileIsEncrypted(t *testing.T) {
	d := newFollower(t, store.Config{Keys: storetest.Keys(1)})
	d.follows()
	runs := 0
	look := func(path, content string) {
		if content != "" && content != "directory" && path != "/data/ENCRYPTION" && !strings.HasPrefix(content, "gwcrypt1") {
			t.Errorf("%s begins with %.20q", path, content)
		}
	}
	d.onRemove(func(path string) {
		if strings.HasPrefix(path, "/data/runs/") {
			runs++
			look(path, string(readFile(t, d.mem, path)))
		}
	})
	d.installRuns(0, 1)
	d.write(d.putBlob(ns1, "zz-blob", strings.Repeat("x", 70_000)))
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	for path, content := range snapshotFS(t, d.mem, "/data") {
		look(path, content)
	}
	d.close()
	files := snapshotFS(t, d.mem, "/data")
	for path, content := range files {
		look(path, content)
	}
	if runs == 0 || len(files) < 8 {
		t.Errorf("%d files of runs, %d files", runs, len(files))
	}
}

// TestRekeyMarked: a directory that is marked to be copied again is so under other keys
// too, with the notes that the mark holds.
func TestRekeyMarked(t *testing.T) {
	for name, keys := range map[string]struct{ old, rekey, after *store.Keys }{
		"plain to encrypted": {nil, storetest.Keys(1), storetest.Keys(1)},
		"key to key":         {storetest.Keys(1), storetest.Keys(2, 1), storetest.Keys(2)},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFollower(t, store.Config{Keys: keys.old})
			d.tx(func(tx *store.Tx) error {
				tx.SetNote("member", []byte("me"))
				return tx.Install(at(7, put(ns1, "k", "v")))
			})
			if err := d.CopyAgain("member"); err != nil {
				t.Fatal(err)
			}
			d.close()
			if err := store.Rekey(ctx, withKeys(d.cfg, keys.rekey), nil); err != nil {
				t.Fatal(err)
			}
			d.cfg = withKeys(d.cfg, keys.after)
			d.open()
			d.wantAbsent(ns1, "k")
			if text, err := d.Note("member"); err != nil || string(text) != "me" {
				t.Errorf("note %q, %v", text, err)
			}
			d.reopen()
			d.healthy()
		})
	}
}

// TestNATSSecret: it is made once, stays over a change of keys, and is not plain.
func TestNATSSecret(t *testing.T) {
	d := encrypted(t, 1)
	if _, err := d.NATSSecret(false); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "nats-key") {
		t.Errorf("made though it may not be: %v", err)
	}
	first, err := d.NATSSecret(true)
	if err != nil || len(first) != 32 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	if stored := readFile(t, d.mem, "/data/nats-key"); strings.Contains(string(stored), string(first[:8])) {
		t.Error("it stands there in plain")
	}
	d.close()
	d.cfg.Keys = storetest.Keys(2, 1)
	if err := store.Rekey(ctx, d.cfg, nil); err != nil {
		t.Fatal(err)
	}
	d.cfg.Keys = storetest.Keys(2)
	d.open()
	if again, err := d.NATSSecret(false); err != nil || string(again) != string(first) {
		t.Errorf("it has changed, %v", err)
	}
	if other, err := encrypted(t, 1).NATSSecret(true); err != nil || string(other) == string(first) {
		t.Errorf("two directories have the same, %v", err)
	}
	if none, err := newDisk(t, store.Config{}).NATSSecret(true); none != nil || err != nil {
		t.Errorf("a plain directory has %d bytes, %v", len(none), err)
	}
}
