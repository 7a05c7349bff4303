package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func (d *disk) digest() [32]byte {
	d.t.Helper()
	v := d.view()
	defer v.Close()
	sum, err := v.Digest(ctx, d.clock.Now().Unix(), func() {})
	if err != nil {
		d.t.Fatal(err)
	}
	return sum
}

// TestViewDigest: whatever a decision reads, and whatever a reader sees, makes
// another digest; what a node does at its own time does not.
func TestViewDigest(t *testing.T) {
	d := newFollower(t, store.Config{InlineBytes: 5000})
	now := d.clock.Now().Unix()
	d.write(put(ns1, "a", "1"), put(ns1, "row", strings.Repeat("x", 3000)), putUntil(ns1, "timed", "v", now+5),
		d.putBlob(ns1, "blob", strings.Repeat("x", 9000)))
	last := d.digest()
	same := func(what string) {
		t.Helper()
		if d.digest() != last {
			t.Errorf("%s: another digest", what)
		}
	}
	change := func(what string, fn func(tx *store.Tx) error) {
		t.Helper()
		d.tx(fn)
		if sum := d.digest(); sum == last {
			t.Errorf("%s: the same digest", what)
		} else {
			last = sum
		}
	}
	same("nothing")
	d.tx(func(tx *store.Tx) error { tx.SetNote("own", []byte("note")); return nil })
	same("a note")
	d.clock.advance(6 * time.Second)
	last = d.digest()
	if err := d.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	same("a sweep")
	install := func(key, value string, r godwit.Revision) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			return errors.Join(tx.Install(at(r, put(ns1, key, value))), tx.Reach(tx.Revision()))
		}
	}
	change("a value", install("a", "2", 1))
	change("a revision", install("a", "2", 2))
	change("a long value", install("row", strings.Repeat("x", 2999)+"y", 2))
	change("an entry less", func(tx *store.Tx) error {
		return errors.Join(tx.Remove(store.Place{Namespace: ns1, Key: "a"}), tx.Reach(tx.Revision()))
	})
	change("the log's time", func(tx *store.Tx) error { tx.Advance(tx.Time() + 1); return tx.Reach(tx.Revision()) })
	change("a position", func(tx *store.Tx) error { return tx.Reach(tx.Revision() + 1) })
	change("a request", func(tx *store.Tx) error { tx.Remember(godwit.RequestKey{1}, godwit.Result{Revision: 2}); return nil })
	change("its sums", func(tx *store.Tx) error {
		tx.Remember(godwit.RequestKey{1}, godwit.Result{Revision: 2, Sums: []int64{3}})
		return nil
	})
	change("a proposer", func(tx *store.Tx) error { tx.SetProposer(store.ProposerID{1}, 1); return nil })
	change("its number", func(tx *store.Tx) error { tx.SetProposer(store.ProposerID{1}, 2); return nil })
	change("an epoch", func(tx *store.Tx) error { tx.StartEpoch(godwit.Epoch{ID: godwit.EpochID{1}, First: 99}); return nil })
	change("that both are forgotten", func(tx *store.Tx) error {
		tx.Advance(tx.Time() + (store.ProposerWindow + time.Second).Milliseconds())
		return tx.Reach(tx.Revision())
	})
	if err := d.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	same("a sweep of both")
}

// TestViewDigestRests: a digest of much pauses now and then, and stops when it is
// told.
func TestViewDigestRests(t *testing.T) {
	d := newFollower(t, store.Config{})
	for n := range 2000 {
		d.write(put(ns1, fmt.Sprint(n), "v"))
	}
	v := d.view()
	defer v.Close()
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	rests := 0
	if _, err := v.Digest(stopping, 0, func() { rests++ }); err != nil || rests < 5 || rests > 20 {
		t.Errorf("%d rests, %v", rests, err)
	}
	rests = 0
	_, err := v.Digest(stopping, 0, func() { rests++; stop() })
	if !errors.Is(err, context.Canceled) || rests != 1 {
		t.Errorf("stopped after %d rests by %v", rests, err)
	}
}

// TestEntryDigest: who is told all entries makes the digest that the store makes of them,
// wherever the values stand and in whatever order they were written.
func TestEntryDigest(t *testing.T) {
	d := newDisk(t, store.Config{InlineBytes: 5000})
	now := d.clock.Now().Unix()
	d.write(put(ns1, "z", strings.Repeat("z", 2000)), put(ns2, "x", strings.Repeat("x", 1999)), put(ns1, "m", strings.Repeat("m", 3000)))
	d.write(put(ns1, "a", "1"), put(ns1, "none", ""), put(ns1, "b", strings.Repeat("b", 1500)), put(ns1, "m", strings.Repeat("n", 3000)),
		putUntil(ns1, "soon", strings.Repeat("s", 2000), now+60), putUntil(ns1, "timed", "v", now+61), d.putBlob(ns1, "blob", strings.Repeat("x", 9000)))
	r := put(ns1, "y", "v")
	r.Metadata = []byte(`{"a":1}`)
	d.write(r)
	v := d.view()
	defer v.Close()
	sum := store.NewEntryDigest(now + 60)
	if err := v.Walk(ctx, nil, true, func(r *godwit.Record) error { sum.Add(r); return nil }); err != nil {
		t.Fatal(err)
	}
	want, _, err := d.Digest(ctx, now+60)
	if err != nil || sum.Sum() != want {
		t.Errorf("digest %x, want %x, %v", sum.Sum(), want, err)
	}
	if later, _, err := d.Digest(ctx, now+61); err != nil || later == want {
		t.Errorf("without an entry %x too, %v", later, err)
	}
}
