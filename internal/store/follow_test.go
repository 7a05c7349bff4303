package store_test

import (
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

func newFollower(t testing.TB, cfg store.Config) *disk {
	t.Helper()
	cfg.Follower = true
	return newDisk(t, cfg)
}

// tx commits what fn does, as a follower does.
func (d *disk) tx(fn func(tx *store.Tx) error) {
	d.t.Helper()
	tx := d.Begin()
	tx.Advance(d.clock.Now().UnixMilli())
	if err := fn(tx); err != nil {
		tx.Rollback()
		d.t.Fatalf("transaction: %v", err)
	}
	c, err := tx.Commit(store.NoSync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		d.t.Fatalf("commit: %v", err)
	}
}

// at makes a record of a mutation.
func at(r godwit.Revision, m godwit.Mutation) *godwit.Record {
	return &godwit.Record{Mutation: m, Revision: r, Created: int64(r), Modified: int64(r)}
}

// sweptAt makes the record of a put whose value is gone.
func sweptAt(r godwit.Revision, key string, expiration int64) *godwit.Record {
	out := at(r, godwit.Mutation{Op: godwit.OpPut, Namespace: ns1, Key: key, Expiration: expiration})
	out.Swept = true
	return out
}

func (d *disk) catchUp(records ...*godwit.Record) {
	d.t.Helper()
	d.tx(func(tx *store.Tx) error {
		for _, r := range records {
			if err := tx.CatchUp(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *disk) reach(r godwit.Revision) {
	d.t.Helper()
	d.tx(func(tx *store.Tx) error { return tx.Reach(r) })
}

// wantState checks position and whether the store is mixed.
func (d *disk) wantState(r godwit.Revision, mixed bool) {
	d.t.Helper()
	if d.Revision() != r || d.Mixed() != mixed {
		d.t.Errorf("at %d, mixed: %v; want %d, %v", d.Revision(), d.Mixed(), r, mixed)
	}
}

// TestCatchUp: what is newer stands, the position stays, Reach moves it; what came
// in ahead of it can be read at once.
func TestCatchUp(t *testing.T) {
	d := newFollower(t, store.Config{})
	h := d.hear()
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(10, put(ns1, "a", "10"))) })
	d.catchUp(at(20, put(ns1, "a", "20")), at(30, put(ns1, "b", "30")), at(31, del(ns1, "c")))
	d.wantState(10, true)
	d.wantValue(ns1, "a", "20")
	d.catchUp(at(15, put(ns1, "a", "15")), at(20, put(ns1, "a", "other")), at(25, del(ns1, "b")), at(29, put(ns1, "c", "29")))
	d.wantValue(ns1, "a", "20")
	d.wantValue(ns1, "b", "30")
	d.wantAbsent(ns1, "c")
	_, served, err := d.Get(ctx, ns1, []byte("a"), godwit.ReadOptions{})
	if err != nil || served.Revision != 10 {
		t.Errorf("served at %d, %v: the store has not all of what came before", served.Revision, err)
	}
	page, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 10}, godwit.ReadOptions{})
	if err != nil || len(page.Entries) != 2 || page.Served.Revision != 10 {
		t.Errorf("list: %+v, %v", page, err)
	}
	d.reach(25)
	d.wantState(25, true) // it holds revision 31
	d.reopen()
	d.wantState(25, true)
	d.SetOnCommit(func(*store.Committed) {})
	d.reach(40)
	d.wantState(40, false)
	d.reopen()
	d.wantState(40, false)
	if _, served, err := d.Get(ctx, ns1, []byte("a"), godwit.ReadOptions{}); err != nil || served.Revision != 40 {
		t.Errorf("served at %d, %v", served.Revision, err)
	}
	h.want("0..10 exact 10:a=10\n10..10 20:a=20 30:b=30 31:c=\n10..25\n")
	tx := d.Begin()
	if err := tx.Reach(39); err == nil {
		t.Error("the position went back")
	}
	tx.Rollback()
	d.healthy()
}

