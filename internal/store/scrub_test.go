package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func noPace(context.Context, int) error { return nil }

// checkTables returns what is found in the database's files, and how many there are.
func (d *disk) checkTables() (files int, found []error, lost []store.Damage) {
	d.t.Helper()
	for after := uint64(0); ; files++ {
		table, ok, err := d.TableAfter(after)
		if err != nil {
			d.t.Fatal(err)
		}
		if !ok {
			return files, found, lost
		}
		after = table.Number
		if err := d.CheckTable(ctx, table, noPace); err != nil {
			found = append(found, err)
			err := d.DamagedIn(ctx, table, func(x store.Damage) { lost = append(lost, x) })
			if err != nil && !store.IsDamage(err) {
				d.t.Fatal(err)
			}
		}
	}
}

// sstables are the paths of the database's files.
func (d *disk) sstables() (paths []string) {
	d.t.Helper()
	names, err := d.mem.List("/data/db")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			paths = append(paths, "/data/db/"+name)
		}
	}
	return paths
}

// manyKeys is a closed store whose values are in the database's files.
func manyKeys(t *testing.T) (d *disk, values map[string]string) {
	t.Helper()
	d = newDisk(t, store.Config{})
	d.openEpoch()
	rng := rand.NewChaCha8([32]byte{1})
	values = make(map[string]string)
	for i := range 300 {
		value := make([]byte, 300)
		if i%3 == 0 {
			value = make([]byte, 3000)
		}
		_, _ = rng.Read(value)
		values[keyN(i)] = string(value)
		d.write(put(ns1, keyN(i), string(value)))
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	d.close()
	return d, values
}

// TestCheckTables: whichever byte of a file is another, it is noticed, nothing is read
// as it never was, and all that cannot be read is told of.
func TestCheckTables(t *testing.T) {
	d, values := manyKeys(t)
	path := d.sstables()[0]
	whole := readFile(t, d.mem, path)
	rng := rand.New(rand.NewPCG(1, 2))
	lostAtAll := 0
	for i := range 30 {
		at, bit := rng.IntN(len(whole)), rng.IntN(8)
		if i%2 == 0 { // where the blocks are told of
			at = len(whole) - 1 - at%1500
		}
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1 << bit
		writeFile(t, d.mem, path, damaged)
		s, err := store.Open(ctx, d.cfg)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("byte %d: open: %v", at, err)
			}
			continue
		}
		d.Store = s
		_, found, lost := d.checkTables()
		if len(found) == 0 {
			t.Errorf("byte %d of %d is another, and nothing was found", at, len(whole))
		}
		lostAtAll += len(lost)
		assertReads(t, d, values, lost)
		if problems := d.fsck(); len(problems) == 0 {
			t.Errorf("byte %d is another, and fsck finds nothing", at)
		}
	}
	if lostAtAll == 0 {
		t.Error("no damage took a value along")
	}
	writeFile(t, d.mem, path, whole)
	d.open()
	if files, found, _ := d.checkTables(); files == 0 || len(found) != 0 {
		t.Errorf("%d whole files: %v", files, found)
	}
	d.healthy()
}

// assertReads holds that a value is read as it was written or not at all, and that
// those that are not are told of.
func assertReads(t *testing.T, d *disk, values map[string]string, lost []store.Damage) {
	t.Helper()
	told := make(map[string]bool)
	for _, x := range lost {
		told[x.Key] = true
	}
	page, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 1000}, godwit.ReadOptions{})
	if err == nil && len(page.Entries) != len(values) || err != nil && !errors.Is(err, godwit.ErrDamaged) {
		t.Errorf("a list: %v", err)
	}
	for key, want := range values {
		got, err := d.get(ns1, key)
		switch {
		case err == nil && got != want:
			t.Fatalf("%s is read as it never was", key)
		case err == nil:
		case !errors.Is(err, godwit.ErrDamaged):
			t.Errorf("%s: %v", key, err)
		case !told[key] && len(lost) > 0:
			t.Errorf("%s cannot be read, and is not told of", key)
		}
	}
}

// TestCheckTruncatedTable: a file that ends early is damaged.
func TestCheckTruncatedTable(t *testing.T) {
	d, _ := manyKeys(t)
	d.open()
	path := d.sstables()[0]
	whole := readFile(t, d.mem, path)
	writeFile(t, d.mem, path, whole[:len(whole)/2])
	if _, found, _ := d.checkTables(); len(found) == 0 || !errors.Is(found[0], store.ErrCorrupt) {
		t.Errorf("truncated: %v", found)
	}
	if err := d.mem.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := d.checkTables(); len(found) == 0 {
		t.Error("a file that is gone is taken for a whole one")
	}
	writeFile(t, d.mem, path, whole)
}

// TestCheckStops: what ends a scrub is no damage.
func TestCheckStops(t *testing.T) {
	d, _ := manyKeys(t)
	d.open()
	table, _, err := d.TableAfter(0)
	if err != nil {
		t.Fatal(err)
	}
	over := errors.New("over")
	if err := d.CheckTable(ctx, table, func(context.Context, int) error { return over }); err != over {
		t.Errorf("stopped: %v", err)
	}
}

