package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// Pebble leaves this one behind when it fails to open.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

var ctx = context.Background()

// clock is a settable time, safe for the store's sweeper to read.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// disk is a file system in memory with a store on it.
type disk struct {
	*store.Store

	t      testing.TB
	mem    *store.MemFS
	faults *storetest.Faults
	clock  *clock
	cfg    store.Config
}

// newDisk opens a store, which the test's end closes.
func newDisk(t testing.TB, cfg store.Config) *disk {
	t.Helper()
	return openDisk(t, store.NewCrashFS(), cfg)
}

func openDisk(t testing.TB, mem *store.MemFS, cfg store.Config) *disk {
	t.Helper()
	d := &disk{t: t, mem: mem, faults: storetest.NewFaults(mem), clock: newClock(), cfg: cfg.WithoutSweeper()}
	d.cfg.Dir, d.cfg.FS, d.cfg.Now = "/data", d.faults, d.clock.Now
	if d.cfg.DiskReserve == 0 {
		d.cfg.DiskReserve = -1
	}
	if d.cfg.CacheBytes == 0 {
		d.cfg.CacheBytes, d.cfg.HotBytes = 1<<20, 64<<10
	}
	d.open()
	t.Cleanup(d.close)
	return d
}

func (d *disk) open() {
	d.t.Helper()
	s, err := store.Open(ctx, d.cfg)
	if err != nil {
		d.t.Fatalf("open: %v", err)
	}
	d.Store = s
}

func (d *disk) close() {
	if d.Store == nil {
		return
	}
	if err := d.Store.Close(); err != nil {
		d.t.Errorf("close: %v", err)
	}
	d.Store = nil
}

func (d *disk) reopen() {
	d.t.Helper()
	d.close()
	d.open()
}

// fsck closes the store and returns its problems, which are the same whether a digest is
// made or not.
func (d *disk) fsck() (problems []string) {
	d.t.Helper()
	d.close()
	if err := store.Fsck(ctx, d.cfg, func(p string) { problems = append(problems, p) }); err != nil {
		d.t.Errorf("fsck: %v", err)
	}
	d.fsckDigest(problems)
	return problems
}

// fsckDigest wants the check that makes a digest to find some problems, and the right
// digest where there are none.
func (d *disk) fsckDigest(problems []string) {
	d.t.Helper()
	const now = 1_767_225_700
	var found []string
	sum, revision, err := store.FsckDigest(ctx, d.cfg, now, func(p string) { found = append(found, p) })
	if err != nil {
		d.t.Errorf("fsck with a digest: %v", err)
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(problems, found, sorted, cmpopts.EquateEmpty()); diff != "" {
		d.t.Errorf("problems (-without +with a digest):\n%s", diff)
	}
	if len(found) > 0 || err != nil {
		return
	}
	err = store.Look(ctx, d.cfg, func(ctx context.Context, s *store.Store) error {
		want, at, err := s.Digest(ctx, now)
		if sum != want || revision != at {
			d.t.Errorf("digest %x of revision %d, want %x of %d", sum[:4], revision, want[:4], at)
		}
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
}

// healthy closes the store and holds every index against every other.
func (d *disk) healthy() {
	d.t.Helper()
	for _, p := range d.fsck() {
		d.t.Errorf("fsck: %s", p)
	}
}

func (d *disk) sweep() {
	d.t.Helper()
	if err := d.Sweep(ctx); err != nil {
		d.t.Errorf("sweep: %v", err)
	}
}

// commit makes mutations visible as one transaction of the log.
func (d *disk) commit(durability store.Durability, mutations ...godwit.Mutation) store.Commit {
	d.t.Helper()
	tx := d.Begin()
	tx.Advance(d.clock.Now().UnixMilli())
	for _, m := range mutations {
		r := godwit.Record{Mutation: m, Revision: tx.Revision() + 1, Created: tx.Time(), Modified: tx.Time()}
		if err := tx.Apply(&r); err != nil {
			d.t.Fatalf("apply: %v", err)
		}
	}
	c, err := tx.Commit(durability)
	if err != nil {
		d.t.Fatalf("commit: %v", err)
	}
	return c
}

// write makes mutations durable and returns the revision of the last.
func (d *disk) write(mutations ...godwit.Mutation) godwit.Revision {
	d.t.Helper()
	if err := d.commit(store.Sync, mutations...).Wait(); err != nil {
		d.t.Fatalf("sync: %v", err)
	}
	return d.Revision()
}

var ns1, ns2 = godwit.NamespaceID{15: 1}, godwit.NamespaceID{15: 2}

func put(ns godwit.NamespaceID, key, value string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Inline: []byte(value)}}
}

func putUntil(ns godwit.NamespaceID, key, value string, expiration int64) godwit.Mutation {
	m := put(ns, key, value)
	m.Expiration = expiration
	return m
}

func del(ns godwit.NamespaceID, key string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: key}
}