// TestApplyWhileMixed: a log that goes on where a round was cut off does not take
// back what the round brought.
func TestApplyWhileMixed(t *testing.T) {
	d := newFollower(t, store.Config{})
	h := d.hear()
	own := "namespace/" + ns2.String()
	d.catchUp(at(3, put(ns1, "a", "3")), at(5, put(ns1, "b", "5")), at(6, del(godwit.SystemNamespace, own)))
	log := []*godwit.Record{
		at(1, put(ns1, "a", "1")), at(2, put(godwit.SystemNamespace, own, "{}")), at(3, put(ns1, "a", "3")),
		at(4, put(ns2, "k", "4")), at(5, put(ns1, "b", "5")), at(6, del(godwit.SystemNamespace, own)), at(7, put(ns1, "a", "7")),
	}
	want := "3"
	for _, r := range log {
		d.tx(func(tx *store.Tx) error { return tx.Apply(r) })
		if r.Revision == 7 {
			want = "7"
		}
		d.wantValue(ns1, "a", want)
		d.wantAbsent(ns2, "k")
		d.wantState(r.Revision, true)
	}
	d.reach(7)
	d.wantState(7, false)
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(8, put(ns1, "a", "8"))) })
	told := h.text()
	if strings.Count(told, "exact") != 1 || !strings.HasSuffix(told, "7..8 exact 8:a=8\n") {
		t.Errorf("told:\n%s", told)
	}
	d.wantStats(ns2, 0, 0)
	d.healthy()
}

// TestExactAgain: a commit that ends a round is not exact, the one after it is,
// and a Reach over nothing is.
func TestExactAgain(t *testing.T) {
	d := newFollower(t, store.Config{})
	h := d.hear()
	d.tx(func(tx *store.Tx) error { return errors.Join(tx.CatchUp(at(3, put(ns1, "a", "3"))), tx.Reach(5)) })
	d.wantState(5, false)
	d.tx(func(tx *store.Tx) error { return errors.Join(tx.Apply(at(6, put(ns1, "a", "6"))), tx.Reach(9)) })
	d.reach(9)
	d.reach(12)
	d.tx(func(tx *store.Tx) error { tx.SetNote("n", []byte("v")); return nil })
	h.want("0..5 3:a=3\n5..9 exact 6:a=6\n9..12 exact\n")
}

// TestInstall replaces whatever stands there, tombstones and newer entries too,
// and leaves no row of it.
func TestInstall(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 5000, BlobGrace: time.Hour})
	now := d.clock.Now().Unix()
	row, other := strings.Repeat("x", 2000), strings.Repeat("y", 1500)
	kept := d.putBlob(ns1, "same blob", strings.Repeat("x", 9000))
	d.write(put(ns1, "newer", "v"), put(ns1, "row", row), put(ns1, "deleted", "v"), putUntil(ns1, "swept", "v", now+1), // 1 to 4
		d.putBlob(ns1, "blob", strings.Repeat("x", 6000)), kept, put(ns1, "dies", "v"), putUntil(ns1, "timed", "v", now+99)) // 5 to 8
	d.write(del(ns1, "deleted"), put(ns1, "newer", "w")) // 9, 10
	d.clock.advance(time.Second)
	d.sweep()
	h := d.hear()
	_, err := d.get(ns1, "newer") // into the hot table
	if err != nil {
		t.Fatal(err)
	}
	keep := at(6, kept)
	d.tx(func(tx *store.Tx) error {
		for _, r := range []*godwit.Record{
			at(5, put(ns1, "blob", row)), at(3, put(ns1, "deleted", "back")),
			sweptAt(7, "dies", now), at(1, put(ns1, "newer", "v")), at(2, put(ns1, "row", other)),
			keep, at(4, putUntil(ns1, "swept", "back", now+999)), at(8, put(ns1, "timed", "v")), at(20, put(ns1, "x", "v")),
		} {
			if err := tx.Install(r); err != nil {
				return err
			}
		}
		return nil
	})
	d.wantValue(ns1, "newer", "v")
	d.wantValue(ns1, "row", other)
	d.wantValue(ns1, "deleted", "back")
	d.wantValue(ns1, "swept", "back")
	d.wantValue(ns1, "blob", row)
	d.wantValue(ns1, "same blob", strings.Repeat("x", 9000))
	d.wantAbsent(ns1, "dies")
	d.wantState(10, true)
	if files := d.blobFiles(); len(files) != 2 {
		t.Errorf("files %v", files)
	}
	d.clock.advance(2 * time.Hour)
	d.sweep()
	d.wantValue(ns1, "same blob", strings.Repeat("x", 9000))
	if files := d.blobFiles(); len(files) != 1 {
		t.Errorf("files %v after the grace", files)
	}
	if text := h.text(); !strings.HasPrefix(text, "10..10 5:blob=xxx") {
		t.Errorf("told %.100s", text)
	}
	if got := d.listAll(ns1, "", 10); fmt.Sprint(got) != "[blob deleted newer row same blob timed x]" {
		t.Errorf("keys %q", got)
	}
	d.healthy()
}

