package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// endless is a value that costs no memory.
type endless struct{ at int64 }

// pattern is as long as a prime, so that no block of the value is like another.
var pattern = func() []byte {
	b := make([]byte, 65_521)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func (e *endless) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		c := copy(p[n:], pattern[e.at%int64(len(pattern)):])
		n += c
		e.at += int64(c)
	}
	return len(p), nil
}

func stream(n int64) io.Reader { return io.LimitReader(new(endless), n) }

// TestUpload gives values of many sizes through readers of many manners.
func TestUpload(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 1000})
	const chunk = 4 << 20 // the disk is looked at this often
	for _, n := range []int64{0, 1, 999, 1000, 1001, 64 << 10, chunk, chunk + 1, chunk + 1000, chunk + 1001, chunk + 1002, 2*chunk + 1001} {
		for manner, r := range map[string]io.Reader{
			"plain":          stream(n),
			"with its end":   iotest.DataErrReader(stream(n)),
			"half at a time": iotest.HalfReader(stream(n)),
		} {
			v, err := d.Upload(ctx, r, godwit.MaxValueBytes)
			if err != nil {
				t.Errorf("%d bytes, %s: %v", n, manner, err)
				continue
			}
			if v.Size() != n || v.Blob.IsZero() != (n <= 1000) {
				t.Errorf("%d bytes, %s: size %d, blob %v", n, manner, v.Size(), v.Blob)
			}
			same(t, d, v, n)
			d.Discard(v)
		}
	}
	if files := d.blobFiles(); len(files) != 0 {
		t.Errorf("files %v are left", files)
	}
}

func same(t *testing.T, d *disk, v godwit.Value, n int64) {
	t.Helper()
	r, err := d.OpenValue(ctx, ns1, &godwit.Entry{Value: v})
	if err != nil {
		t.Errorf("open: %v", err)
		return
	}
	defer r.Close()
	if err := sameBytes(r, stream(n)); err != nil {
		t.Errorf("%d bytes: %v", n, err)
	}
}

// sameBytes compares two streams with little memory.
func sameBytes(a, b io.Reader) error {
	x, y := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if n != m || string(x[:n]) != string(y[:m]) {
			return errors.New("other bytes")
		}
		if !errors.Is(errA, errB) {
			return fmt.Errorf("%w and %w", errA, errB)
		}
		if errA != nil {
			return nil
		}
	}
}

func TestUploadTooLarge(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 1000})
	for _, tc := range []struct{ size, limit, told int64 }{
		{11, 10, 11}, {5000, 10, 5000}, {1001, 1000, 1001}, {2001, 2000, 2001}, {9 << 20, 2000, 9 << 20},
		{godwit.MaxValueBytes + 1, godwit.MaxValueBytes, godwit.MaxValueBytes + 1},
	} {
		_, err := d.Upload(ctx, stream(tc.size), tc.limit)
		want := fmt.Sprintf("Value length of %d exceeds limit of %d.", tc.told, tc.limit)
		if godwit.CodeOf(err) != godwit.CodeValueTooLarge || godwit.MessageOf(err) != want {
			t.Errorf("%d bytes, limit %d: %v, want %s", tc.size, tc.limit, err, want)
		}
	}
	if _, err := d.Upload(ctx, new(endless), 2000); godwit.CodeOf(err) != godwit.CodeValueTooLarge {
		t.Errorf("an endless value: %v", err)
	}
	if v, err := d.Upload(ctx, stream(godwit.MaxValueBytes), godwit.MaxValueBytes); err != nil || v.Size() != godwit.MaxValueBytes {
		t.Errorf("a value of the limit: %d bytes, %v", v.Size(), err)
	} else {
		d.Discard(v)
	}
	if files := d.blobFiles(); len(files) != 0 {
		t.Errorf("files %v are left", files)
	}
}

