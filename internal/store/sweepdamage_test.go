package store_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// heard counts how often it was told of each key that it has expired.
type heard struct {
	mu   sync.Mutex
	keys map[string]int
}

func (h *heard) expired(some []store.Expired) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keys == nil {
		h.keys = make(map[string]int)
	}
	for _, e := range some {
		h.keys[e.Key]++
	}
}

func (h *heard) of(key string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys[key]
}

// TestSweepBehindDamage: a row that cannot be read keeps nothing else from expiring, and
// from being told of once. Each sweep tells of it in one line.
func TestSweepBehindDamage(t *testing.T) {
	for name, key := range map[string][]byte{
		"entry":    store.EntryKey(nil, ns1, "damaged"),
		"versions": store.VersionKey(nil, ns1, "damaged", 0),
		"due row":  store.DueKey(nil, 1, ns1, "")[:12],
	} {
		t.Run(name, func(t *testing.T) {
			var told heard
			d := newDisk(t, store.Config{OnExpired: told.expired}.WithoutSweeper())
			const keys = 1200 // more than one chunk
			soon := d.clock.Now().Unix() + 1
			d.write(keeping(ns1, "5"), put(ns1, "damaged", "v"))
			d.write(putUntil(ns1, "damaged", "v", soon), putUntil(ns1, "beside", "v", soon))
			var others []godwit.Mutation
			for i := range keys {
				others = append(others, putUntil(ns2, keyN(i), "v", soon+1))
			}
			d.write(others...)
			if err := d.Set(key, []byte{0xff}); err != nil {
				t.Fatal(err)
			}
			d.reopen()
			d.clock.advance(time.Hour)
			for range 2 {
				if err := d.Sweep(ctx); !store.IsDamage(err) || strings.Contains(err.Error(), "\n") {
					t.Errorf("sweep: %v, want one line about the damage", err)
				}
				d.wantStats(ns2, 0, 0)
			}
			for i := range keys {
				if n := told.of(keyN(i)); n != 1 {
					t.Fatalf("told %d times that %q has expired", n, keyN(i))
				}
			}
			if n := told.of("beside"); n != 1 {
				t.Errorf("told %d times that the key beside the damage has expired", n)
			}
		})
	}
}

// TestSweepHistoriesBehindDamage: versions that cannot be read keep those of no other
// namespace from going.
func TestSweepHistoriesBehindDamage(t *testing.T) {
	d := newDisk(t, store.Config{}.WithoutSweeper())
	const damaged = 20
	for i := range byte(damaged + 1) {
		ns := godwit.NamespaceID{15: 100 + i}
		d.write(keeping(ns, "1m"), put(ns, "k", "v"), put(ns, "k", "w"))
		if i < damaged {
			if err := d.Set(store.VersionKey(nil, ns, "k", 0), []byte{0xff}); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.reopen()
	d.clock.advance(time.Hour)
	if err := d.Sweep(ctx); !store.IsDamage(err) || strings.Contains(err.Error(), "\n") {
		t.Errorf("sweep: %v, want one line about the damage", err)
	}
	if n, _ := d.HistoryStats(godwit.NamespaceID{15: 100 + damaged}); n != 0 {
		t.Errorf("%d versions of a namespace without damage are left", n)
	}
}

// TestSweepTellsOfDamageSeldom: what every sweep meets again does not fill the log.
func TestSweepTellsOfDamageSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := store.Config{
			Dir: "/data", FS: store.NewMemFS(), DiskReserve: -1, CacheBytes: 1 << 20, HotBytes: 1 << 16,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		s, err := store.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		tx := s.Begin()
		err = tx.Apply(at(tx.Revision()+1, putUntil(ns1, "damaged", "v", time.Now().Unix()+1)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := tx.Commit(store.Sync)
		if err := errors.Join(err, c.Wait(), s.Set(store.EntryKey(nil, ns1, "damaged"), []byte{0xff}), s.Close()); err != nil {
			t.Fatal(err)
		}
		if s, err = store.Open(ctx, cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Second)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "msg=sweep"); n != 2 {
			t.Errorf("logged %d times in a minute and a half:\n%s", n, &log)
		}
	})
}
