package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func expirations(t *testing.T, d *disk, ns godwit.NamespaceID, prefix string, after store.Expiry, upTo int64) (found []string) {
	t.Helper()
	v := d.view()
	defer v.Close()
	err := v.Expirations(ctx, ns, prefix, after, upTo, func(e store.Expired) error {
		found = append(found, fmt.Sprintf("%d %s", e.At, e.Key))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestExpirations: what has expired is found in order, whether the sweeper has
// come by or not; what was replaced or deleted is not.
func TestExpirations(t *testing.T) {
	d := newDisk(t, store.Config{Retention: time.Hour})
	now := d.clock.Now().Unix()
	for i, key := range []string{"a/1", "a/2", "b/3", "a/4", "a/5", "a/6"} {
		d.write(putUntil(ns1, key, "v", now+10*int64(i+1)))
	}
	d.write(putUntil(ns2, "a/other", "v", now+15))
	d.write(putUntil(ns1, "a/twin", "v", now+20))
	d.clock.advance(25 * time.Second)
	d.sweep() // of 10 and 20
	d.write(del(ns1, "a/5"))
	d.write(put(ns1, "a/6", "for ever"))
	d.write(put(ns1, "a/1", "again"))
	d.clock.advance(time.Minute)

	at := func(s int64, key string) string { return fmt.Sprintf("%d %s", now+s, key) }
	for _, tt := range []struct {
		ns     godwit.NamespaceID
		prefix string
		after  store.Expiry
		upTo   int64
		want   []string
	}{
		{ns1, "", store.Expiry{}, now + 100, []string{at(20, "a/2"), at(20, "a/twin"), at(30, "b/3"), at(40, "a/4")}},
		{ns1, "a/", store.Expiry{}, now + 100, []string{at(20, "a/2"), at(20, "a/twin"), at(40, "a/4")}},
		{ns1, "", store.Expiry{At: now + 20}, now + 39, []string{at(20, "a/2"), at(20, "a/twin"), at(30, "b/3")}},
		{ns1, "", store.Expiry{At: now + 20, Key: "a/2"}, now + 30, []string{at(20, "a/twin"), at(30, "b/3")}},
		{ns1, "", store.Expiry{At: now + 30, Key: "b/3"}, now + 39, nil},
		{ns1, "", store.Expiry{At: now + 30}, now + 29, nil},
		{ns2, "", store.Expiry{}, now + 100, []string{at(15, "a/other")}},
	} {
		got := expirations(t, d, tt.ns, tt.prefix, tt.after, tt.upTo)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q after %+v: %s", tt.prefix, tt.after, diff)
		}
	}
	d.clock.advance(2 * time.Hour)
	d.sweep()
	if got := expirations(t, d, ns1, "", store.Expiry{}, d.clock.Now().Unix()); slices.Contains(got, at(20, "a/2")) {
		t.Errorf("after the retention: %v", got)
	}
}

func TestExpirationsStops(t *testing.T) {
	d := newDisk(t, store.Config{})
	now := d.clock.Now().Unix()
	for i := range 600 {
		d.write(putUntil(ns1, keyN(i), "v", now+1))
	}
	d.clock.advance(time.Second)
	v := d.view()
	defer v.Close()
	boom := errors.New("boom")
	if err := v.Expirations(ctx, ns1, "", store.Expiry{}, now+1, func(store.Expired) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want what the function returned", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	err := v.Expirations(ended, ns1, "none", store.Expiry{}, now+1, func(store.Expired) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// TestExpiredIsToldBeforeTheKeyIsPutAgain: while OnExpired runs the sweeper has
// yet to commit, and so nobody else can have.
func TestExpiredIsToldBeforeTheKeyIsPutAgain(t *testing.T) {
	var d *disk
	var standing godwit.Revision
	d = newDisk(t, store.Config{OnExpired: func([]store.Expired) {
		v := d.view()
		defer v.Close()
		if r, err := v.Entry(store.Place{Namespace: ns1, Key: "k"}); err == nil && r != nil {
			standing = r.Revision
		}
	}})
	r := d.write(putUntil(ns1, "k", "v", d.clock.Now().Unix()+1))
	d.clock.advance(time.Second)
	d.sweep()
	if standing != r {
		t.Errorf("the entry of revision %d stood when its expiry was told, want %d", standing, r)
	}
}
