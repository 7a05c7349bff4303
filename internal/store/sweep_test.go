package store_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestCounters: keys and the bytes of their keys, values and metadata, for each
// namespace, whatever happens to them.
func TestCounters(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	meta := put(ns1, "meta", "12345")
	meta.Metadata = []byte(`{"a":1}`)
	d.write(put(ns1, "a", "1"), put(ns1, "row", strings.Repeat("x", 3000)), meta, put(ns2, "a", "12"))
	d.write(d.putBlob(ns1, "blob", strings.Repeat("x", 6000)))
	d.wantStats(ns1, 4, 2+3003+16+6004)
	d.wantStats(ns2, 1, 3)
	d.write(put(ns1, "row", "short"), put(ns1, "a", "12"), put(ns1, "a", "123"), del(ns1, "blob"))
	d.wantStats(ns1, 3, 4+8+16)
	d.write(putUntil(ns1, "brief", "1234", d.clock.Now().Unix()+1))
	d.wantStats(ns1, 4, 4+8+16+9)
	d.clock.advance(time.Second)
	d.sweep()
	d.wantStats(ns1, 3, 4+8+16)
	d.write(put(ns1, "brief", "1"))
	d.wantStats(ns1, 4, 4+8+16+6)
	d.reopen()
	d.wantStats(ns1, 4, 4+8+16+6)
	if st := d.Stats(); st.Keys != 5 || st.Bytes != 37 {
		t.Errorf("%+v", st)
	}
	d.write(put(godwit.SystemNamespace, "not a user's", "v"))
	if st := d.Stats(); st.Keys != 5 {
		t.Errorf("the catalog counts: %+v", st)
	}
	d.write(del(ns1, "a"), del(ns1, "row"), del(ns1, "meta"), del(ns1, "brief"), dropNS(ns2))
	d.wantStats(ns1, 0, 0)
	d.wantStats(ns2, 0, 0)
	d.healthy()
}

// TestSweepManyAtOnce sweeps more than one hold of the write lock takes.
func TestSweepManyAtOnce(t *testing.T) {
	d := newDisk(t, store.Config{Retention: time.Minute}.Collecting(0, 1<<20))
	soon := d.clock.Now().Unix() + 1
	var ms []godwit.Mutation
	for i := range 2000 {
		ms = append(ms, putUntil(ns1, keyN(i), strings.Repeat("v", i), soon))
	}
	d.write(ms...)
	d.clock.advance(time.Second)
	d.sweep()
	d.wantStats(ns1, 0, 0)
	d.wantAbsent(ns1, keyN(7))
	d.clock.advance(time.Minute)
	d.sweep()
	if d.Purged() != 2000 {
		t.Errorf("purge floor %d", d.Purged())
	}
	rows := 0
	if err := d.Rows(func(_, _ []byte) { rows++ }); err != nil || rows > 5 {
		t.Errorf("%d rows are left, %v", rows, err)
	}
	d.reopen()
	if d.Purged() != 2000 || d.Stats().Purged != 2000 {
		t.Errorf("purge floor %d after reopening", d.Purged())
	}
	d.healthy()
}

// TestPurgeFloor: it rises with the tombstones that go, and only with them.
func TestPurgeFloor(t *testing.T) {
	d := newDisk(t, store.Config{Retention: 10 * time.Second})
	want := func(floor godwit.Revision) {
		t.Helper()
		d.sweep()
		if d.Purged() != floor {
			t.Errorf("purge floor %d, want %d", d.Purged(), floor)
		}
	}
	d.write(put(ns1, "a", "v"), put(ns1, "b", "v"), put(ns1, "c", "v")) // 1 to 3
	want(0)
	d.write(del(ns1, "a")) // 4
	d.clock.advance(5 * time.Second)
	d.write(del(ns1, "b"), put(ns1, "c", "w")) // 5 and 6
	d.clock.advance(4 * time.Second)
	want(0)
	d.clock.advance(time.Second)
	want(4)
	d.write(put(ns1, "b", "v")) // in place of the tombstone: nothing is missed
	d.clock.advance(time.Minute)
	want(4)
	d.healthy()
}