// TestInstallSweptNeedsTime: a record that says of itself that it has expired,
// and not when, is refused.
func TestInstallSweptNeedsTime(t *testing.T) {
	d := newFollower(t, store.Config{})
	r := at(5, put(ns1, "k", ""))
	r.Swept = true
	tx := d.Begin()
	defer tx.Rollback()
	if err := errors.Join(tx.Install(r)); err == nil || !strings.Contains(err.Error(), "no expiration") {
		t.Errorf("%v", err)
	}
}

// TestSwept: a put without its value is its own tombstone, and goes after the
// retention.
func TestSwept(t *testing.T) {
	d := newFollower(t, store.Config{Retention: time.Minute})
	now := d.clock.Now().Unix()
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, put(ns1, "caught up", "v"))), tx.Apply(at(2, put(ns1, "installed", "v"))), tx.Apply(sweptAt(3, "applied", now-5)))
	})
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.CatchUp(sweptAt(4, "caught up", now-5)), tx.Install(sweptAt(5, "installed", now-5)), tx.Reach(5))
	})
	d.wantStats(ns1, 0, 0)
	for _, key := range []string{"caught up", "installed", "applied"} {
		d.wantAbsent(ns1, key)
	}
	v := d.view()
	got := changes(t, v, 0, 5)
	if len(got) != 3 || !got[0].Swept || got[0].Created != 3 || got[2].Expiration != now-5 {
		t.Errorf("changes:\n%s", lines(got))
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	d.healthy()
	d.open()
	d.clock.advance(time.Minute)
	d.sweep()
	if d.Purged() != 5 {
		t.Errorf("purge floor %d", d.Purged())
	}
	d.healthy()
}

// TestRemove leaves nothing, whatever stood there; a namespace's own entry takes
// its keys with it.
func TestRemove(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 5000, BlobGrace: 1})
	now := d.clock.Now().Unix()
	own := "namespace/" + ns2.String()
	d.write(put(ns1, "inline", "v"), put(ns1, "row", strings.Repeat("x", 2000)), putUntil(ns1, "timed", "v", now+9),
		d.putBlob(ns1, "blob", strings.Repeat("x", 9000)), put(ns1, "deleted", "v"), putUntil(ns1, "swept", "v", now+1),
		put(godwit.SystemNamespace, own, "{}"), put(ns2, "k", "v"))
	d.write(del(ns1, "deleted"))
	d.clock.advance(time.Second)
	d.sweep()
	var system []string
	d.SetOnSystem(func(records []godwit.Record) {
		for _, r := range records {
			system = append(system, fmt.Sprint(r.Op, " ", r.Key, " ", r.Revision))
		}
	})
	h := d.hear()
	d.tx(func(tx *store.Tx) error {
		for _, key := range []string{"inline", "row", "timed", "blob", "deleted", "swept", "none"} {
			if err := tx.Remove(store.Place{Namespace: ns1, Key: key}); err != nil {
				return err
			}
		}
		return tx.Remove(store.Place{Key: own})
	})
	h.want("9..9 0:inline= 0:row= 0:timed= 0:blob= 0:" + own + "=\n")
	if want := "[2 " + own + " 0]"; fmt.Sprint(system) != want {
		t.Errorf("the catalog was told %s, want %s", system, want)
	}
	d.wantAbsent(ns1, "inline")
	d.wantAbsent(ns2, "k")
	d.wantStats(ns1, 0, 0)
	d.wantStats(ns2, 0, 0)
	d.clock.advance(time.Hour)
	d.sweep()
	if left := append(d.rowsOf(ns1), d.rowsOf(ns2)...); len(left) != 0 || len(d.blobFiles()) != 0 {
		t.Errorf("left: rows %q, files %v", left, d.blobFiles())
	}
	d.healthy()
}

// TestCatchUpDropsNamespace: a namespace's deletion in a round deletes its keys,
// and what comes late from before it stays out.
func TestCatchUpDropsNamespace(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 100})
	own := "namespace/" + ns2.String()
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, put(godwit.SystemNamespace, own, "{}"))), tx.Apply(at(2, put(ns2, "k", "v"))))
	})
	d.catchUp(at(9, del(godwit.SystemNamespace, own)))
	d.wantAbsent(ns2, "k")
	d.catchUp(at(1, put(godwit.SystemNamespace, own, "{}")), at(3, put(ns2, "late", "v")), at(4, del(ns2, "k")))
	d.wantAbsent(ns2, "late")
	d.sweep()
	if left := d.rowsOf(ns2); len(left) != 0 {
		t.Errorf("rows are left: %q", left)
	}
	d.reach(9)
	d.wantState(9, false)
	d.healthy()
}

