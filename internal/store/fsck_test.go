package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// everyRow is a store with a row of each kind.
func everyRow(t *testing.T) *disk {
	t.Helper()
	return fillEveryRow(t, newDisk(t, store.Config{InlineBytes: 5000, Retention: time.Hour}))
}

func fillEveryRow(t *testing.T, d *disk) *disk {
	t.Helper()
	d.openEpoch()
	now := d.clock.Now().Unix()
	d.write(put(ns1, "inline", "v"), put(ns1, "row", strings.Repeat("x", 2000)), putUntil(ns1, "later", "v", now+3600),
		putUntil(ns1, "swept", "v", now+1), put(ns1, "deleted", "v"), d.putBlob(ns1, "blob", strings.Repeat("x", 70_000)),
		d.putBlob(ns1, "replaced", strings.Repeat("y", 6000)))
	d.write(del(ns1, "deleted"), put(ns1, "replaced", "v"))
	d.clock.advance(time.Second)
	d.sweep()
	d.write(put(ns2, "k", "v"), dropNS(ns2))
	d.tx(func(tx *store.Tx) error { // out of order, so that it has rows of its own
		return errors.Join(tx.CatchUp(at(d.Revision()+8, put(ns1, "single", "v"))), tx.Reach(d.Revision()+8))
	})
	tx := d.Begin()
	tx.Remember(request, godwit.Result{Revision: d.Revision(), Sums: []int64{1}})
	c, err := tx.Commit(store.Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
	d.wipe(ns3)
	return d
}

var request = godwit.RequestKey{7}

func TestFsckHealthy(t *testing.T) {
	d := everyRow(t)
	kinds := map[byte]bool{}
	if err := d.Rows(func(k, _ []byte) { kinds[k[0]] = true }); err != nil {
		t.Fatal(err)
	}
	for _, kind := range "evtirxucbgdwqplm" {
		if !kinds[byte(kind)] {
			t.Errorf("no row of %q, so that fsck is not tested with one", kind)
		}
	}
	d.close()
	before := snapshotFS(t, d.mem, "/data")
	d.healthy()
	if diff := cmp.Diff(before, snapshotFS(t, d.mem, "/data")); diff != "" {
		t.Errorf("fsck changed something (-before +after):\n%.1000s", diff)
	}
}

// TestFsckManyValues: values are looked for in the index many at a time.
func TestFsckManyValues(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	d.openEpoch()
	for batch := range 3 {
		var puts []godwit.Mutation
		for i := range 300 {
			puts = append(puts, put([]godwit.NamespaceID{ns1, ns2}[i%2], fmt.Sprintf("%d-%d", i, batch), strings.Repeat("x", 2000)))
		}
		d.write(puts...)
	}
	d.close()
	d.healthy()
}

// TestFsckFindsValueBetween: values are read one after the other where they lie so, and
// yet one between them that no entry has is found.
func TestFsckFindsValueBetween(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	d.openEpoch()
	d.write(put(ns1, "a", strings.Repeat("x", 2000)), put(ns1, "b", "v"), put(ns1, "c", strings.Repeat("x", 2000)))
	if err := d.Set(store.ValueKey(nil, ns1, d.revisionOf("b")), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if problems := d.fsck(); len(problems) != 1 || !strings.Contains(problems[0], "does not use it") {
		t.Errorf("problems %q", problems)
	}
}

// TestFsckFinds plants one damage at a time.
func TestFsckFinds(t *testing.T) {
	short := []byte{1}
	for name, damage := range map[string]struct {
		plant func(d *disk) error
		want  string
	}{
		"entry without revision":  {func(d *disk) error { return d.reindex(nil) }, `"inline": revision 1767225600000001 is not in the index by revision`},
		"revision of another key": {func(d *disk) error { return d.reindex(func(r *store.Indexed) { r.Key = "row" }) }, `"row" is not at it`},
		"revision of another op":  {func(d *disk) error { return d.reindex(func(r *store.Indexed) { r.Op = godwit.OpDelete }) }, `"inline": revision 1767225600000001 is not in the index by revision`},
		"single without revision": {func(d *disk) error { return d.Delete(store.RevisionKey(nil, d.revisionOf("single"))) }, `"single": revision 1767225600000019 is not in the index`},
		"index of nothing": {func(d *disk) error {
			return d.Set(store.IndexKey(nil, 5), store.IndexRow(store.Indexed{Revision: 4, Op: godwit.OpPut, Namespace: ns1, Key: "none"}, store.Indexed{Revision: 5, Op: godwit.OpPut, Namespace: ns1, Key: "inline"}))
		}, `revision 4: key 00000000000000000000000000000001 "none" is not at it`},
		"index rows across each other": {func(d *disk) error {
			r := d.revisionOf("row")
			return d.Set(store.IndexKey(nil, r), store.IndexRow(store.Indexed{Revision: r, Op: godwit.OpPut, Namespace: ns1, Key: "row"}))
		}, "is in the index by revision twice"},
		"damaged index":     {func(d *disk) error { return d.Set(store.IndexKey(nil, 5), short) }, "damaged row"},
		"damaged index key": {func(d *disk) error { return d.Set([]byte("i123"), short) }, "damaged row"},
		"damaged replaced":  {func(d *disk) error { return d.Set(store.ReplacedKey(nil, 1<<40), short) }, "store is corrupt"},
		"damaged first replaced": {func(d *disk) error {
			return errors.Join(d.Set(store.ReplacedKey(nil, 1<<40), store.ReplacedRow(nil, 0, []godwit.Revision{1})), d.Set(store.ReplacedKey(nil, 0), short))
		}, "damaged row"},
		"revision of nothing": {func(d *disk) error {
			return d.Set(store.RevisionKey(nil, 5), store.RevisionRow(nil, godwit.OpPut, ns1, "none"))
		}, `revision 5: key 00000000000000000000000000000001 "none" is not at it`},
		"revision of an older write": {func(d *disk) error {
			return d.Set(store.RevisionKey(nil, 5), store.RevisionRow(nil, godwit.OpPut, ns1, "inline"))
		}, "is not at it"},
		"damaged revision":    {func(d *disk) error { return d.Set(store.RevisionKey(nil, 5), short) }, "damaged row"},
		"damaged entry":       {func(d *disk) error { return d.Set(store.EntryKey(nil, ns1, "inline"), short) }, "damaged row"},
		"damaged entry's key": {func(d *disk) error { return d.Set([]byte("e123"), short) }, "damaged row"},
		"entry from the future": {func(d *disk) error {
			r := godwit.Record{Mutation: put(ns1, "future", "v"), Revision: d.Revision() + 9}
			return d.Set(store.EntryKey(nil, ns1, "future"), store.EntryRow(nil, &r))
		}, "is beyond the applied position"},
		"entry without time": {func(d *disk) error {
			return d.Delete(store.DueKey(nil, d.clock.Now().Unix()+3599, ns1, "later"))
		}, "is not in the index by time"},
		"time of nothing": {func(d *disk) error {
			return d.Set(store.DueKey(nil, 77, ns1, "inline"), store.Pair(nil, 1, 1)[:8])
		}, "has nothing due then"},
		"damaged time": {func(d *disk) error { return d.Set(store.DueKey(nil, 77, ns1, "inline"), short) }, "damaged row"},
		"entry and tombstone": {func(d *disk) error {
			return d.Set(store.TombstoneKey(nil, ns1, "inline"), store.TombstoneRow(store.Tombstone{Revision: 1}))
		}, "has a tombstone too"},
		"damaged tombstone": {func(d *disk) error { return d.Set(store.TombstoneKey(nil, ns1, "deleted"), short) }, "damaged row"},
		"tombstone of nothing": {func(d *disk) error {
			return d.Set(store.TombstoneKey(nil, ns1, "x"), store.TombstoneRow(store.Tombstone{Revision: 5, Due: 9}))
		}, "is not in the index by revision"},
		"missing value":         {func(d *disk) error { return d.Delete(store.ValueKey(nil, ns1, d.revisionOf("row"))) }, "value of 0 bytes, not 2000"},
		"short value":           {func(d *disk) error { return d.Set(store.ValueKey(nil, ns1, d.revisionOf("row")), short) }, "value of 1 bytes, not 2000"},
		"value of nothing":      {func(d *disk) error { return d.Set(store.ValueKey(nil, ns1, 5), short) }, "value of revision 5: no entry has it"},
		"value of inline entry": {func(d *disk) error { return d.Set(store.ValueKey(nil, ns1, d.revisionOf("inline")), short) }, "does not use it"},
		"value of another namespace": {func(d *disk) error {
			r := d.revisionOf("row")
			return errors.Join(d.Delete(store.ValueKey(nil, ns1, r)), d.Set(store.ValueKey(nil, ns2, r), bytes.Repeat([]byte("x"), 2000)))
		}, "value of 0 bytes, not 2000"},
		"damaged value's key": {func(d *disk) error { return d.Set([]byte("v123"), short) }, "damaged key"},
		"blob without row":    {func(d *disk) error { return d.Delete(store.BlobKey(nil, ns1, d.blobOf("blob"))) }, "has no row"},
		"blob of nothing":     {func(d *disk) error { return d.Set(store.BlobKey(nil, ns1, godwit.BlobID{5}), nil) }, "no entry names it"},
		"blob of another entry": {func(d *disk) error {
			return d.Set(store.BlobKey(nil, ns1, d.blobOf("blob")), store.BlobRow(nil, d.revisionOf("blob"), "inline"))
		}, "does not name it at revision"},
		"blob of another revision": {func(d *disk) error {
			return d.Set(store.BlobKey(nil, ns1, d.blobOf("blob")), store.BlobRow(nil, 5, "blob"))
		}, "does not name it at revision 5"},
		"damaged blob's row": {func(d *disk) error { return d.Set(store.BlobKey(nil, ns1, d.blobOf("blob")), short) }, "damaged row"},
		"damaged blob's key": {func(d *disk) error { return d.Set([]byte("b123"), nil) }, "damaged key"},
		"blob to be removed": {func(d *disk) error { return d.Set(store.GarbageKey(nil, 5, d.blobOf("blob")), nil) }, "it is to be removed"},
		"damaged garbage":    {func(d *disk) error { return d.Set([]byte("g123"), nil) }, "damaged key"},
		"missing blob file":  {func(d *disk) error { return d.mem.Remove("/data/blobs/" + d.blobOf("blob").String()) }, "blob not found"},
		"damaged blob file": {func(d *disk) error {
			path := "/data/blobs/" + d.blobOf("blob").String()
			b := readFile(t, d.mem, path)
			b[69_000] ^= 4
			writeFile(t, d.mem, path, b)
			return nil
		}, "blob is damaged"},
		"missing blob directory":   {func(d *disk) error { return d.mem.RemoveAll("/data/blobs") }, "blob directory is missing"},
		"counters too high":        {func(d *disk) error { return d.Set(store.CounterKey(ns1), store.Pair(nil, 99, 99)) }, "counters say 99 keys of 99 bytes, there are 6 of"},
		"counters of nothing":      {func(d *disk) error { return d.Set(store.CounterKey(godwit.NamespaceID{9}), store.Pair(nil, 1, 1)) }, "counters say 1 keys of 1 bytes, there are 0 of 0"},
		"no counters":              {func(d *disk) error { return d.Delete(store.CounterKey(ns1)) }, "no counters for 6 keys"},
		"damaged counters":         {func(d *disk) error { return d.Set(store.CounterKey(ns1), short) }, "store is corrupt"},
		"entry of dropped":         {func(d *disk) error { return d.Set(store.DroppedKey(ns1), nil) }, "is of a namespace that was deleted"},
		"damaged cleared":          {func(d *disk) error { return d.Set(store.WipedKey(ns1), short) }, "read cleared namespaces"},
		"cleared later":            {func(d *disk) error { return d.Set(store.WipedKey(ns1), store.WipedRow(d.Revision()+2, true)) }, "beyond the applied position"},
		"damaged dropped":          {func(d *disk) error { return d.Set([]byte("d123"), nil) }, "damaged key"},
		"request without time":     {func(d *disk) error { return d.Delete(store.ReqTimeKey(nil, d.logTime(), request)) }, "not in the index by time"},
		"request of another time":  {func(d *disk) error { return d.Set(store.RequestKey(nil, request), store.Pair(nil, 5, 5)) }, "not in the index by time"},
		"time without request":     {func(d *disk) error { return d.Delete(store.RequestKey(nil, request)) }, "only in the index by time"},
		"damaged request":          {func(d *disk) error { return d.Set(store.RequestKey(nil, request), short) }, "damaged row"},
		"damaged request's time":   {func(d *disk) error { return d.Set([]byte("p123"), nil) }, "damaged key"},
		"lineage from the future":  {func(d *disk) error { return d.Set(store.LineageKey(nil, d.Revision()+9), make([]byte, 16)) }, "begins beyond the applied position"},
		"damaged lineage":          {func(d *disk) error { return d.Set(store.LineageKey(nil, 5), short) }, "read lineage"},
		"damaged applied position": {func(d *disk) error { return d.Set(store.MetaApplied(), short) }, "store is corrupt"},
		"damaged cluster id":       {func(d *disk) error { return d.Set(store.MetaCluster(), short) }, "read cluster id"},
		"row of no kind":           {func(d *disk) error { return d.Set([]byte("zebra"), short) }, `row "zebra" is of no kind`},
	} {
		t.Run(name, func(t *testing.T) {
			d := everyRow(t)
			if err := damage.plant(d); err != nil {
				t.Fatal(err)
			}
			problems := d.fsck()
			if !strings.Contains(strings.Join(problems, "\n"), damage.want) {
				t.Errorf("problems %q, want %q", problems, damage.want)
			}
		})
	}
}

func (d *disk) revisionOf(key string) godwit.Revision {
	d.t.Helper()
	e, _, err := d.Get(ctx, ns1, []byte(key), godwit.ReadOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	return e.Revision
}

func (d *disk) blobOf(key string) godwit.BlobID {
	d.t.Helper()
	e, _, err := d.Get(ctx, ns1, []byte(key), godwit.ReadOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	return e.Value.Blob.ID
}

// logTime is the log's time, in unix milliseconds.
func (d *disk) logTime() int64 {
	tx := d.Begin()
	defer tx.Rollback()
	return tx.Time()
}

// TestFsckDamagedTable: damage in the database's own files is reported, too.
func TestFsckDamagedTable(t *testing.T) {
	d := damageable(t, nil)
	d.close()
	for path, content := range snapshotFS(t, d.mem, "/data/db") {
		if strings.HasSuffix(path, ".sst") {
			b := []byte(content)
			b[len(b)/3] ^= 1
			writeFile(t, d.mem, path, b)
		}
	}
	var problems []string
	err := store.Fsck(ctx, d.cfg, func(p string) { problems = append(problems, p) })
	if err == nil && len(problems) == 0 || err != nil && !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("problems %q, %v", problems, err)
	}
}

func TestFsckRefuses(t *testing.T) {
	d := everyRow(t)
	report := func(p string) { t.Errorf("problem: %s", p) }
	if err := store.Fsck(ctx, d.cfg, report); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a running store: %v", err)
	}
	d.close()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.Fsck(cancelled, d.cfg, report); !errors.Is(err, context.Canceled) {
		t.Errorf("cut off: %v", err)
	}
	nothing := d.cfg
	nothing.Dir = "/elsewhere"
	if err := store.Fsck(ctx, nothing, report); err == nil || !strings.Contains(err.Error(), "is not a data directory") {
		t.Errorf("no directory: %v", err)
	}
	if names, err := d.mem.List("/elsewhere"); err == nil {
		t.Errorf("fsck made %v", names)
	}
}

// reindex changes the record of "inline" in its row of the index, or takes it out.
func (d *disk) reindex(change func(r *store.Indexed)) error {
	r := d.revisionOf("inline")
	var key []byte
	var kept []store.Indexed
	err := d.Rows(func(k, v []byte) {
		if k[0] != 'i' || key != nil || revisionIn(k) < r {
			return
		}
		key = append(key, k...)
		records, err := store.DecodeIndexRow(revisionIn(k), v)
		if err != nil {
			d.t.Error(err)
		}
		for _, rec := range records {
			if rec.Revision == r && change != nil {
				change(&rec)
			} else if rec.Revision == r {
				continue
			}
			kept = append(kept, rec)
		}
	})
	return errors.Join(err, d.Set(key, store.IndexRow(kept...)))
}
