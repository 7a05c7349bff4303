package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestReadsWaitForTheDisk: what a power cut could take back is shown to nobody,
// and what it could not is shown at once.
func TestReadsWaitForTheDisk(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "hot", "old"), put(ns1, "cold", "old"), put(ns1, "deleted", "old"))
	d.wantValue(ns1, "hot", "old")
	before := d.Revision()
	release := d.faults.HoldSyncs()
	defer release()
	c := d.commit(store.Sync, put(ns1, "new", "v"), put(ns1, "cold", "new"), del(ns1, "deleted"))

	d.wantValue(ns1, "hot", "old")
	if d.Revision() != before {
		t.Errorf("revision %d, want %d", d.Revision(), before)
	}
	blocked, cancel := context.WithCancel(ctx)
	reads := map[string]func(context.Context) error{
		"get of a new key":     func(ctx context.Context) error { return getErr(ctx, d, "new", godwit.ReadOptions{}) },
		"get of a changed key": func(ctx context.Context) error { return getErr(ctx, d, "cold", godwit.ReadOptions{}) },
		"get of a deleted key": func(ctx context.Context) error { return getErr(ctx, d, "deleted", godwit.ReadOptions{}) },
		"list": func(ctx context.Context) error {
			_, err := d.List(ctx, ns1, godwit.ListQuery{Limit: 10}, godwit.ReadOptions{})
			return err
		},
		"get many": func(ctx context.Context) error {
			_, _, err := d.GetMany(ctx, ns1, []string{"hot"}, godwit.ReadOptions{})
			return err
		},
		"get at a revision": func(ctx context.Context) error {
			return getErr(ctx, d, "hot", godwit.ReadOptions{MinRevision: before + 1})
		},
	}
	cancel()
	atOnce := 0 // a few share a set of the hot table with a key that changes
	for i := range 64 {
		if errors.Is(getErr(blocked, d, keyN(i), godwit.ReadOptions{}), godwit.ErrKeyNotFound) {
			atOnce++
		}
	}
	if atOnce < 32 {
		t.Errorf("only %d of 64 absent keys were found absent at once", atOnce)
	}
	for name, read := range reads {
		if err := read(blocked); godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("%s while the disk syncs: %v, want it to wait", name, err)
		}
	}
	var waiting sync.WaitGroup
	for name, read := range reads {
		waiting.Go(func() {
			if err := read(ctx); err != nil && !errors.Is(err, godwit.ErrKeyNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	release()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
	d.wantValue(ns1, "cold", "new")
	d.wantAbsent(ns1, "deleted")
}

// TestAbsenceTellsItsRevision: an absence is told with a revision that holds what made the
// key absent, though that came while it was read. A session that goes on from there never
// sees the value again.
func TestAbsenceTellsItsRevision(t *testing.T) {
	for name, gone := range map[string]godwit.Mutation{
		"deleted": del(ns1, "k"),
		"expired": putUntil(ns1, "k", "v", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{})
			d.write(put(ns1, "k", "v"))
			release := d.faults.HoldSyncs()
			defer release()
			c := d.commit(store.Sync, gone)
			told := make(chan error, 1)
			go func() { told <- absentSince(d, "k", d.Revision()+1) }()
			d.awaitReads(1)
			release()
			if err := c.Wait(); err != nil {
				t.Fatal(err)
			}
			if err := <-told; err != nil {
				t.Error(err)
			}
		})
		t.Run(name+" at a follower", func(t *testing.T) {
			d := newFollower(t, store.Config{})
			d.write(put(ns1, "k", "v"))
			r := d.Revision() + 1
			c := d.commit(store.NoSync, gone)
			if err := absentSince(d, "k", r); err != nil {
				t.Error(err)
			}
			if err := c.Wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestAbsenceAfterRewind: what the log has lost is in no revision that an absence is told of.
func TestAbsenceAfterRewind(t *testing.T) {
	d := newFollower(t, store.Config{})
	d.write(put(ns1, "a", "1"), put(ns1, "b", "2"), put(ns1, "k", "3"), del(ns1, "k"))
	d.tx(func(tx *store.Tx) error { tx.Rewind(2); return nil })
	d.reach(2)
	c := d.commit(store.NoSync, put(ns1, "c", "3"))
	_, served, err := d.Get(ctx, ns1, []byte("k"), godwit.ReadOptions{})
	if !errors.Is(err, godwit.ErrKeyNotFound) || served.Revision > 3 {
		t.Errorf("read of revision %d: %v, want it absent of 2 or 3", served.Revision, err)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
}

// absentSince wants a key to be absent, of a revision.
func absentSince(d *disk, key string, r godwit.Revision) error {
	_, served, err := d.Get(ctx, ns1, []byte(key), godwit.ReadOptions{})
	if !errors.Is(err, godwit.ErrKeyNotFound) || served.Revision != r {
		return fmt.Errorf("read of revision %d: %w, want it absent of revision %d", served.Revision, err, r)
	}
	return nil
}

// TestAbsenceWhileWriting puts and deletes key after key while readers look: no absence is
// told of the revision at which the key was there, neither by a read that came before it
// nor by one that came after.
func TestAbsenceWhileWriting(t *testing.T) {
	const readers = 4
	d := newDisk(t, store.Config{})
	for i := range 400 / effort {
		key := keyN(i)
		var looking sync.WaitGroup
		done := make(chan struct{})
		absent := make([]map[godwit.Revision]bool, readers)
		for n := range readers {
			absent[n] = map[godwit.Revision]bool{}
			looking.Go(func() {
				for {
					_, served, err := d.Get(ctx, ns1, []byte(key), godwit.ReadOptions{})
					if errors.Is(err, godwit.ErrKeyNotFound) {
						absent[n][served.Revision] = true
					} else if err != nil {
						t.Error(err)
						return
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		there := d.write(put(ns1, key, "v"))
		d.write(del(ns1, key))
		close(done)
		looking.Wait()
		for n := range readers {
			if absent[n][there] {
				t.Fatalf("key %d: absent of revision %d, at which it was put", i, there)
			}
		}
	}
}

// TestNoteDoesNotMakeDurable: a note that is written while the log is being synced says
// nothing of what is on its way.
func TestNoteDoesNotMakeDurable(t *testing.T) {
	d := newDisk(t, store.Config{})
	before := d.write(put(ns1, "k", "old"))
	release := d.faults.HoldSyncs()
	defer release()
	c := d.commit(store.Sync, put(ns1, "k", "new"))
	tx := d.Begin()
	tx.SetNote("scrub", []byte("half way"))
	note, err := tx.Commit(store.NoSync)
	if err = errors.Join(err, note.Wait()); err != nil {
		t.Fatal(err)
	}
	if d.Revision() != before {
		t.Errorf("revision %d is durable, want %d", d.Revision(), before)
	}
	release()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	d.wantValue(ns1, "k", "new")
}

func getErr(ctx context.Context, d *disk, key string, opts godwit.ReadOptions) error {
	_, _, err := d.Get(ctx, ns1, []byte(key), opts)
	return err
}

// TestNoReadSeesWhatIsNotDurable lets readers look all the while that commits
// become visible on a disk that syncs nothing: they find what was durable, or
// they wait.
func TestNoReadSeesWhatIsNotDurable(t *testing.T) {
	for range 8 / effort {
		d := newDisk(t, store.Config{})
		for range 25 { // few enough for one file of the write-ahead log
			lookWhileWriting(t, d)
		}
		d.close()
		if t.Failed() {
			return
		}
	}
}

func lookWhileWriting(t *testing.T, d *disk) {
	base := d.write(put(ns1, "k", "base"))
	release := d.faults.HoldSyncs()
	reading, stop := context.WithCancel(ctx)
	var readers, started sync.WaitGroup
	look := func(read func() (godwit.Revision, error)) {
		started.Add(1)
		readers.Go(func() {
			for first := true; reading.Err() == nil; first = false {
				r, err := read()
				if first {
					started.Done()
				}
				if godwit.CodeOf(err) != godwit.CodeUnavailable && (err != nil || r != base) {
					t.Errorf("read revision %d (%v), want %d", r, err, base)
					return
				}
			}
		})
	}
	look(func() (godwit.Revision, error) {
		e, _, err := d.Get(reading, ns1, []byte("k"), godwit.ReadOptions{})
		if err != nil {
			return 0, err
		}
		return e.Revision, nil
	})
	look(func() (godwit.Revision, error) {
		page, err := d.List(reading, ns1, godwit.ListQuery{Limit: 10}, godwit.ReadOptions{})
		if err != nil || len(page.Entries) != 1 {
			return 0, err
		}
		return page.Entries[0].Revision, nil
	})
	started.Wait()
	commits := []store.Commit{
		d.commit(store.Sync, del(ns1, "k")),
		d.commit(store.Sync, put(ns1, "k", strings.Repeat("n", 1024))),
		d.commit(store.Sync, del(ns1, "k")),
	}
	stop()
	readers.Wait()
	release()
	for _, c := range commits {
		if err := c.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMinRevision: a read waits for the revision that it asks for, a while.
func TestMinRevision(t *testing.T) {
	d := newDisk(t, store.Config{})
	r := d.write(put(ns1, "k", "1"))
	_, served, err := d.Get(ctx, ns1, []byte("k"), godwit.ReadOptions{MinRevision: r})
	if err != nil || served.Revision < r {
		t.Errorf("served at %d, %v", served.Revision, err)
	}
	got := make(chan error, 1)
	go func() {
		e, served, err := d.Get(ctx, ns1, []byte("k"), godwit.ReadOptions{MinRevision: r + 1})
		if err == nil && (string(e.Value.Inline) != "2" || served.Revision < r+1) {
			err = errors.New("served too early")
		}
		got <- err
	}()
	d.write(put(ns1, "k", "2"))
	if err := <-got; err != nil {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := getErr(short, d, "k", godwit.ReadOptions{MinRevision: r + 100}); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("a revision that does not come: %v", err)
	}
	_, err = d.List(short, ns1, godwit.ListQuery{Limit: 1}, godwit.ReadOptions{MinRevision: r + 100})
	if godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("list at a revision that does not come: %v", err)
	}
}

// TestBlobGoesOnceItsRemovalIsDurable: a sweep waits for the disk before it
// removes a file, so no power cut brings an entry back without its value.
func TestBlobGoesOnceItsRemovalIsDurable(t *testing.T) {
	for name, remove := range map[string]godwit.Mutation{"delete": del(ns1, "k"), "drop": dropNS(ns1)} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{InlineBytes: 100, BlobGrace: 1})
			value := strings.Repeat("x", 1000)
			d.write(d.putBlob(ns1, "k", value))
			release := d.faults.HoldSyncs()
			defer release()
			c := d.commit(store.Sync, remove)
			swept := make(chan struct{})
			go func() {
				defer close(swept)
				d.sweep()
			}()
			d.faults.AwaitHeld()
			crashed := openDisk(t, d.mem.CrashClone(store.CrashClone{}), d.cfg)
			crashed.wantValue(ns1, "k", value)
			crashed.healthy()
			release()
			<-swept
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			if files := d.blobFiles(); len(files) != 0 {
				t.Errorf("files %v are left", files)
			}
			d.healthy()
		})
	}
}
