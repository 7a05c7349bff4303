package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/blob"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// reference names content that is somewhere else.
func reference(id byte, content string) godwit.Blob {
	return godwit.Blob{ID: godwit.BlobID{id}, Size: int64(len(content)), Hash: sha256.Sum256([]byte(content))}
}

func putRef(ns godwit.NamespaceID, key string, b godwit.Blob) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: key, Value: godwit.Value{Blob: b}}
}

// missing are the entries whose blobs are not here.
func (d *disk) missing() map[string]godwit.Revision {
	d.t.Helper()
	found := map[string]godwit.Revision{}
	err := d.MissingBlobs(ctx, func(p store.Place, e *godwit.Entry) error {
		if e.Key != p.Key || e.Value.Blob.IsZero() {
			d.t.Errorf("missing: %v, %+v", p, e)
		}
		found[p.Key] = e.Revision
		return nil
	})
	if err != nil {
		d.t.Errorf("missing blobs: %v", err)
	}
	return found
}

func (d *disk) follows() {
	d.tx(func(tx *store.Tx) error { return tx.Follow(strings.Repeat("ab", 16), nil, 0) })
}

// TestSpareBlob: the file of a value that came when its entry had gone goes after
// the grace, and that of one that an entry names stays.
func TestSpareBlob(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	d.follows()
	text := strings.Repeat("x", 200_000)
	named, late := reference(1, text), reference(2, text)
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, putRef(ns1, "a", named))), tx.Apply(at(2, putRef(ns1, "b", late))), tx.Apply(at(3, del(ns1, "b"))))
	})
	d.clock.advance(2 * time.Minute)
	d.sweep()
	for _, b := range []godwit.Blob{named, late} {
		if err := errors.Join(d.ImportBlob(ctx, b, strings.NewReader(text)), d.SpareBlob(ns1, b.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if d.sweep(); !d.HasBlob(late.ID) {
		t.Error("a value went before who reads it was done")
	}
	d.clock.advance(2 * time.Minute)
	if d.sweep(); d.HasBlob(late.ID) || !d.HasBlob(named.ID) {
		t.Errorf("the late value is here: %v, the named one: %v", d.HasBlob(late.ID), d.HasBlob(named.ID))
	}
	d.healthy()
}

// TestNamesBlob: a blob is found whichever namespace names it, and as long as one does.
func TestNamesBlob(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	d.follows()
	var all []godwit.Blob
	r := godwit.Revision(1)
	for _, ns := range []godwit.NamespaceID{ns1, ns2} {
		for n := byte(2); n <= 8; n += 2 {
			b := reference(n, "value")
			b.ID[1] = ns[len(ns)-1]
			all = append(all, b)
			d.tx(func(tx *store.Tx) error { return tx.Apply(at(r, putRef(ns, keyN(int(n)), b))) })
			r++
		}
	}
	gone := all[5]
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(r, del(ns2, keyN(4)))) })
	for n := range byte(10) {
		for _, ns := range []godwit.NamespaceID{ns1, ns2} {
			b := reference(n, "value")
			b.ID[1] = ns[len(ns)-1]
			want := slices.Contains(all, b) && b != gone
			if got, err := d.NamesBlob(b.ID); got != want || err != nil {
				t.Errorf("blob %s: %v, %v", b.ID, got, err)
			}
		}
	}
}

