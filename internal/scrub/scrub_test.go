package scrub_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/logtest"
	"github.com/godwitkv/godwit/internal/scrub"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ns = godwit.NamespaceID{15: 1}

// world is a store on a disk in memory, its scrubber, and what others have of it.
type world struct {
	t      *testing.T
	mem    *store.MemFS
	faults *storetest.Faults
	store  *store.Store
	scrub  *scrub.Scrubber
	cfg    scrub.Config
	log    *logtest.Buffer

	values map[string][]byte
	away   atomic.Bool // nobody answers
	asked  atomic.Int64
}

// newWorld opens a store; peers: others have a copy of it.
func newWorld(t *testing.T, peers bool) *world {
	t.Helper()
	w := &world{t: t, mem: store.NewCrashFS(), values: make(map[string][]byte), log: new(logtest.Buffer)}
	w.cfg = scrub.Config{Every: 30 * 24 * time.Hour, Rate: 1 << 20, Now: time.Now, Logger: slog.New(slog.NewTextHandler(w.log, nil))}
	if peers {
		w.cfg.Fetch = w.fetch
	}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) fetch(_ context.Context, d store.Damage) (io.ReadCloser, error) {
	w.asked.Add(1)
	if w.away.Load() {
		return nil, errors.New("nobody answers")
	}
	return io.NopCloser(bytes.NewReader(w.values[d.Key])), nil
}