// TestInstallDroppedNamespace: a log that has lost a namespace's deletion brings
// the namespace back, whole, before or after a sweep.
func TestInstallDroppedNamespace(t *testing.T) {
	for _, sweepFirst := range []bool{false, true} {
		d := newFollower(t, store.Config{InlineBytes: 100, BlobGrace: 1})
		own := "namespace/" + ns2.String()
		blob := d.putBlob(ns2, "blob", strings.Repeat("x", 1000))
		d.write(put(godwit.SystemNamespace, own, "{}"), put(ns2, "k", "v"), blob, dropNS(ns2))
		if sweepFirst {
			d.sweep()
		}
		d.tx(func(tx *store.Tx) error {
			return errors.Join(tx.Install(at(1, put(godwit.SystemNamespace, own, "{}"))),
				tx.Install(at(3, blob)), tx.Install(at(2, putUntil(ns2, "k", "v", d.clock.Now().Unix()+1000))))
		})
		d.sweep()
		d.tx(func(tx *store.Tx) error { tx.Rewind(3); return tx.Reach(3) })
		d.sweep()
		d.wantValue(ns2, "k", "v")
		d.wantStats(ns2, 2, 1006)
		missing := 0
		if err := d.MissingBlobs(ctx, func(store.Place, *godwit.Entry) error { missing++; return nil }); err != nil || missing != 1 {
			t.Errorf("%d blobs are missing, %v", missing, err) // its file went with the namespace
		}
		d.tx(func(tx *store.Tx) error { return tx.Follow(strings.Repeat("ab", 16), nil, 0) })
		d.healthy()
	}
}

// TestRewind: the position goes back, and reads and waiting with it.
func TestRewind(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.write(put(ns1, "a", "1"), put(ns1, "b", "2"), put(ns1, "a", "3"))
	d.wantValue(ns1, "a", "3")
	h := d.hear()
	d.tx(func(tx *store.Tx) error {
		err := tx.Install(at(1, put(ns1, "a", "1")))
		tx.Rewind(2)
		return err
	})
	h.want("3..2 1:a=1\n")
	d.wantState(2, true)
	d.wantValue(ns1, "a", "1")
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := d.WaitRevision(short, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for what was lost: %v", err)
	}
	if _, served, err := d.Get(ctx, ns1, []byte("a"), godwit.ReadOptions{}); err != nil || served.Revision != 2 {
		t.Errorf("served at %d, %v", served.Revision, err)
	}
	d.reopen()
	d.wantState(2, true)
	d.SetOnCommit(nil)
	d.reach(2)
	d.wantState(2, false)
	waited := make(chan error, 1)
	go func() { waited <- d.WaitRevision(ctx, 1000) }()
	d.tx(func(tx *store.Tx) error { return tx.Apply(at(1000, put(ns1, "a", "new"))) })
	if err := <-waited; err != nil {
		t.Errorf("wait: %v", err)
	}
	d.wantValue(ns1, "a", "new")
	d.healthy()
}

// TestRewindBelowTheFuture: once what was ahead of the log is gone, the store waits for
// it no longer, in the next process either.
func TestRewindBelowTheFuture(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.write(put(ns1, "a", "1"))
	d.catchUp(at(1<<50, put(ns1, "b", "x")))
	d.wantState(1, true)
	d.tx(func(tx *store.Tx) error {
		err := tx.Remove(store.Place{Namespace: ns1, Key: "b"})
		tx.Rewind(1)
		return err
	})
	d.reopen()
	d.wantState(1, true)
	d.reach(2)
	d.wantState(2, false)
	d.healthy()
}

// TestRewindOverDelete: an entry stays in the index at a revision that the lost log gave
// to a delete of the same key.
func TestRewindOverDelete(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.write(put(ns1, "k", "lost"), del(ns1, "k"))
	d.tx(func(tx *store.Tx) error { return tx.Install(at(2, put(ns1, "k", "new"))) })
	d.tx(func(tx *store.Tx) error {
		tx.Rewind(1)
		return nil
	})
	d.reach(2)
	v := d.view()
	defer v.Close()
	if got := changes(t, v, 1, 2); len(got) != 1 || got[0].Key != "k" || got[0].Revision != 2 {
		t.Errorf("the index tells of %v, want k at 2", got)
	}
	d.wantValue(ns1, "k", "new")
}

