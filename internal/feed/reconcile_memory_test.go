package feed_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// generated is an upstream of long values that nobody holds in memory.
type generated struct {
	t        testing.TB
	keys     int
	perPage  int // 0: 16
	value    []byte
	together atomic.Int64 // requests for places that are being answered
	most     atomic.Int64
	sent     atomic.Int64 // pages of walks
}

var generatedLog = godwit.Lineage{{ID: godwit.EpochID{1}, First: 10}}

func (g *generated) record(i int, heads bool) godwit.Record {
	r := godwit.Record{
		Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: namespaceID(0), Key: fmt.Sprintf("key-%07d", i)},
		Revision: godwit.Revision(100 + i), Created: 1, Modified: 1,
	}
	if !heads {
		r.Value.Inline = g.value
	}
	return r
}

func (g *generated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", feed.ContentType)
	if r.Method == http.MethodPost {
		g.most.Store(max(g.most.Load(), g.together.Add(1)))
		defer g.together.Add(-1)
		g.places(w, r)
		return
	}
	heads, perPage := r.URL.Query().Get("heads") == "1", cmp.Or(g.perPage, 16)
	if heads {
		perPage = 3000
	}
	_, _ = w.Write(frames(g.t, &feed.Hello{Cluster: fmt.Sprintf("%032d", 0), Lineage: generatedLog, Revision: 1 << 40}))
	for i := 0; i < g.keys; {
		p := &feed.Page{Revision: 1 << 40, Heads: heads}
		for ; i < g.keys && len(p.Records) < perPage; i++ {
			p.Records = append(p.Records, g.record(i, heads))
		}
		p.Done = i == g.keys
		if _, err := w.Write(frames(g.t, p)); err != nil {
			return
		}
		g.sent.Add(1)
	}
}

func (g *generated) places(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	places, err := feed.DecodePlaces(body)
	if err != nil {
		g.t.Error(err)
	}
	p := &feed.Page{Revision: 1 << 40, Done: true}
	for i := range places {
		if p.Done = len(p.Records)*len(g.value) < 4<<20; !p.Done {
			break
		}
		var n int
		if _, err := fmt.Sscanf(places[i].Key, "key-%d", &n); err != nil {
			g.t.Error(err)
		}
		p.Records = append(p.Records, g.record(n, false))
	}
	_, _ = w.Write(frames(g.t, p))
}

// TestReconcileInBoundedMemory: what is held does not grow with what is copied,
// whether values come with their pages or are fetched.
func TestReconcileInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("copies 100 MiB twice")
	}
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first copy %t", first), func(t *testing.T) {
			g := &generated{t: t, keys: 1600, value: bytes.Repeat([]byte("v"), 64<<10)}
			small := storetest.SmallDisk(store.Disk()) // or memtables may be most of what is measured
			s, err := store.Open(context.Background(), store.Config{Dir: t.TempDir(), FS: small, Follower: true, CacheBytes: 1 << 20, HotBytes: 1 << 16})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !first {
				tx := s.Begin()
				err := tx.Follow(fmt.Sprintf("%032d", 0), generatedLog, 0)
				if err == nil {
					err = tx.Reach(50)
				}
				if err != nil {
					t.Fatal(err)
				}
				c, err := tx.Commit(store.NoSync)
				if err == nil {
					err = c.Wait()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			before := liveHeap()
			var most uint64
			commits := 0
			r := feed.Reconcile{
				Store: s, Client: client(t, g), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
				Progress: func(feed.Progress) {
					if commits++; commits%8 == 0 {
						most = max(most, liveHeap())
					}
				},
			}
			if _, err := r.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := s.Stats().Keys; n != int64(g.keys) {
				t.Errorf("%d keys", n)
			}
			if grown := int64(most) - int64(before); grown > 64<<20 { // of 100
				t.Errorf("%d MiB were held", grown>>20)
			}
			if n := g.most.Load(); n > 5 {
				t.Errorf("%d requests at once", n)
			}
		})
	}
}

// TestRunsOfSmallEntries: a run of a first copy is not of so many entries that what each
// takes beside its bytes counts for more than they do.
func TestRunsOfSmallEntries(t *testing.T) {
	g := &generated{t: t, keys: 120_000, perPage: 3000, value: []byte("v")}
	s, err := store.Open(context.Background(), store.Config{Dir: "/data", FS: store.NewMemFS(), Follower: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var taken, most int64
	r := feed.Reconcile{
		Store: s, Client: client(t, g), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Progress: func(p feed.Progress) { most, taken = max(most, p.Taken-taken), p.Taken },
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if taken != int64(g.keys) || most > 40_000 {
		t.Errorf("%d were taken, %d of them at once", taken, most)
	}
}

// TestLargePagesWaitByTheirBytes: as long as nothing is brought in, no more is taken from
// the upstream than a few pages as large as they may be.
func TestLargePagesWaitByTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &generated{t: t, keys: 12 * 16, perPage: 16, value: bytes.Repeat([]byte("v"), 512<<10)}
		s, err := store.Open(context.Background(), store.Config{Dir: "/data", FS: store.NewMemFS(), Follower: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var sent int64
		r := feed.Reconcile{
			Store: s, Client: client(t, g), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			Progress: func(feed.Progress) {
				if sent == 0 {
					synctest.Wait()
					sent = g.sent.Load()
				}
			},
		}
		if _, err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent > 7 || g.sent.Load() != 12 {
			t.Errorf("%d pages of %d were taken in before the first was brought in", sent, g.sent.Load())
		}
	})
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
