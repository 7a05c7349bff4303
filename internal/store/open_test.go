package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// TestUnknownVersion: a directory of another version is refused by name, by Open
// and by Fsck, and not touched.
func TestUnknownVersion(t *testing.T) {
	for text, want := range map[string]string{
		"godwit store, format 5\n":   "the directory has format 5, this godwit reads formats 1 to 4",
		"godwit store, format 999\n": "the directory has format 999, this godwit reads formats 1 to 4",
		"":                           `the directory has format "", this godwit reads formats 1 to 4`,
		"something else\n":           `the directory has format "something else\n", this godwit reads formats 1 to 4`,
	} {
		d := newDisk(t, store.Config{})
		d.write(put(ns1, "k", "v"))
		d.close()
		writeFile(t, d.mem, "/data/FORMAT", []byte(text))
		d.refused(store.ErrVersion, want)
	}
}

// refused checks that Open and Fsck refuse the directory and leave it as it is.
func (d *disk) refused(want error, text string) {
	d.t.Helper()
	before := snapshotFS(d.t, d.mem, "/data")
	s, err := store.Open(ctx, d.cfg)
	if err == nil {
		_ = s.Close()
	}
	for who, err := range map[string]error{
		"open": err,
		"fsck": store.Fsck(ctx, d.cfg, func(p string) { d.t.Errorf("fsck: %s", p) }),
	} {
		if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), text) {
			d.t.Errorf("%s: %v, want %v: %s", who, err, want, text)
		}
	}
	if diff := cmp.Diff(before, snapshotFS(d.t, d.mem, "/data")); diff != "" {
		d.t.Errorf("the directory was touched (-before +after):\n%s", diff)
	}
}

func TestUnknownVersionOfRows(t *testing.T) {
	d := newDisk(t, store.Config{})
	if err := d.Set([]byte("mformat"), []byte("7")); err != nil {
		t.Fatal(err)
	}
	d.close()
	_, err := store.Open(ctx, d.cfg)
	if !errors.Is(err, store.ErrVersion) || !strings.Contains(fmt.Sprint(err), `format "7"`) {
		t.Errorf("open: %v", err)
	}
}

