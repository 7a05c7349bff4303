package watch_test

import (
	"context"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// follower is a hub on the store of a node that follows: what the log brings is
// applied by the test, from revision 105 on.
type follower struct{ world }

const (
	clusterID  = "00112233445566778899aabbccddeeff"
	epochFirst = 100
)

func newFollower(t *testing.T) *follower {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{
		Dir: "data", FS: store.NewCrashFS(), CacheBytes: 4 << 20, HotBytes: 1 << 20, Follower: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{world{t: t, store: s, hub: watch.New(watch.Config{Store: s, Follower: true})}}
	s.SetOnCommit(f.hub.Committed)
	s.SetOnExpired(f.hub.Expired)
	t.Cleanup(func() { f.hub.Close(); f.check(s.Close()) })
	f.follow(godwit.Epoch{ID: godwit.EpochID{1}, First: epochFirst})
	f.apply(105, time.Now(), put(godwit.SystemNamespace, catalog.NamespaceKey(ns1), "{}"))
	return f
}

func (f *follower) commit(change func(tx *store.Tx) error) {
	f.t.Helper()
	tx := f.store.Begin()
	f.check(change(tx))
	c, err := tx.Commit(store.NoSync)
	f.check(err)
	f.check(c.Wait())
}

func (f *follower) follow(l ...godwit.Epoch) {
	f.t.Helper()
	f.commit(func(tx *store.Tx) error { return tx.Follow(clusterID, l, 0) })
}

// apply takes a mutation that was made at a time.
func (f *follower) apply(r godwit.Revision, made time.Time, m godwit.Mutation) {
	f.t.Helper()
	at := made.UnixMilli()
	f.commit(func(tx *store.Tx) error {
		tx.Advance(at)
		return tx.Apply(&godwit.Record{Mutation: m, Revision: r, Modified: at, Created: at})
	})
}

// TestLostRevisionsOfAnotherNode: the log was taken back, and this node never had
// what was lost. Who saw that at another node begins anew, also where the ring
// holds what comes behind.
func TestLostRevisionsOfAnotherNode(t *testing.T) {
	for _, watched := range []bool{false, true} {
		f := newFollower(t)
		f.apply(110, time.Now(), put(ns1, "k", "kept"))
		if watched {
			f.watching(watch.Request{}).want("ready")
		}
		f.follow(
			godwit.Epoch{ID: godwit.EpochID{1}, First: epochFirst},
			godwit.Epoch{ID: godwit.EpochID{2}, First: 1000, After: 110},
		)
		f.commit(func(tx *store.Tx) error { return tx.Reach(1000) })
		f.apply(1001, time.Now(), put(ns1, "new", "v"))
		f.watching(watch.Request{After: "120"}).want("reset")
		f.watching(watch.Request{After: "110"}).want("put new", "ready")
	}
}