// TestUploadFails: a reader, a context or a disk that fails leaves no file.
func TestUploadFails(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 1000})
	broken := errors.New("connection lost")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		reader io.Reader
		fail   storetest.Op
		err    error
		code   godwit.Code
		want   error
	}{
		"reader at once":    {reader: iotest.ErrReader(broken), want: broken},
		"reader in a blob":  {reader: io.MultiReader(stream(5<<20), iotest.ErrReader(broken)), want: broken},
		"context":           {ctx: cancelled, reader: stream(5 << 20), want: context.Canceled},
		"disk write":        {reader: stream(5 << 20), fail: storetest.Write, err: storetest.ErrInjected, want: storetest.ErrInjected},
		"disk sync":         {reader: stream(5 << 20), fail: storetest.Sync, err: storetest.ErrInjected, want: storetest.ErrInjected},
		"disk rename":       {reader: stream(5 << 20), fail: storetest.Rename, err: storetest.ErrInjected, want: storetest.ErrInjected},
		"no space":          {reader: stream(5 << 20), fail: storetest.Write, err: storetest.ErrNoSpace, want: godwit.ErrDiskFull},
		"no space for file": {reader: stream(5 << 20), fail: storetest.Create, err: storetest.ErrNoSpace, want: godwit.ErrDiskFull},
		"no space to sync":  {reader: stream(5 << 20), fail: storetest.Sync, err: storetest.ErrNoSpace, want: godwit.ErrDiskFull},
	} {
		d.faults.Inject(func(op storetest.Op, path string) error {
			if op == tc.fail && strings.Contains(path, "/blobs") {
				return tc.err
			}
			return nil
		})
		if tc.ctx == nil {
			tc.ctx = ctx
		}
		if _, err := d.Upload(tc.ctx, tc.reader, godwit.MaxValueBytes); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		d.faults.Inject(nil)
		if files := d.blobFiles(); len(files) != 0 {
			t.Errorf("%s: files %v are left", name, files)
		}
	}
}

// TestDiskReserve: below the reserve an upload ends with a clear error, also in
// the middle, and reads go on.
func TestDiskReserve(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 1000, DiskReserve: 1 << 20})
	d.write(put(ns1, "k", "v"))
	free := func(n uint64) {
		storetest.SetDiskUsage(d.mem, 1<<30, n)
		d.MeasureDisk()
	}
	for _, tc := range []struct {
		free uint64
		full bool
	}{{1 << 20, false}, {1<<20 - 1, true}, {0, true}, {1 << 29, false}} {
		free(tc.free)
		if st := d.Stats(); d.DiskFull() != tc.full || st.DiskFull != tc.full || st.DiskFree != int64(tc.free) {
			t.Errorf("%d bytes free: full %v, %+v", tc.free, d.DiskFull(), st)
		}
		_, err := d.Upload(ctx, stream(5000), godwit.MaxValueBytes)
		if errors.Is(err, godwit.ErrDiskFull) != tc.full || !tc.full && err != nil {
			t.Errorf("%d bytes free: upload: %v", tc.free, err)
		}
		d.wantValue(ns1, "k", "v")
	}
	read := int64(0)
	filling := readerFunc(func(p []byte) (int, error) {
		if read += int64(len(p)); read > 5<<20 {
			free(0)
		}
		return len(p), nil
	})
	if _, err := d.Upload(ctx, filling, godwit.MaxValueBytes); !errors.Is(err, godwit.ErrDiskFull) {
		t.Errorf("a disk that fills up: %v", err)
	}
	if read > 12<<20 {
		t.Errorf("%d bytes were read before the upload ended", read)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestAutomaticReserve: a tenth of the disk, from 16 to 256 MiB.
func TestAutomaticReserve(t *testing.T) {
	const mib = 1 << 20
	for total, reserve := range map[uint64]uint64{
		32 * mib: 16 * mib, 1024 * mib: 1024 * mib / 10, 100 * 1024 * mib: 256 * mib,
	} {
		mem := store.NewMemFS()
		storetest.SetDiskUsage(mem, total, reserve)
		s, err := store.Open(ctx, store.Config{Dir: "/data", FS: mem, CacheBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		full := s.DiskFull()
		storetest.SetDiskUsage(mem, total, reserve-1)
		s.MeasureDisk()
		if full || !s.DiskFull() {
			t.Errorf("disk of %d MiB: full with %d free: %v, with one less: %v", total/mib, reserve, full, s.DiskFull())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUploadMemory: what a value costs in memory does not grow with the value.
func TestUploadMemory(t *testing.T) {
	s, err := store.Open(ctx, store.Config{Dir: t.TempDir(), DiskReserve: -1, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	pass := func(n int64) {
		v, err := s.Upload(ctx, stream(n), godwit.MaxValueBytes)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.OpenValue(ctx, ns1, &godwit.Entry{Value: v})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := io.Copy(io.Discard, r); err != nil || m != n {
			t.Errorf("read %d of %d bytes, %v", m, n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		s.Discard(v)
	}
	pass(godwit.MaxValueBytes)
	small, large := allocated(func() { pass(1 << 20) }), allocated(func() { pass(godwit.MaxValueBytes) })
	if large > small+4<<20 { // pooled buffers come and go
		t.Errorf("1 MiB allocates %d bytes, 25 MiB allocate %d", small, large)
	}
}

func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