func TestInUse(t *testing.T) {
	for name, cfg := range map[string]store.Config{
		"memory": {Dir: "/data", FS: store.NewMemFS(), DiskReserve: -1, CacheBytes: 1},
		"disk":   {Dir: t.TempDir(), DiskReserve: -1, CacheBytes: 1},
	} {
		s, err := store.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // being refused does not free it
			if _, err := store.Open(ctx, cfg); !errors.Is(err, store.ErrInUse) {
				t.Errorf("%s: second open: %v", name, err)
			}
			if err := store.Fsck(ctx, cfg, func(p string) { t.Error(p) }); !errors.Is(err, store.ErrInUse) {
				t.Errorf("%s: fsck: %v", name, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
		if err := store.Fsck(ctx, cfg, func(p string) { t.Error(p) }); err != nil {
			t.Errorf("%s: fsck after close: %v", name, err)
		}
	}
}

func TestMissingDatabase(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.close()
	if err := d.mem.RemoveAll("/data/db"); err != nil {
		t.Fatal(err)
	}
	d.refused(store.ErrCorrupt, "database is missing")
}

// TestDamagedFiles flips bytes of each of the database's files, and cuts them. A
// damage that opening meets is refused as such, and the directory not touched;
// any other one is met by a read, which fails, or by none: never is a wrong or an
// absent value given.
func TestDamagedFiles(t *testing.T) {
	t.Run("plain", func(t *testing.T) { damageFiles(t, nil) })
	t.Run("encrypted", func(t *testing.T) { damageFiles(t, storetest.Keys(1)) })
}

func damageFiles(t *testing.T, keys *store.Keys) {
	d := damageable(t, keys)
	d.close()
	rng := rand.New(rand.NewPCG(1, 6))
	whole := snapshotFS(t, d.mem, "/data")
	for _, path := range damageableFiles(whole) {
		refused := 0
		for i := range 24 / effort {
			content := []byte(whole[path])
			what := fmt.Sprintf("%s cut to %d bytes", path, len(content)*i*effort/24)
			if damaged := content[:len(content)*i*effort/24]; i%2 == 0 {
				at := rng.IntN(len(content))
				content[at] ^= 1 << rng.IntN(8)
				what = fmt.Sprintf("%s flipped at %d", path, at)
			} else {
				content = damaged
			}
			if openDamaged(t, d, whole, path, content, what) {
				refused++
			}
		}
		t.Logf("%s: %d of %d damages refused when opened", path, refused, 24/effort)
	}
}

const damageKeys = 300

// damageable is a store with rows in tables and in the write-ahead log.
func damageable(t *testing.T, keys *store.Keys) *disk {
	d := newDisk(t, store.Config{Keys: keys})
	for i := range damageKeys {
		d.write(put(ns1, keyN(i), strings.Repeat(keyN(i), 1+i%300)))
		if i == damageKeys/2 {
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

func damageableFiles(files map[string]string) (paths []string) {
	for path, content := range files {
		if strings.HasPrefix(path, "/data/db/") && len(content) > 0 && content != "directory" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func openDamaged(t *testing.T, d *disk, whole map[string]string, path string, content []byte, what string) (refused bool) {
	t.Helper()
	cfg := d.cfg
	mem := store.NewMemFS()
	cfg.FS = mem
	for p, c := range whole {
		if c == "directory" {
			if err := mem.MkdirAll(p, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p, c := range whole {
		if c != "directory" && p != path {
			writeFile(t, mem, p, []byte(c))
		}
	}
	writeFile(t, mem, path, content)
	before := snapshotFS(t, mem, "/data")
	s, err := store.Open(ctx, cfg)
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: open: %v, want ErrCorrupt", what, err)
		}
		after := snapshotFS(t, mem, "/data")
		if diff := cmp.Diff(keysOf(before), keysOf(after)); diff != "" || !cmp.Equal(before, after) {
			t.Errorf("%s: the directory was touched (-before +after):\n%s", what, diff)
		}
		return true
	}
	damaged := &disk{Store: s, t: t}
	for i := range damageKeys {
		want := strings.Repeat(keyN(i), 1+i%300)
		got, err := damaged.get(ns1, keyN(i))
		if err == nil && got != want || errors.Is(err, godwit.ErrKeyNotFound) {
			t.Errorf("%s: %s is %.20q, %v", what, keyN(i), got, err)
			break
		}
	}
	_ = s.Close() // of a damaged store
	return false
}

func keysOf(files map[string]string) (keys []string) {
	for k := range files {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// crashes are a disk as crashes at many moments would leave it.
type crashes struct {
	percents []int // of what was not synced that survive
	mu       sync.Mutex
	clones   []*store.MemFS
}

// before clones the disk before each operation that changes something.
func (c *crashes) before(mem *store.MemFS, rng *rand.Rand) func(storetest.Op, string) error {
	return func(storetest.Op, string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, percent := range c.percents {
			c.clones = append(c.clones, mem.CrashClone(store.CrashClone{UnsyncedDataPercent: percent, RNG: rng}))
		}
		return nil
	}
}

func (c *crashes) enough(t *testing.T) []*store.MemFS {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if steps := len(c.clones) / len(c.percents); steps < 10 {
		t.Fatalf("only %d steps", steps)
	}
	thinned := c.clones[:0]
	for i := 0; i < len(c.clones); i += effort {
		thinned = append(thinned, c.clones[i])
	}
	return thinned
}

// TestHalfMadeDirectory crashes at each step of making a directory: what is left
// opens, and is empty and whole.
func TestHalfMadeDirectory(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 6))
	mem := store.NewCrashFS()
	faults := storetest.NewFaults(mem)
	crashes := &crashes{percents: []int{0, 50, 100}}
	faults.Inject(crashes.before(mem, rng))
	cfg := store.Config{Dir: "/new/data", FS: faults, DiskReserve: -1, CacheBytes: 1}
	s, err := store.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	faults.Inject(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i, clone := range crashes.enough(t) {
		cfg.FS = clone
		s, err := store.Open(ctx, cfg)
		if err != nil {
			t.Errorf("crash %d: open: %v", i, err)
			continue
		}
		if st := s.Stats(); st.Keys != 0 || len(st.ClusterID) != 32 {
			t.Errorf("crash %d: %+v", i, st)
		}
		if err := s.Close(); err != nil {
			t.Errorf("crash %d: close: %v", i, err)
		}
		if err := store.Fsck(ctx, cfg, func(p string) { t.Errorf("crash %d: fsck: %s", i, p) }); err != nil {
			t.Errorf("crash %d: fsck: %v", i, err)
		}
	}
}

// TestCrashWhileOpeningOrClosing crashes at each step of opening a directory that
// holds something, and of closing it again: nothing is missing, and no crash is
// taken for damage.
func TestCrashWhileOpeningOrClosing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 6))
	d := damageable(t, nil)
	for range 2 { // after a close, and after a crash
		// All or nothing of what was not synced: the database relies on a
		// directory's entries reaching the disk in their order.
		crashes := &crashes{percents: []int{0, 100}}
		d.faults.Inject(crashes.before(d.mem, rng))
		d.reopen()
		d.faults.Inject(nil)
		for i, clone := range crashes.enough(t) {
			c := &disk{t: t, cfg: d.cfg}
			c.cfg.FS = clone
			c.open()
			if k, _ := c.NamespaceStats(ns1); k != damageKeys {
				t.Errorf("crash %d: %d keys, want %d", i, k, damageKeys)
			}
			c.wantValue(ns1, keyN(0), keyN(0))
			c.healthy()
		}
		d = openDisk(t, d.mem.CrashClone(store.CrashClone{}), d.cfg)
	}
}

// TestFailedOpen lets each step of making a directory fail in turn: Open says so,
// does not call it damage, and lets go of everything, so that the next one
// succeeds.
func TestFailedOpen(t *testing.T) {
	for step, failed := 0, true; failed; step++ {
		failed = false
		faults := storetest.NewFaults(store.NewMemFS())
		faults.Inject(func(storetest.Op, string) error {
			if faults.Count() != step+1 {
				return nil
			}
			failed = true
			return storetest.ErrInjected
		})
		cfg := store.Config{Dir: "/data", FS: faults, DiskReserve: -1, CacheBytes: 1}
		s, err := store.Open(ctx, cfg)
		faults.Inject(nil)
		if err == nil {
			err = s.Close()
		}
		if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrInUse) {
			t.Errorf("step %d: %v", step, err)
		}
		if s, err = store.Open(ctx, cfg); err != nil {
			t.Errorf("step %d: open again: %v", step, err)
		} else if err := s.Close(); err != nil {
			t.Errorf("step %d: close: %v", step, err)
		}
		if !failed && step < 40 {
			t.Errorf("opening took only %d steps", step)
		}
	}
}

// TestClusterID: a directory keeps its cluster id, and no two share one.
func TestClusterID(t *testing.T) {
	a, b := newDisk(t, store.Config{}), newDisk(t, store.Config{})
	id := a.Stats().ClusterID
	if len(id) != 32 || id == b.Stats().ClusterID {
		t.Errorf("cluster ids %q and %q", id, b.Stats().ClusterID)
	}
	a.reopen()
	if got := a.Stats().ClusterID; got != id {
		t.Errorf("cluster id %q became %q", id, got)
	}
}
