package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func (d *disk) view() *store.View {
	d.t.Helper()
	v, err := d.View(ctx)
	if err != nil {
		d.t.Fatalf("view: %v", err)
	}
	return v
}

// keepRecord copies a record that is valid only during a call.
func keepRecord(r *godwit.Record) godwit.Record {
	keep := *r
	keep.Key = strings.Clone(r.Key)
	keep.Value.Inline, keep.Metadata = bytes.Clone(r.Value.Inline), bytes.Clone(r.Metadata)
	return keep
}

// changes are what stands of the mutations in (after, upTo].
func changes(t testing.TB, v *store.View, after, upTo godwit.Revision) (records []godwit.Record) {
	t.Helper()
	err := v.Changes(ctx, after, upTo, func(r *godwit.Record) error {
		records = append(records, keepRecord(r))
		return nil
	})
	if err != nil {
		t.Fatalf("changes: %v", err)
	}
	return records
}

func walk(t testing.TB, v *store.View, after *store.Place, values bool) (records []godwit.Record) {
	t.Helper()
	err := v.Walk(ctx, after, values, func(r *godwit.Record) error {
		records = append(records, keepRecord(r))
		return nil
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	return records
}

// lines shows records one a line.
func lines(records []godwit.Record) string {
	var out strings.Builder
	for i := range records {
		r := &records[i]
		fmt.Fprintf(&out, "%d op=%d ns=%d %s value=%d blob=%d meta=%s", r.Revision, r.Op, r.Namespace[15], r.Key, len(r.Value.Inline), r.Value.Blob.Size, r.Metadata)
		if r.Swept {
			out.WriteString(" swept")
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// viewed is a store with something of each kind in it.
func viewed(t *testing.T) *disk {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	now := d.clock.Now().Unix()
	meta := put(ns1, "meta", "v")
	meta.Metadata = []byte(`{"a":1}`)
	d.write(put(ns1, "replaced", "v"), put(ns1, "deleted", "v"), put(ns1, "row", strings.Repeat("x", 2000)), meta) // 1 to 4
	d.write(d.putBlob(ns1, "blob", strings.Repeat("x", 6000)), put(ns2, "gone", "v"), put(godwit.SystemNamespace, "s", "v"))
	d.write(put(ns1, "replaced", "w"), del(ns1, "deleted"), putUntil(ns1, "swept", "v", now+1), putUntil(ns1, "expired", "v", now+2)) // 8 to 11
	d.write(dropNS(ns2))
	d.clock.advance(time.Second)
	d.sweep()
	d.clock.advance(time.Second)
	return d
}

func TestChanges(t *testing.T) {
	d := viewed(t)
	v := d.view()
	defer v.Close()
	all := `3 op=1 ns=1 row value=2000 blob=0 meta=
4 op=1 ns=1 meta value=1 blob=0 meta={"a":1}
5 op=1 ns=1 blob value=0 blob=6000 meta=
7 op=1 ns=0 s value=1 blob=0 meta=
8 op=1 ns=1 replaced value=1 blob=0 meta=
9 op=2 ns=1 deleted value=0 blob=0 meta=
10 op=1 ns=1 swept value=0 blob=0 meta= swept
11 op=1 ns=1 expired value=1 blob=0 meta=
12 op=2 ns=0 namespace/00000000000000000000000000000002 value=0 blob=0 meta=
`
	if diff := cmp.Diff(all, lines(changes(t, v, 0, v.Revision()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		after, upTo godwit.Revision
		want        int
	}{{3, 12, 8}, {3, 4, 1}, {4, 4, 0}, {5, 4, 0}, {5, 6, 0}, {12, 100, 0}, {godwit.MaxRevision, godwit.MaxRevision, 0}} {
		if got := changes(t, v, tc.after, tc.upTo); len(got) != tc.want {
			t.Errorf("in (%d, %d]: %d changes, want %d", tc.after, tc.upTo, len(got), tc.want)
		}
	}
	swept := changes(t, v, 9, 10)[0]
	if swept.Expiration != d.clock.Now().Unix()-1 || swept.Created == 0 || swept.Modified != swept.Created {
		t.Errorf("swept: %+v", swept)
	}
	if v.Revision() != 12 || v.Time() != d.clock.Now().Add(-2*time.Second).UnixMilli() || v.Purged() != 0 {
		t.Errorf("view of %d at %d, purged %d", v.Revision(), v.Time(), v.Purged())
	}
}

func TestWalk(t *testing.T) {
	d := viewed(t)
	v := d.view()
	defer v.Close()
	all := `7 op=1 ns=0 s value=1 blob=0 meta=
5 op=1 ns=1 blob value=0 blob=6000 meta=
11 op=1 ns=1 expired value=1 blob=0 meta=
4 op=1 ns=1 meta value=1 blob=0 meta={"a":1}
8 op=1 ns=1 replaced value=1 blob=0 meta=
3 op=1 ns=1 row value=2000 blob=0 meta=
`
	records := walk(t, v, nil, true)
	if diff := cmp.Diff(all, lines(records)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, r := range records {
		rest := walk(t, v, &store.Place{Namespace: r.Namespace, Key: r.Key}, true)
		if lines(rest) != lines(records[i+1:]) {
			t.Errorf("after %q: %s", r.Key, lines(rest))
		}
		got, err := v.Entry(store.Place{Namespace: r.Namespace, Key: r.Key})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&r, got); diff != "" {
			t.Errorf("entry (-walk +entry):\n%s", diff)
		}
	}
	for _, r := range walk(t, v, nil, false) {
		if r.Value.Inline != nil || r.Key == "blob" && r.Value.Blob.Size != 6000 {
			t.Errorf("head of %q: %+v", r.Key, r.Value)
		}
	}
	for _, key := range []string{"none", "deleted", "swept"} {
		if got, err := v.Entry(store.Place{Namespace: ns1, Key: key}); got != nil || err != nil {
			t.Errorf("entry %q: %+v, %v", key, got, err)
		}
	}
}

// TestViewEnds: by the caller's error, and by the context.
func TestViewEnds(t *testing.T) {
	d := newDisk(t, store.Config{})
	var ms []godwit.Mutation
	for i := range 2000 {
		ms = append(ms, put(ns1, keyN(i), "v"))
	}
	d.write(ms...)
	v := d.view()
	defer v.Close()
	stop := errors.New("stop")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, look := range map[string]func(context.Context, func(*godwit.Record) error) error{
		"changes": func(ctx context.Context, fn func(*godwit.Record) error) error { return v.Changes(ctx, 0, 5000, fn) },
		"walk":    func(ctx context.Context, fn func(*godwit.Record) error) error { return v.Walk(ctx, nil, true, fn) },
	} {
		told := 0
		if err := look(ctx, func(*godwit.Record) error { told++; return stop }); !errors.Is(err, stop) || told != 1 {
			t.Errorf("%s: %v after %d", name, err, told)
		}
		told = 0
		if err := look(cancelled, func(*godwit.Record) error { told++; return nil }); !errors.Is(err, context.Canceled) || told > 1000 {
			t.Errorf("%s: %v after %d", name, err, told)
		}
	}
	now, err := d.View(cancelled)
	if err != nil {
		t.Fatalf("a view of what is durable waits for nothing: %v", err)
	}
	if err := now.Close(); err != nil {
		t.Error(err)
	}
}

// TestViewIsDurable: a view is not given before all that it shows is.
func TestViewIsDurable(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "k", "old"))
	release := d.faults.HoldSyncs()
	defer release()
	c := d.commit(store.Sync, put(ns1, "k", "new"))
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := d.View(cancelled); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("view of what is not synced: %v", err)
	}
	release()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	v := d.view()
	defer v.Close()
	if v.Revision() != 2 {
		t.Errorf("view of %d", v.Revision())
	}
}

// TestViewsArePrefixes takes views while several batches a moment are written,
// swept and deleted. Each is an exact prefix of the log: a batch writes its number
// under two keys, one that stays and one that is deleted by the next.
func TestViewsArePrefixes(t *testing.T) {
	d := newDisk(t, store.Config{Retention: 10 * time.Second})
	batches := 2000 / effort
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := 1; n <= batches && !t.Failed(); n++ {
			number := fmt.Sprint(n)
			d.write(put(ns1, "last", number), put(ns1, keyN(n), number), putUntil(ns1, "brief", number, d.clock.Now().Unix()+1))
			d.write(del(ns1, keyN(n)))
			d.clock.advance(100 * time.Millisecond)
			if n%10 == 0 {
				d.sweep()
			}
		}
	})
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	for views := 0; ; views++ {
		checkPrefix(t, d)
		select {
		case <-done:
			if views < 10 {
				t.Logf("only %d views", views)
			}
			return
		default:
		}
	}
}

// checkPrefix: batch n has revisions 4n-3 to 4n.
func checkPrefix(t *testing.T, d *disk) {
	v := d.view()
	defer v.Close()
	at := v.Revision()
	batch := int(at+3) / 4
	want := map[string]string{}
	if at > 0 {
		want["last"] = fmt.Sprint(batch)
		if at%4 != 0 {
			want[keyN(batch)] = fmt.Sprint(batch)
		}
	}
	got := map[string]string{}
	for _, r := range walk(t, v, nil, true) {
		if r.Key != "brief" {
			got[r.Key] = string(r.Value.Inline)
		}
		if r.Revision > at {
			t.Errorf("view of %d holds revision %d", at, r.Revision)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at %d (-want +got):\n%s", at, diff)
	}
	last := godwit.Revision(0)
	for _, r := range changes(t, v, max(at, 40)-40, at) {
		if r.Revision <= last {
			t.Errorf("revision %d after %d", r.Revision, last)
		}
		last = r.Revision
	}
	if last != at {
		t.Errorf("the last change of %d is %d", at, last)
	}
}