// TestFollow takes over cluster, lineage and purge floor, durably once synced.
func TestFollow(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.openEpoch()
	cluster := strings.Repeat("ab", 16)
	lineage := godwit.Lineage{{ID: godwit.EpochID{1}, First: 5}, {ID: godwit.EpochID{2}, First: 1 << 52}}
	d.tx(func(tx *store.Tx) error {
		tx.SetNote("resume", []byte("here"))
		tx.SetNote("empty", []byte{})
		return tx.Follow(cluster, lineage, 7)
	})
	check := func(d *disk) {
		t.Helper()
		if d.Cluster() != cluster || d.Stats().ClusterID != cluster || d.Purged() != 7 {
			t.Errorf("cluster %s, purged %d", d.Cluster(), d.Purged())
		}
		if diff := cmp.Diff(lineage, d.Lineage()); diff != "" {
			t.Errorf("lineage (-want +got):\n%s", diff)
		}
		for name, want := range map[string]string{"resume": "here", "empty": "", "none": "nil"} {
			if got, err := d.Note(name); err != nil || string(got) != want && (want != "nil" || got != nil) {
				t.Errorf("note %s: %q, %v", name, got, err)
			}
		}
	}
	check(d)
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	crashed := openDisk(t, d.mem.CrashClone(store.CrashClone{}), d.cfg)
	check(crashed)
	crashed.healthy()
	d.tx(func(tx *store.Tx) error {
		tx.SetNote("resume", nil)
		return tx.Follow(cluster, lineage[:1], 3)
	})
	if note, err := d.Note("resume"); note != nil || err != nil || d.Purged() != 7 || len(d.Lineage()) != 1 {
		t.Errorf("note %q (%v), purged %d, lineage %v", note, err, d.Purged(), d.Lineage())
	}
	d.healthy()
}

func TestFollowRefuses(t *testing.T) {
	d := newFollower(t, store.Config{})
	good := strings.Repeat("ab", 16)
	for name, tc := range map[string]struct {
		cluster string
		lineage godwit.Lineage
	}{
		"no cluster":      {"", nil},
		"short cluster":   {"abcd", nil},
		"not hexadecimal": {strings.Repeat("xy", 16), nil},
		"no revision":     {good, godwit.Lineage{{First: 0}}},
		"too high":        {good, godwit.Lineage{{First: godwit.MaxRevision + 1}}},
		"out of order":    {good, godwit.Lineage{{First: 5}, {First: 5}}},
	} {
		tx := d.Begin()
		if err := tx.Follow(tc.cluster, tc.lineage, 0); err == nil {
			t.Errorf("%s: taken", name)
		}
		tx.Rollback()
	}
	if d.Cluster() == "" || len(d.Lineage()) != 0 {
		t.Errorf("cluster %q, lineage %v", d.Cluster(), d.Lineage())
	}
}

// TestFollowerReadsAtOnce: no read of a follower waits for the disk.
func TestFollowerReadsAtOnce(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.tx(func(tx *store.Tx) error {
		return errors.Join(tx.Apply(at(1, put(ns1, "a", "1"))), tx.Apply(at(2, put(ns1, "b", "2"))))
	})
	release := d.faults.HoldSyncs()
	defer release()
	tx := d.Begin()
	if err := errors.Join(tx.Apply(at(3, put(ns1, "a", "3"))), tx.Apply(at(4, del(ns1, "b")))); err != nil {
		t.Fatal(err)
	}
	c, err := tx.Commit(store.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	e, served, err := d.Get(cancelled, ns1, []byte("a"), godwit.ReadOptions{})
	if err != nil || e.Revision != 3 || served.Revision != 3 {
		t.Errorf("get: %+v at %d, %v", e, served.Revision, err)
	}
	if err := getErr(cancelled, d, "b", godwit.ReadOptions{}); !errors.Is(err, godwit.ErrKeyNotFound) {
		t.Errorf("get of a deleted key: %v", err)
	}
	if page, err := d.List(cancelled, ns1, godwit.ListQuery{Limit: 9}, godwit.ReadOptions{}); err != nil || len(page.Entries) != 1 || page.Served.Revision != 4 {
		t.Errorf("list: %+v, %v", page, err)
	}
	if err := c.Wait(); err != nil || d.Revision() != 4 {
		t.Errorf("at %d, %v", d.Revision(), err)
	}
}