func (w *world) open() {
	w.t.Helper()
	w.faults = storetest.NewFaults(w.mem)
	s, err := store.Open(w.t.Context(), store.Config{
		Dir: "/data", FS: w.faults, InlineBytes: 5000, CacheBytes: 1 << 20, HotBytes: 64 << 10, DiskReserve: -1,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store, w.cfg.Store = s, s
	w.cfg.Metrics = nil
	w.scrub = scrub.New(w.cfg)
	if err := w.scrub.Open(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	if w.store == nil {
		return
	}
	if err := errors.Join(w.scrub.Close(), w.store.Close()); err != nil {
		w.t.Error(err)
	}
	w.store = nil
}

func (w *world) reopen() { w.close(); w.open() }

// put writes a value, as a blob if it is long.
func (w *world) put(key string, size int) {
	w.t.Helper()
	value := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{byte(len(w.values)), byte(size)})
	_, _ = rng.Read(value)
	w.values[key] = value
	v, err := w.store.Upload(w.t.Context(), bytes.NewReader(value), godwit.MaxValueBytes)
	if err != nil {
		w.t.Fatal(err)
	}
	w.apply(godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: v})
}

func (w *world) apply(m godwit.Mutation) {
	w.t.Helper()
	tx := w.store.Begin()
	tx.Advance(time.Now().UnixMilli())
	r := godwit.Record{Mutation: m, Revision: tx.Revision() + 1, Modified: tx.Time(), Created: tx.Time()}
	if err := tx.Apply(&r); err != nil {
		w.t.Fatal(err)
	}
	c, err := tx.Commit(store.Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// get is what a read returns.
func (w *world) get(key string) ([]byte, error) {
	e, _, err := w.store.Get(w.t.Context(), ns, []byte(key), godwit.ReadOptions{})
	if err != nil {
		return nil, err
	}
	r, err := w.store.OpenValue(w.t.Context(), ns, e)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func (w *world) wantAll() {
	w.t.Helper()
	for key, want := range w.values {
		if got, err := w.get(key); err != nil || !bytes.Equal(got, want) {
			w.t.Errorf("%s: %d bytes of %d, %v", key, len(got), len(want), err)
		}
	}
}

// file is the path of a key's blob.
func (w *world) file(key string) string {
	w.t.Helper()
	e, _, err := w.store.Get(w.t.Context(), ns, []byte(key), godwit.ReadOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.path(e.Value.Blob)
}

func (w *world) path(b godwit.Blob) string { return "/data/blobs/" + b.ID.String() }

func (w *world) read(path string) []byte {
	w.t.Helper()
	f, err := w.mem.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) write(path string, b []byte) {
	w.t.Helper()
	f, err := w.mem.Create(path, "test")
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// flip damages a key's blob.
func (w *world) flip(key string) {
	w.t.Helper()
	path := w.file(key)
	b := w.read(path)
	b[len(b)/2] ^= 1
	w.write(path, b)
}

// pass has one carried out, and returns its account.
func (w *world) pass() scrub.Status {
	w.t.Helper()
	before := w.scrub.Status().LastBegan
	time.Sleep(time.Second) // of the bubble: the next pass begins at another one
	w.scrub.Start()
	for range 1_000 {
		time.Sleep(time.Second)
		synctest.Wait()
		if st := w.scrub.Status(); !st.Running && st.LastBegan > before {
			return st
		}
	}
	w.t.Fatalf("the pass does not end: %+v", w.scrub.Status())
	return scrub.Status{}
}

// TestMends: whatever has become of a blob's file, its bytes are those of before once
// somebody was asked who has it.
func TestMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		for _, key := range []string{"whole", "flipped", "cut", "gone", "short"} {
			w.put(key, 200_000)
		}
		w.put("small", 100)
		before := w.read(w.file("flipped"))
		w.flip("flipped")
		w.write(w.file("cut"), w.read(w.file("cut"))[:1000])
		w.write(w.file("short"), nil)
		if err := w.mem.Remove(w.file("gone")); err != nil {
			t.Fatal(err)
		}
		st := w.pass()
		if st.LastFound != 4 || st.LastMended != 4 || st.Unmended != 0 || st.LastBytes < 200_000 {
			t.Errorf("%+v\n%s", st, w.log)
		}
		w.wantAll()
		if !bytes.Equal(w.read(w.file("flipped")), before) {
			t.Error("the file is another than before")
		}
		if got := strings.Count(w.log.String(), "a value was damaged, and is mended"); got != 4 {
			t.Errorf("%d lines:\n%s", got, w.log)
		}
		if st := w.pass(); st.LastFound != 0 || st.LastMended != 0 {
			t.Errorf("the next one: %+v", st)
		}
		assertNoSecrets(t, w)
	})
}

// assertNoSecrets holds that lines name a namespace and a revision, and no key.
func assertNoSecrets(t *testing.T, w *world) {
	t.Helper()
	text := w.log.String()
	if !strings.Contains(text, "namespace="+ns.String()) || !strings.Contains(text, "revision=") {
		t.Errorf("no value is named:\n%s", text)
	}
	for key := range w.values {
		if strings.Contains(text, "\""+key) || strings.Contains(text, "="+key) {
			t.Errorf("key %q is in the log:\n%s", key, text)
		}
	}
}

// TestAlone: a node that has nobody to ask says so, serves no damaged byte, and goes on;
// a value put again is whole.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		w.put("a", 200_000)
		w.put("b", 200_000)
		w.flip("a")
		st := w.pass()
		if st.LastFound != 1 || st.LastMended != 0 || st.Unmended != 1 {
			t.Errorf("%+v", st)
		}
		if !strings.Contains(w.log.String(), "level=ERROR") || !strings.Contains(w.log.String(), "nobody to ask") {
			t.Errorf("the log:\n%s", w.log)
		}
		if got, err := w.get("a"); !errors.Is(err, godwit.ErrDamaged) || !bytes.HasPrefix(w.values["a"], got) {
			t.Errorf("read: %d bytes, %v", len(got), err)
		}
		if got, err := w.get("b"); err != nil || !bytes.Equal(got, w.values["b"]) {
			t.Errorf("another: %v", err)
		}
		w.put("a", 200_000)
		w.wantAll()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if st := w.scrub.Status(); st.Unmended != 0 {
			t.Errorf("put again: %+v", st)
		}
	})
}

