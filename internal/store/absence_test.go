package store_test

import (
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestAbsence: a store knows of new requests, and of namespaces in which nothing was
// deleted, without looking, from its start on; and of all others that it does not.
func TestAbsence(t *testing.T) {
	d := newDisk(t, store.Config{}.WithoutSweeper())
	known, old, unknown := godwit.RequestKey{1}, godwit.RequestKey{2}, godwit.RequestKey{3}
	remember := func(k godwit.RequestKey) {
		t.Helper()
		tx := d.Begin()
		tx.Advance(d.clock.Now().UnixMilli())
		tx.Remember(k, godwit.Result{Outcome: godwit.Applied, Revision: 7})
		if c, err := tx.Commit(store.Sync); err != nil || c.Wait() != nil {
			t.Fatal(err)
		}
	}
	want := func(when string) {
		t.Helper()
		tx := d.Begin()
		defer tx.Rollback()
		if !tx.SureRequest(unknown) || tx.SureRequest(known) {
			t.Errorf("%s: sure of a new request: %t, of a known one: %t", when, tx.SureRequest(unknown), tx.SureRequest(known))
		}
		if r, ok, err := tx.Request(known); err != nil || !ok || r.Revision != 7 {
			t.Errorf("%s: known request: %v %t %v", when, r, ok, err)
		}
		for _, k := range []godwit.RequestKey{old, unknown} {
			if _, ok, err := tx.Request(k); err != nil || ok {
				t.Errorf("%s: request %v is remembered: %v", when, k[0], err)
			}
		}
		if !tx.SureTombstone(ns1) || tx.SureTombstone(ns2) {
			t.Errorf("%s: sure of a namespace without tombstones: %t, with: %t", when, tx.SureTombstone(ns1), tx.SureTombstone(ns2))
		}
		if h, err := tx.Head(ns2, "gone"); err != nil || h.Revision == 0 {
			t.Errorf("%s: the tombstone is not found: %+v %v", when, h, err)
		}
	}
	remember(old)
	d.clock.advance(store.RequestWindow + time.Second)
	remember(known)
	d.write(put(ns1, "a", "v"), put(ns2, "gone", "v"), del(ns2, "gone"))
	want("at first")
	d.reopen()
	want("opened again")
	d.close()
	d.open()
	d.healthy()
}
