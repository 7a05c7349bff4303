package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestOnExpired: each entry that a sweep makes absent is told once, in order of
// its second; one that was replaced, deleted, or dropped with its namespace is
// not.
func TestOnExpired(t *testing.T) {
	d := newDisk(t, store.Config{Retention: time.Minute})
	var told []store.Expired
	d.SetOnExpired(func(e []store.Expired) { told = append(told, e...) })
	now := d.clock.Now().Unix()
	d.write(putUntil(ns1, "b", "v", now+2), putUntil(ns1, "a", "v", now+1), putUntil(ns1, "replaced", "v", now+1),
		putUntil(ns1, "deleted", "v", now+1), putUntil(ns2, "dropped", "v", now+1), putUntil(ns1, "longer", "v", now+1))
	d.write(put(ns1, "replaced", "v"), del(ns1, "deleted"), dropNS(ns2), putUntil(ns1, "longer", "v", now+3))
	for range 3 {
		d.clock.advance(time.Second)
		d.sweep()
		d.sweep()
	}
	d.clock.advance(time.Hour) // the tombstones go
	d.sweep()
	want := []store.Expired{{ns1, "a", 2, now + 1}, {ns1, "b", 1, now + 2}, {ns1, "longer", 10, now + 3}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	d.healthy()
}

// TestOnExpiredInTime: it is told just after the second has begun, by the
// corrected clock, also once that has been corrected.
func TestOnExpiredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		var mu sync.Mutex
		told := map[string]time.Duration{} // after the second
		s, err := store.Open(ctx, store.Config{
			Dir: "/data", FS: store.NewMemFS(), DiskReserve: -1, CacheBytes: 1 << 20, HotBytes: 1 << 16, Now: now,
			OnExpired: func(expired []store.Expired) {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range expired {
					told[e.Key] = now().Sub(time.Unix(e.At, 0))
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		put := func(key string, after int64) {
			tx := s.Begin()
			m := putUntil(ns1, key, "v", now().Unix()+after)
			if err := tx.Apply(&godwit.Record{Mutation: m, Revision: tx.Revision() + 1}); err != nil {
				t.Fatal(err)
			}
			c, err := tx.Commit(store.Sync)
			if err == nil {
				err = c.Wait()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		corrections := []time.Duration{0, 700 * time.Millisecond, -400 * time.Millisecond, 123 * time.Millisecond}
		for i, correction := range corrections {
			offset.Store(int64(correction))
			for after := range int64(3) {
				put(fmt.Sprint(i, "/", after), after+2) // the first tick after a correction may be early or late
			}
			time.Sleep(6 * time.Second)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 3*len(corrections) {
			t.Errorf("told of %v", told)
		}
		for key, after := range told {
			if after < 0 || after > 20*time.Millisecond {
				t.Errorf("%s was told %v after its second", key, after)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
