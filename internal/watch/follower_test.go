package watch_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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

func newFollower(t *testing.T, cfg watch.Config) *follower {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{
		Dir: "data", FS: store.NewCrashFS(), CacheBytes: 4 << 20, HotBytes: 1 << 20, Follower: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Store, cfg.Follower = s, true
	f := &follower{world{t: t, store: s, hub: watch.New(cfg)}}
	s.SetOnCommit(f.hub.Committed)
	s.SetOnExpired(f.hub.Expired)
	t.Cleanup(func() { f.hub.Close(); f.check(s.Close()) })
	f.follow(godwit.Epoch{ID: godwit.EpochID{1}, First: epochFirst})
	f.apply(105, time.Now(), put(godwit.SystemNamespace, catalog.NamespaceKey(ns1), "{}"))
	return f
}

// show makes a change that reads see. The hub is told of it by its Wait.
func (f *follower) show(change func(tx *store.Tx) error) store.Commit {
	f.t.Helper()
	tx := f.store.Begin()
	f.check(change(tx))
	c, err := tx.Commit(store.NoSync)
	f.check(err)
	return c
}

func (f *follower) commit(change func(tx *store.Tx) error) {
	f.t.Helper()
	f.check(f.show(change).Wait())
}

func (f *follower) follow(l ...godwit.Epoch) {
	f.t.Helper()
	f.commit(func(tx *store.Tx) error { return tx.Follow(clusterID, l, 0) })
}

// apply takes a mutation that was made at a time.
func (f *follower) apply(r godwit.Revision, made time.Time, m godwit.Mutation) {
	f.t.Helper()
	f.commit(func(tx *store.Tx) error { return applyTo(tx, r, made, m) })
}

func applyTo(tx *store.Tx, r godwit.Revision, made time.Time, m godwit.Mutation) error {
	at := made.UnixMilli()
	tx.Advance(at)
	return tx.Apply(&godwit.Record{Mutation: m, Revision: r, Modified: at, Created: at})
}

// TestLostRevisionsOfAnotherNode: the log was taken back, and this node never had
// what was lost. Who saw that at another node begins anew, also where the ring
// holds what comes behind.
func TestLostRevisionsOfAnotherNode(t *testing.T) {
	for _, watched := range []bool{false, true} {
		f := newFollower(t, watch.Config{})
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

// TestExpiriesBeforeAPositionOfAnotherNode: a key expires here before a write that
// another node, which was ahead, had told of while the key stood. Who comes from there
// is told, whether the ring has the expiry, had it or never did, and still of each
// write since.
func TestExpiriesBeforeAPositionOfAnotherNode(t *testing.T) {
	const fourChanges = 1200 // bytes of the ring
	for _, tc := range []struct {
		watched bool
		ring    int
	}{{true, 0}, {true, fourChanges}, {false, 0}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFollower(t, watch.Config{RingSize: tc.ring})
			if tc.watched {
				f.watching(watch.Request{}).want("ready")
			}
			m := putFor(ns1, "gone", "v", 10*time.Second)
			again := m
			again.Key = "again"
			f.apply(109, time.Now(), again)
			f.apply(110, time.Now(), m)
			time.Sleep(15 * time.Second)
			f.watching(watch.Request{}).want("ready")
			before := time.Unix(m.Expiration, 0).Add(-100 * time.Millisecond)
			f.apply(111, before, put(ns1, "other", "1"))
			f.apply(112, time.Now(), put(ns1, "other", "2"))
			f.apply(113, time.Now(), put(ns1, "again", "v"))
			f.apply(114, time.Now(), put(ns1, "other", "3"))
			lines := []string{"expire gone", "put other", "put again", "put other", "ready"}
			e := f.watching(watch.Request{After: "111"}).want(lines...)
			if n, _, _ := f.hub.Kept(ns1); tc.ring > 0 && n != 4 {
				t.Errorf("%d changes are kept", n)
			}
			f.watching(watch.Request{After: e.ID}).want("expire gone", "ready")
			time.Sleep(2 * time.Minute)
			id := f.watching(watch.Request{}).want("ready").ID
			f.watching(watch.Request{After: id}).want("ready")
		})
	}
}

// TestExpiryWhileACommitIsUntold: a round tells of a commit that the hub is told of
// later. What expires between the two is told then, and not what was written again.
func TestExpiryWhileACommitIsUntold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, watch.Config{})
		gone := putFor(ns1, "gone", "v", 10*time.Second)
		again := putFor(ns1, "again", "v", 10*time.Second)
		f.apply(110, time.Now(), gone)
		untold := f.show(func(tx *store.Tx) error {
			return errors.Join(
				applyTo(tx, 111, time.Now(), again),
				applyTo(tx, 112, time.Now(), put(ns1, "again", "v")),
				applyTo(tx, 113, time.Now(), put(ns1, "other", "v")),
			)
		})
		resumed, fresh := f.watching(watch.Request{After: "105"}), f.watching(watch.Request{})
		resumed.want("put gone", "put again", "put other", "ready")
		fresh.want("ready")
		time.Sleep(15 * time.Second)
		f.check(untold.Wait())
		f.apply(114, time.Now(), put(ns1, "gone", "v"))
		for _, r := range []*reader{resumed, fresh} {
			if e, want := r.want("expire gone"), fmt.Sprintf("113.%d", gone.Expiration); e.ID != want {
				t.Errorf("the expiry's id is %s, want %s", e.ID, want)
			}
			r.want("put gone")
		}
	})
}