// TestImport: an entry whose value is not here says so; it is found by what it is
// of, fetched, kept over a crash, and removed again.
func TestImport(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	d.follows()
	first, second := strings.Repeat("x", 200_000), strings.Repeat("y", 70_000)
	a, b := reference(1, first), reference(2, second)
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, putRef(ns1, "a", a))), tx.Apply(at(2, putRef(ns1, "b", b))),
			tx.Apply(at(3, putRef(ns1, "gone", reference(3, "z")))), tx.Apply(at(4, putRef(ns2, "gone", reference(4, "z")))),
			tx.Apply(at(5, del(ns1, "gone"))), tx.Apply(at(6, dropNS(ns2))))
	})
	if _, err := d.get(ns1, "a"); !errors.Is(err, blob.ErrNotFound) || godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("a value that is not here: %v", err)
	}
	want := map[string]godwit.Revision{"a": 1, "b": 2}
	if diff := cmp.Diff(want, d.missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if d.HasBlob(a.ID) {
		t.Error("has what is missing")
	}
	d.healthy()
	d.open()
	if err := d.ImportBlob(ctx, a, iotest.HalfReader(strings.NewReader(first))); err != nil {
		t.Fatal(err)
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	crashed := openDisk(t, d.mem.CrashClone(store.CrashClone{}), d.cfg)
	for _, d := range []*disk{d, crashed} {
		d.wantValue(ns1, "a", first)
		if !d.HasBlob(a.ID) || fmt.Sprint(d.missing()) != "map[b:2]" {
			t.Errorf("has it: %v, missing: %v", d.HasBlob(a.ID), d.missing())
		}
		e, _, err := d.Get(ctx, ns1, []byte("a"), godwit.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.OpenValue(ctx, ns1, e)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.RemoveBlob(a.ID), d.RemoveBlob(a.ID)); err != nil {
			t.Error(err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || string(got) != first {
			t.Errorf("a reader that had it open: %d bytes, %v", len(got), err)
		}
		if len(d.missing()) != 2 {
			t.Errorf("missing: %v", d.missing())
		}
		d.healthy()
	}
}

// TestImportFails: whatever goes wrong, nothing is left, and what was there before
// stays.
func TestImportFails(t *testing.T) {
	content := strings.Repeat("x", 5<<20)
	for name, tc := range map[string]struct {
		from  io.Reader
		fault storetest.Op
		full  bool
		want  error
	}{
		"too short":       {from: strings.NewReader(content[1:]), want: blob.ErrDamaged},
		"nothing":         {from: strings.NewReader(""), want: blob.ErrDamaged},
		"too long":        {from: strings.NewReader(content + "x"), want: blob.ErrDamaged},
		"endless":         {from: readerFunc(func(p []byte) (int, error) { return len(p), nil }), want: blob.ErrDamaged},
		"other content":   {from: strings.NewReader(strings.Repeat("y", 5<<20)), want: blob.ErrDamaged},
		"broken off":      {from: iotest.TimeoutReader(strings.NewReader(content)), want: iotest.ErrTimeout},
		"create fails":    {from: strings.NewReader(content), fault: storetest.Create, want: storetest.ErrInjected},
		"write fails":     {from: strings.NewReader(content), fault: storetest.Write, want: storetest.ErrInjected},
		"sync fails":      {from: strings.NewReader(content), fault: storetest.Sync, want: storetest.ErrInjected},
		"rename fails":    {from: strings.NewReader(content), fault: storetest.Rename, want: storetest.ErrInjected},
		"disk is full":    {from: strings.NewReader(content), full: true, want: godwit.ErrDiskFull},
		"nobody wants it": {from: strings.NewReader(content), want: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFollower(t, store.Config{DiskReserve: 1 << 20})
			storetest.SetDiskUsage(d.mem, 1<<30, 1<<30)
			b := reference(1, content)
			if tc.full {
				storetest.SetDiskUsage(d.mem, 1<<30, 1)
			}
			d.MeasureDisk()
			if tc.fault != "" {
				d.faults.Fail(tc.fault, "/blobs/")
			}
			ctx, cancel := context.WithCancel(ctx)
			if errors.Is(tc.want, context.Canceled) {
				cancel()
			}
			defer cancel()
			if err := d.ImportBlob(ctx, b, tc.from); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			d.faults.Inject(nil)
			if files := d.blobFiles(); len(files) != 0 || d.HasBlob(b.ID) {
				t.Errorf("files %v are left", files)
			}
		})
	}
}

// TestImportOverWhatIsThere: a second import that fails does no harm, and one that
// does not repairs.
func TestImportOverWhatIsThere(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	content := strings.Repeat("x", 100_000)
	b := reference(1, content)
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(1, putRef(ns1, "k", b))) })
	if err := d.ImportBlob(ctx, b, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := d.ImportBlob(ctx, b, strings.NewReader("other")); !errors.Is(err, blob.ErrDamaged) {
		t.Errorf("%v", err)
	}
	d.wantValue(ns1, "k", content)
	path := "/data/blobs/" + b.ID.String()
	damaged := readFile(t, d.mem, path)
	damaged[50_000] ^= 1
	writeFile(t, d.mem, path, damaged)
	if _, err := d.get(ns1, "k"); !errors.Is(err, blob.ErrDamaged) {
		t.Errorf("a damaged value: %v", err)
	}
	if err := d.ImportBlob(ctx, b, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	d.wantValue(ns1, "k", content)
	if files := d.blobFiles(); len(files) != 1 {
		t.Errorf("files %v", files)
	}
}

// TestAdopt: what was uploaded here is the content of what upstream calls
// otherwise.
func TestAdopt(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	content := strings.Repeat("x", 100_000)
	v, err := d.Upload(ctx, strings.NewReader(content), godwit.MaxValueBytes)
	if err != nil {
		t.Fatal(err)
	}
	to := reference(7, content)
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(1, putRef(ns1, "k", to))) })
	for name, from := range map[string]godwit.Blob{
		"other content": reference(7, strings.Repeat("y", 100_000)),
		"not here":      {ID: godwit.BlobID{9}, Size: to.Size, Hash: to.Hash},
		"itself":        to,
	} {
		if err := d.AdoptBlob(from, to); !errors.Is(err, blob.ErrNotFound) || d.HasBlob(to.ID) {
			t.Errorf("%s: %v, has it: %v", name, err, d.HasBlob(to.ID))
		}
	}
	if err := errors.Join(d.AdoptBlob(v.Blob, to), d.AdoptBlob(to, to)); err != nil {
		t.Fatal(err)
	}
	d.Discard(v)
	d.wantValue(ns1, "k", content)
	d.reopen()
	d.wantValue(ns1, "k", content)
	if files := d.blobFiles(); len(files) != 1 {
		t.Errorf("files %v", files)
	}
	d.healthy()
}