// TestTriesAgain: what cannot be mended at once is once somebody answers, without a pass.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		w.put("a", 200_000)
		w.flip("a")
		w.away.Store(true)
		if st := w.pass(); st.Unmended != 1 {
			t.Errorf("%+v", st)
		}
		w.away.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.wantAll()
		if st := w.scrub.Status(); st.Unmended != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestReadsTell: what a read meets is mended at once, once.
func TestReadsTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		w.put("a", 2_000_000)
		w.flip("a")
		for range 5 {
			if _, err := w.get("a"); !errors.Is(err, godwit.ErrDamaged) {
				t.Fatalf("read: %v", err)
			}
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		w.wantAll()
		if n := w.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestReadsOfVersionsTell: a lost value of an earlier version is mended too once it is read.
func TestReadsOfVersionsTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		w.apply(godwit.Mutation{Op: godwit.OpPut, Key: "namespace/" + ns.String(), Value: godwit.Value{Inline: []byte(`{"settings":{"history":"7d"}}`)}})
		w.put("a", 200_000)
		v, err := w.store.LastVersion(t.Context(), ns, "a")
		if err != nil {
			t.Fatal(err)
		}
		w.apply(godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: "a"})
		path := w.path(v.Value.Blob)
		before := w.read(path)
		if err := w.mem.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.OpenValue(t.Context(), ns, &v.Entry); !errors.Is(err, godwit.ErrDamaged) {
			t.Errorf("read: %v", err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := w.read(path); !bytes.Equal(got, before) || w.asked.Load() != 1 {
			t.Errorf("a file of %d bytes, was %d; asked %d times", len(got), len(before), w.asked.Load())
		}
	})
}

// TestOthersValue: what comes is not the value. Nothing is put in place of what there is.
func TestOthersValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		w.put("a", 200_000)
		w.flip("a")
		damaged, path := w.read(w.file("a")), w.file("a")
		whole := w.values["a"]
		w.values["a"] = append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1)
		if st := w.pass(); st.Unmended != 1 || st.LastMended != 0 {
			t.Errorf("%+v", st)
		}
		if !bytes.Equal(w.read(path), damaged) {
			t.Error("the file was replaced")
		}
		w.values["a"] = whole
	})
}

// TestSchedule: the first pass begins an interval after the first start, a day at the
// most, and each later one an interval after the one before began, also over restarts.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		w.cfg.Every = time.Hour
		w.reopen()
		w.put("a", 10_000)
		start := time.Now()
		wait := func(d time.Duration) scrub.Status {
			time.Sleep(d)
			synctest.Wait()
			return w.scrub.Status()
		}
		if st := wait(50 * time.Minute); st.LastEnded != 0 || st.Running || st.Next != start.Add(time.Hour).Unix() {
			t.Errorf("before an hour: %+v", st)
		}
		w.reopen()
		first := wait(20 * time.Minute)
		if first.LastEnded == 0 {
			t.Errorf("after an hour: %+v", first)
		}
		w.reopen()
		if st := wait(40 * time.Minute); st.LastBegan != first.LastBegan {
			t.Errorf("before the next hour is over: %+v", st)
		}
		if st := wait(20 * time.Minute); st.LastBegan == first.LastBegan {
			t.Errorf("after the next hour: %+v", st)
		}
	})
}