// blobsOf are all blobs that a scrub looks at.
func (d *disk) blobsOf() (all []store.NamedBlob) {
	d.t.Helper()
	for position := []byte(nil); ; {
		b, ok, err := d.BlobAfter(ctx, position)
		if err != nil {
			d.t.Fatal(err)
		}
		if !ok {
			return all
		}
		position = b.Position
		all = append(all, b)
	}
}

// TestCheckBlobs: a blob with another byte, one that ends early and one without a file
// are noticed; reads of them fail, and tell of it.
func TestCheckBlobs(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	d.openEpoch()
	value := strings.Repeat("godwit ", 20_000)
	for i := range 4 {
		d.write(d.putBlob(ns1, keyN(i), value))
	}
	var told []string
	d.SetOnDamaged(func(x store.Damage) { told = append(told, x.Key) })
	all := d.blobsOf()
	if len(all) != 4 {
		t.Fatalf("%d blobs", len(all))
	}
	for i, b := range all {
		path := "/data/blobs/" + b.Blob.ID.String()
		content := readFile(t, d.mem, path)
		switch b.Key {
		case keyN(0):
		case keyN(1):
			content[i+100_000] ^= 4
			writeFile(t, d.mem, path, content)
		case keyN(2):
			writeFile(t, d.mem, path, content[:len(content)/2])
		case keyN(3):
			if err := d.mem.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	var bad []string
	for _, b := range all {
		if err := d.CheckBlob(ctx, b, noPace); err != nil {
			bad = append(bad, b.Key)
		}
	}
	want := []string{keyN(1), keyN(2), keyN(3)}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(bad))); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	d.wantValue(ns1, keyN(0), value)
	for _, key := range want {
		got, err := d.get(ns1, key)
		if !errors.Is(err, godwit.ErrDamaged) || !strings.HasPrefix(value, got) {
			t.Errorf("%s: %d bytes, %v", key, len(got), err)
		}
	}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(told))); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestSweptBlobIsNotDamaged: one whose entry has gone while it was looked at is whole.
func TestSweptBlobIsNotDamaged(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000, BlobGrace: 1})
	d.openEpoch()
	d.write(d.putBlob(ns1, "k", strings.Repeat("x", 9000)))
	b := d.blobsOf()[0]
	d.write(del(ns1, "k"))
	d.clock.advance(2e9)
	d.sweep()
	if err := d.CheckBlob(ctx, b, noPace); err != nil {
		t.Errorf("a blob that was swept: %v", err)
	}
	if d.Names(b) {
		t.Error("it is named")
	}
}

// TestVersionsAreChecked: earlier versions' blobs are among those to look at.
func TestVersionsAreChecked(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	d.openEpoch()
	d.write(keeping(ns1, "10"))
	d.write(d.putBlob(ns1, "k", strings.Repeat("x", 9000)))
	d.write(d.putBlob(ns1, "k", strings.Repeat("y", 9000)))
	var revisions []string
	for _, b := range d.blobsOf() {
		if err := d.CheckBlob(ctx, b, noPace); err != nil {
			t.Error(err)
		}
		revisions = append(revisions, fmt.Sprint(b.Key, b.Blob.Size))
	}
	if diff := cmp.Diff([]string{"k9000", "k9000"}, revisions); diff != "" {
		t.Errorf("looked at (-want +got):\n%s", diff)
	}
}

// TestCopyAgain: a follower that is marked begins anew, with its notes, also after a
// crash at any step; a store that owns its log is never marked.
func TestCopyAgain(t *testing.T) {
	d := newDisk(t, store.Config{Follower: true, InlineBytes: 5000})
	tx := d.Begin()
	tx.SetNote("member", []byte("me"))
	if err := tx.Install(at(7, put(ns1, "k", "v"))); err != nil {
		t.Fatal(err)
	}
	c, err := tx.Commit(store.Sync)
	if err = errors.Join(err, c.Wait(), d.CopyAgain("member")); err != nil {
		t.Fatal(err)
	}
	d.wantValue(ns1, "k", "v") // until it ends
	d.close()

	owner := d.cfg
	owner.Follower = false
	if _, err := store.Open(ctx, owner); !errors.Is(err, store.ErrRecopy) {
		t.Errorf("opened as an owner: %v", err)
	}
	before := snapshotFS(t, d.mem, "/data")
	if _, err := d.promote(0); !errors.Is(err, store.ErrRecopy) { // it may be the last copy
		t.Errorf("promoted: %v", err)
	}
	if diff := cmp.Diff(before, snapshotFS(t, d.mem, "/data")); diff != "" {
		t.Errorf("what was refused was changed (-was +is):\n%s", diff)
	}
	d.open()
	d.wantAbsent(ns1, "k")
	if text, err := d.Note("member"); string(text) != "me" || err != nil || d.Revision() != 0 {
		t.Errorf("note %q, %v, at %d", text, err, d.Revision())
	}
	d.reopen()
	if d.Revision() != 0 {
		t.Error("it is marked still")
	}
	d.healthy()

	own := newDisk(t, store.Config{})
	if err := own.CopyAgain(); err == nil {
		t.Error("a store that owns its log was marked")
	}
}