// TestBlobNamedAgain: a blob that was deleted here and that another state names
// again keeps its file, whatever its grace said.
func TestBlobNamedAgain(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100, BlobGrace: 10 * time.Second})
	d.follows()
	content := strings.Repeat("x", 1000)
	b := reference(1, content)
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(1, putRef(ns1, "k", b))) })
	if err := d.ImportBlob(ctx, b, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(2, del(ns1, "k"))) })
	d.tx(func(tx *store.Tx) error { tx.Rewind(1); return tx.Install(at(1, putRef(ns1, "k", b))) })
	d.healthy()
	d.open()
	d.clock.advance(time.Minute)
	d.sweep()
	d.wantValue(ns1, "k", content)
	d.tx(func(tx *store.Tx) error { return tx.CatchUp(at(3, del(ns1, "k"))) })
	d.clock.advance(time.Minute)
	d.sweep()
	if files := d.blobFiles(); len(files) != 0 {
		t.Errorf("files %v", files)
	}
	d.healthy()
}

// TestOldBlobRows: rows of a store of before, which do not say whose they are, are
// complete: nothing is reported, nothing is wrong.
func TestOldBlobRows(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 100})
	d.write(d.putBlob(ns1, "k", strings.Repeat("x", 1000)))
	id := d.blobOf("k")
	if err := d.Set(store.BlobKey(nil, ns1, id), nil); err != nil {
		t.Fatal(err)
	}
	if len(d.missing()) != 0 {
		t.Errorf("missing: %v", d.missing())
	}
	d.healthy()
	d.open()
	d.wantValue(ns1, "k", strings.Repeat("x", 1000))
	if err := d.RemoveBlob(id); err != nil || len(d.missing()) != 0 {
		t.Errorf("missing: %v, %v", d.missing(), err)
	}
	if problems := d.fsck(); len(problems) != 1 || !strings.Contains(problems[0], "blob not found") {
		t.Errorf("problems %q: the store owns its log", problems)
	}
}

// TestMissingEnds: by the caller's error.
func TestMissingEnds(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, putRef(ns1, "a", reference(1, "x")))), tx.Apply(at(2, putRef(ns1, "b", reference(2, "x")))))
	})
	stop, told := errors.New("stop"), 0
	err := d.MissingBlobs(ctx, func(store.Place, *godwit.Entry) error { told++; return stop })
	if !errors.Is(err, stop) || told != 1 {
		t.Errorf("%v after %d", err, told)
	}
}

// TestImportMemory: what a value costs in memory does not grow with the value.
func TestImportMemory(t *testing.T) {
	s, err := store.Open(ctx, store.Config{Dir: t.TempDir(), DiskReserve: -1, CacheBytes: 1 << 20, Follower: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	content := bytes.Repeat([]byte("x"), godwit.MaxValueBytes)
	b := reference(1, string(content))
	used := allocated(func() {
		if err := s.ImportBlob(ctx, b, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	})
	if used > 4<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}