// TestScheduleAfterClockAhead: what was noted while the clock was ahead holds up no pass
// once it is right.
func TestScheduleAfterClockAhead(t *testing.T) {
	for name, passes := range map[string]bool{"a pass": true, "the first start": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ahead atomic.Int64
				ahead.Store(int64(30 * 24 * time.Hour))
				w := newWorld(t, true)
				w.close()
				w.mem = store.NewCrashFS()
				w.cfg.Every = 2 * time.Hour
				w.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				w.open()
				w.put("a", 10_000)
				if passes {
					w.pass()
				}
				ahead.Store(0)
				time.Sleep(90 * time.Minute)
				synctest.Wait()
				st := w.scrub.Status()
				if began := time.Unix(st.LastBegan, 0); st.LastEnded == 0 || began.After(time.Now()) || st.Next != began.Add(w.cfg.Every).Unix() {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// TestRate: a pass takes as long as its bytes at its rate, whatever the machine.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		for _, key := range []string{"a", "b", "c", "d"} {
			w.put(key, 5<<20)
		}
		st := w.pass()
		took, least := st.LastEnded-st.LastBegan, int64(19) // 20 MiB, but for the first burst
		if took < least || took > least+10 {
			t.Errorf("%d bytes at %d a second took %d s", st.LastBytes, w.cfg.Rate, took)
		}
	})
}

// TestResumes: a pass that a restart, or a crash, cut off goes on where it was.
func TestResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			w.put(key, 10<<20)
		}
		w.scrub.Start()
		time.Sleep(35 * time.Second)
		synctest.Wait()
		began := w.scrub.Status()
		if !began.Running || began.Bytes < 30<<20 {
			t.Fatalf("%+v", began)
		}
		w.reopen()
		for range 1_000 {
			time.Sleep(time.Second)
			if !w.scrub.Status().Running {
				break
			}
		}
		st := w.scrub.Status()
		// The blob that was being read is read again.
		if st.LastBegan != began.Began || st.LastBytes < 60<<20 || st.LastBytes > 75<<20 {
			t.Errorf("began %d, then %+v", began.Began, st)
		}
	})
}

// TestCrashWhileMending: at whichever step of a mend the power fails, the value is whole
// or known to be damaged, and the next pass mends it.
func TestCrashWhileMending(t *testing.T) {
	for step := range 8 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, true)
			w.put("a", 200_000)
			w.flip("a")
			var clone *store.MemFS
			steps := 0
			w.faults.Inject(func(op storetest.Op, path string) error {
				if strings.Contains(path, "blobs") {
					if steps == step && clone == nil {
						clone = w.mem.CrashClone(store.CrashClone{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, uint64(step)))})
					}
					steps++
				}
				return nil
			})
			w.pass()
			if clone == nil {
				t.Fatalf("a mend has %d steps", steps)
			}
			w.close()
			w.mem = clone
			w.open()
			if got, err := w.get("a"); (err != nil || !bytes.Equal(got, w.values["a"])) && !errors.Is(err, godwit.ErrDamaged) {
				t.Errorf("after a crash at step %d: %d bytes, %v", step, len(got), err)
			}
			w.pass()
			w.wantAll()
		})
	}
}

// TestDamagedDatabase: each value that is lost has a line, and another copy is asked for.
// It is no bubble: a database that tries again and again leaves its clock no turn.
func TestDamagedDatabase(t *testing.T) {
	w := newWorld(t, true)
	w.cfg.Rate = scrub.MaxRate
	for i := range 100 {
		w.put("key"+strings.Repeat("x", i), 300)
	}
	asked := make(chan struct{}, 1000)
	w.cfg.Broken = func() bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return true
	}
	var text logtest.Buffer
	w.cfg.Logger = slog.New(slog.NewTextHandler(&text, nil))
	w.reopen() // which writes what the log has into a file
	w.close()
	names, err := w.mem.List("/data/db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			b := w.read("/data/db/" + name)
			b[len(b)/3] ^= 1
			w.write("/data/db/"+name, b)
		}
	}
	w.open()
	w.scrub.Start()
	for !strings.Contains(text.String(), "a value is damaged") {
		select {
		case <-asked:
		case <-time.After(time.Minute):
			t.Fatalf("nobody is told:\n%s", text.String())
		}
	}
	if st := w.scrub.Status(); st.Unmended == 0 {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(text.String(), "namespace="+ns.String()) || strings.Contains(text.String(), "keyxxx") {
		t.Errorf("the log:\n%.2000s", text.String())
	}
}