// dropNS deletes the entry that makes a namespace exist.
func dropNS(ns godwit.NamespaceID) godwit.Mutation {
	return del(godwit.SystemNamespace, "namespace/"+ns.String())
}

// putBlob uploads a value that is too large to be inline.
func (d *disk) putBlob(ns godwit.NamespaceID, key, value string) godwit.Mutation {
	d.t.Helper()
	v, err := d.Upload(ctx, strings.NewReader(value), godwit.MaxValueBytes)
	if err != nil {
		d.t.Fatalf("upload: %v", err)
	}
	if v.Blob.IsZero() {
		d.t.Fatalf("a value of %d bytes is no blob", len(value))
	}
	return godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: v}
}

// get returns a key's value, or what went wrong.
func (d *disk) get(ns godwit.NamespaceID, key string) (string, error) {
	e, _, err := d.Get(ctx, ns, []byte(key), godwit.ReadOptions{})
	if err != nil {
		return "", err
	}
	r, err := d.OpenValue(ctx, ns, e)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

// awaitReads returns once so many reads wait for the disk.
func (d *disk) awaitReads(n int64) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); d.Waiting() < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			d.t.Fatalf("%d reads wait for the disk, want %d", d.Waiting(), n)
		}
	}
}

func (d *disk) wantValue(ns godwit.NamespaceID, key, want string) {
	d.t.Helper()
	if got, err := d.get(ns, key); err != nil || got != want {
		d.t.Errorf("get %q: %.40q (%d bytes) %v, want %.40q", key, got, len(got), err, want)
	}
}

func (d *disk) wantAbsent(ns godwit.NamespaceID, key string) {
	d.t.Helper()
	if got, err := d.get(ns, key); !errors.Is(err, godwit.ErrKeyNotFound) {
		d.t.Errorf("get %q: %.40q %v, want absent", key, got, err)
	}
}

func (d *disk) wantStats(ns godwit.NamespaceID, keys, bytes int64) {
	d.t.Helper()
	if k, b := d.NamespaceStats(ns); k != keys || b != bytes {
		d.t.Errorf("namespace %s: %d keys of %d bytes, want %d of %d", ns, k, b, keys, bytes)
	}
}

// onRemove calls fn before each file is removed.
func (d *disk) onRemove(fn func(path string)) {
	d.faults.Inject(func(op storetest.Op, path string) error {
		if op == storetest.Remove {
			fn(path)
		}
		return nil
	})
}

// blobFiles are the names in the blob directory.
func (d *disk) blobFiles() []string {
	d.t.Helper()
	names, err := d.mem.List("/data/blobs")
	if err != nil {
		d.t.Fatalf("list blobs: %v", err)
	}
	return names
}

// snapshotFS is every file below /data with its bytes.
func snapshotFS(t testing.TB, fs store.FS, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	names, err := fs.List(dir)
	if err != nil {
		return files
	}
	for _, name := range names {
		path := dir + "/" + name
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatalf("stat: %v", err)
		}
		if info.IsDir() {
			files[path] = "directory"
			for k, v := range snapshotFS(t, fs, path) {
				files[k] = v
			}
			continue
		}
		files[path] = string(readFile(t, fs, path))
	}
	return files
}

func readFile(t testing.TB, fs store.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatalf("open file: %v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read file: %v", err)
	}
	return b
}

func writeFile(t testing.TB, fs store.FS, path string, content []byte) {
	t.Helper()
	f, err := fs.Create(path, "test")
	if err == nil {
		_, err = io.Copy(f, bytes.NewReader(content))
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatalf("write file: %v", err)
	}
}

func keyN(i int) string { return fmt.Sprintf("key%04d", i) }