// TestBlobGrace: the file of a replaced or deleted value stays for the grace, so
// that who has just looked the entry up can read it, and then goes.
func TestBlobGrace(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 100, BlobGrace: 10 * time.Second, Retention: time.Hour})
	value := strings.Repeat("x", 70_000)
	d.write(d.putBlob(ns1, "replaced", value), d.putBlob(ns1, "deleted", value), d.putBlob(ns1, "kept", value))
	expiring := d.putBlob(ns1, "expiring", value)
	expiring.Expiration = d.clock.Now().Unix() + 5
	d.write(expiring)
	e, _, err := d.Get(ctx, ns1, []byte("replaced"), godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.write(d.putBlob(ns1, "replaced", "new "+value), del(ns1, "deleted"))
	files := func(want int) {
		t.Helper()
		d.sweep()
		if got := d.blobFiles(); len(got) != want {
			t.Errorf("%d files, want %d", len(got), want)
		}
	}
	d.clock.advance(9 * time.Second)
	files(5)
	r, err := d.OpenValue(ctx, ns1, e)
	if err != nil {
		t.Fatal(err)
	}
	d.clock.advance(time.Second)
	files(3) // the expired one's grace began when it was swept
	if got, err := io.ReadAll(r); err != nil || string(got) != value {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.OpenValue(ctx, ns1, e); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("open after the grace: %v", err)
	}
	d.clock.advance(10 * time.Second)
	files(2)
	d.wantValue(ns1, "kept", value)
	d.wantValue(ns1, "replaced", "new "+value)
	d.healthy()
}

// TestBlobGraceAfterClockAhead: the file of a value that was deleted while the clock was
// ahead goes within the grace once the clock is right.
func TestBlobGraceAfterClockAhead(t *testing.T) {
	const ahead = 10 * 365 * 24 * time.Hour
	d := newDisk(t, store.Config{InlineBytes: 100, BlobGrace: 10 * time.Second})
	value := strings.Repeat("x", 70_000)
	d.write(d.putBlob(ns1, "deleted", value), d.putBlob(ns1, "kept", value))
	d.clock.advance(ahead)
	d.write(del(ns1, "deleted"))
	d.clock.advance(-ahead)
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {9 * time.Second, 2}, {time.Second, 1}} {
		d.clock.advance(tt.after)
		d.sweep()
		if got := d.blobFiles(); len(got) != tt.want {
			t.Errorf("%v later: %d files, want %d", tt.after, len(got), tt.want)
		}
	}
	d.wantValue(ns1, "kept", value)
	d.healthy()
}

// TestBlobGraceBefore1970: a clock that nobody has set ends no grace, nor does it end where
// that clock is put right.
func TestBlobGraceBefore1970(t *testing.T) {
	const back = 100 * 365 * 24 * time.Hour
	d := newDisk(t, store.Config{InlineBytes: 100, BlobGrace: 10 * time.Second})
	d.write(d.putBlob(ns1, "deleted", strings.Repeat("x", 70_000)))
	d.write(del(ns1, "deleted"))
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{-back, 1}, {9 * time.Second, 1}, {back, 1}, {10 * time.Second, 0}} {
		d.clock.advance(tt.after)
		d.sweep()
		if got := d.blobFiles(); len(got) != tt.want {
			t.Errorf("%v later: %d files, want %d", tt.after, len(got), tt.want)
		}
	}
	d.healthy()
}

// TestOrphans: an upload that no record names is gone after reopening; one that
// is named, or waits for its grace, is not.
func TestOrphans(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 100})
	value := strings.Repeat("x", 1000)
	d.write(d.putBlob(ns1, "named", value), d.putBlob(ns1, "in grace", value))
	d.write(del(ns1, "in grace"))
	d.putBlob(ns1, "orphan", value)
	discarded := d.putBlob(ns1, "discarded", value)
	d.Discard(discarded.Value)
	d.Discard(discarded.Value)
	if files := d.blobFiles(); len(files) != 3 {
		t.Errorf("files %v", files)
	}
	d.reopen()
	if files := d.blobFiles(); len(files) != 2 {
		t.Errorf("files %v after reopening", files)
	}
	d.wantValue(ns1, "named", value)
	d.healthy()
}

// TestDropNamespace: its keys are gone at once, and every trace of it after the
// next sweep; fsck is content before and after. Others are left alone.
func TestDropNamespace(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	soon := d.clock.Now().Unix() + 5
	fill := func(ns godwit.NamespaceID) {
		d.write(put(ns, "inline", "v"), put(ns, "row", strings.Repeat("x", 2000)), putUntil(ns, "brief", "v", soon),
			d.putBlob(ns, "blob", strings.Repeat("x", 6000)), put(ns, "deleted", "v"))
		d.write(del(ns, "deleted"), d.putBlob(ns, "blob", strings.Repeat("y", 6000)))
	}
	fill(ns1)
	fill(ns2)
	keys, size := d.NamespaceStats(ns2)
	d.write(put(ns1, "late", "v"), dropNS(ns1), put(ns2, "late", ""))
	for _, k := range []string{"inline", "row", "brief", "blob", "deleted", "late"} {
		d.wantAbsent(ns1, k)
	}
	if got := d.listAll(ns1, "", 10); len(got) != 0 {
		t.Errorf("keys %q", got)
	}
	d.wantStats(ns1, 0, 0)
	d.wantStats(ns2, keys+1, size+4)
	d.healthy()
	d.open()
	d.clock.advance(5 * time.Second) // a row by time of a key that is gone
	d.sweep()
	if left := d.rowsOf(ns1); len(left) != 0 {
		t.Errorf("rows are left: %q", left)
	}
	d.healthy()
	d.open()
	d.wantValue(ns2, "blob", strings.Repeat("y", 6000))
	d.wantAbsent(ns1, "inline")
	d.clock.advance(time.Hour)
	d.sweep()
	if files := d.blobFiles(); len(files) != 1 {
		t.Errorf("files %v", files)
	}
	d.healthy()
}

// rowsOf are the keys of all rows that have a namespace's id in them.
func (d *disk) rowsOf(ns godwit.NamespaceID) (keys []string) {
	err := d.Rows(func(k, v []byte) {
		if strings.Contains(string(k), string(ns[:])) || strings.Contains(string(v), string(ns[:])) {
			keys = append(keys, string(k))
		}
	})
	if err != nil {
		d.t.Error(err)
	}
	return keys
}

// TestDropInterrupted: a sweep that a crash cuts off is taken up by the next.
func TestDropInterrupted(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 100})
	var ms []godwit.Mutation
	for i := range 50 {
		ms = append(ms, d.putBlob(ns1, keyN(i), strings.Repeat("x", 1000)))
	}
	d.write(ms...)
	d.write(dropNS(ns1))
	removals := 0
	var crashed *store.MemFS
	d.onRemove(func(path string) {
		if removals++; removals == 25 && strings.Contains(path, "/blobs/") {
			crashed = d.mem.CrashClone(store.CrashClone{})
		}
	})
	d.sweep()
	if crashed == nil {
		t.Fatalf("%d files were removed", removals)
	}
	c := openDisk(t, crashed, store.Config{InlineBytes: 100})
	c.healthy()
	c.open()
	c.sweep()
	if left := c.rowsOf(ns1); len(left) != 0 || len(c.blobFiles()) != 0 {
		t.Errorf("left: rows %q, files %v", left, c.blobFiles())
	}
	c.healthy()
}

// TestOnSystem: the catalog is told of each record of the system namespace, in
// order, once it is durable, and of no other.
func TestOnSystem(t *testing.T) {
	var told []string
	d := newDisk(t, store.Config{})
	d.SetOnSystem(func(records []godwit.Record) {
		for _, r := range records {
			told = append(told, fmt.Sprintf("%d %d %s=%s", r.Revision, r.Op, r.Key, r.Value.Inline))
		}
	})
	value := []byte("1")
	m := put(godwit.SystemNamespace, "a", "")
	m.Value.Inline = value
	release := d.faults.HoldSyncs()
	c := d.commit(store.Sync, m, put(ns1, "user's", "v"), put(godwit.SystemNamespace, "b", "2"), del(godwit.SystemNamespace, "a"))
	value[0] = 'x' // the record's bytes are the proposer's again
	d.faults.AwaitHeld()
	if len(told) != 0 {
		t.Errorf("told %q before it was durable", told)
	}
	release()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	want := "[1 1 a=1 3 1 b=2 4 2 a=]"
	if got := fmt.Sprint(told); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// TestScan gives whole entries of one prefix until it is stopped.
func TestScan(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "a/1", "v"), put(ns1, "a/2", strings.Repeat("x", 3000)), put(ns1, "b", "v"),
		putUntil(ns1, "a/3", "v", d.clock.Now().Unix()), put(ns2, "a/1", "v"))
	var got []string
	stop := errors.New("stop")
	err := d.Scan(ns1, "a/", func(e *godwit.Entry) error {
		got = append(got, fmt.Sprintf("%s:%d", e.Key, len(e.Value.Inline)))
		return nil
	})
	if fmt.Sprint(got) != "[a/1:1 a/2:3000]" || err != nil {
		t.Errorf("%v %v", got, err)
	}
	if err := d.Scan(ns1, "", func(*godwit.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

// TestSweepBehindTheLog: a follower that was away for long has the log to decide
// on still, by the log's time: what it decides on stays until that has come, too.
func TestSweepBehindTheLog(t *testing.T) {
	d := newDisk(t, store.Config{Retention: 10 * time.Second, Follower: true})
	then := d.clock.Now().Unix()
	d.write(putUntil(ns1, "brief", "1", then+5))
	for range 3 {
		d.clock.advance(time.Minute)
		d.sweep()
		tx := d.Begin()
		h, err := tx.Head(ns1, "brief")
		tx.Rollback()
		if err != nil || h.Live(then+5) || !h.Live(then+4) {
			t.Fatalf("the header is %+v, %v", h, err)
		}
	}
	d.wantAbsent(ns1, "brief")
	d.write(put(ns1, "other", "1")) // at the time that it is
	d.clock.advance(time.Minute)
	d.sweep()
	if d.Purged() != 1 {
		t.Errorf("purge floor %d", d.Purged())
	}
	d.healthy()
}
