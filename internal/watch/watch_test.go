package watch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

func TestLiveEvents(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	before := w.propose(put(ns1, "a/old", "x"))
	r := w.watching(watch.Request{Prefix: "a/"})
	ready := r.want("ready")
	if ready.ID != before.String() || ready.Revision != before {
		t.Errorf("ready at %q, revision %d, want %d", ready.ID, ready.Revision, before)
	}
	m := putFor(ns1, "a/1", "value", time.Hour)
	m.Metadata = []byte(`{"n":1}`)
	rev := w.propose(m, put(ns1, "b/1", "not asked for"), put(ns2, "a/1", "elsewhere"))
	e := r.want("put a/1")
	if e.Revision != rev-2 || e.ID != e.Revision.String() || e.Size != 5 || string(e.Metadata) != `{"n":1}` || e.Expiration != m.Expiration {
		t.Errorf("got %+v after a transaction up to %d", e, rev)
	}
	rev = w.propose(del(ns1, "a/1"))
	if e := r.want("delete a/1"); e.Revision != rev || e.ID != rev.String() {
		t.Errorf("got %+v, want revision %d", e, rev)
	}
}

func TestValues(t *testing.T) {
	w := newWorld(t, store.Config{InlineBytes: 128 << 10}, watch.Config{})
	with, without := w.watching(watch.Request{Values: true}), w.watching(watch.Request{})
	start := with.want("ready")
	without.want("ready")
	long := strings.Repeat("x", watch.MaxValue)
	w.propose(put(ns1, "k", "v"), put(ns1, "empty", ""), put(ns1, "long", long), put(ns1, "longer", long+"x"))
	blob, err := w.store.Upload(context.Background(), strings.NewReader(long+long+long), 1<<20)
	w.check(err)
	w.propose(godwit.Mutation{Op: godwit.OpPut, Namespace: ns1, Key: "blob", Value: blob})
	lines := []string{"put k=v", "put empty=", "put long=" + long, "put longer", "put blob"}
	if e := with.want(lines...); e.Size != 3<<16 {
		t.Errorf("size %d", e.Size)
	}
	without.want("put k", "put empty", "put long", "put longer", "put blob")
	w.reopen() // the ring is empty
	w.watching(watch.Request{Values: true, After: start.ID}).want(append(lines, "ready")...)
}

// TestExpiryIsToldWithinItsSecond watches entries expire on a clock that only
// the test moves.
func TestExpiryIsToldWithinItsSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{}, watch.Config{})
		r := w.watching(watch.Request{})
		r.want("ready")
		m := putFor(ns1, "k", "v", 90*time.Second)
		rev := w.propose(m, put(ns1, "stays", "v"))
		r.want("put k", "put stays")
		e := r.want("expire k")
		if late := time.Since(time.Unix(m.Expiration, 0)); late < 0 || late > time.Second {
			t.Errorf("told %v after its second", late)
		}
		want := watch.Event{
			Kind: watch.Expired, ID: fmt.Sprintf("%d.%d", rev, m.Expiration),
			Key: "k", Revision: rev - 1, Expiration: m.Expiration,
		}
		if e.Kind != want.Kind || e.ID != want.ID || e.Key != want.Key || e.Revision != want.Revision || e.Expiration != want.Expiration {
			t.Errorf("got %+v, want %+v", e, want)
		}
		r.stop()
		w.close()
		w.open()
	})
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{}, watch.Config{})
		r := w.watching(watch.Request{})
		first := r.want("ready")
		start := time.Now()
		for i := range 39 {
			e, err, ok := r.next()
			if err != nil || !ok || e.Kind != watch.Heartbeat {
				t.Fatalf("got %+v, %v", e, err)
			}
			if since := time.Since(start); since != time.Duration(i+1)*15*time.Second {
				t.Errorf("heartbeat %d came after %v", i, since)
			}
		}
		w.propose(put(ns2, "elsewhere", "v"))
		e, _, _ := r.next()
		if e.Kind != watch.Ready || e.Revision <= first.Revision {
			t.Errorf("after ten minutes: %+v, want a ready behind %s", e, first.ID)
		}
		r.stop()
		w.watching(watch.Request{After: e.ID}).want("ready")
	})
}

func TestResume(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := newWorld(t, store.Config{}, watch.Config{})
		r := w.watching(watch.Request{})
		r.want("ready")
		w.propose(put(ns1, "a", "1"))
		w.propose(put(ns1, "b", "1"))
		w.propose(put(ns1, "a", "2"))
		id := r.want("put a").ID
		r.stop()
		w.propose(del(ns1, "b"))
		want := []string{"put b", "put a", "delete b", "ready"}
		if restart {
			w.reopen()
			want = []string{"put a", "delete b", "ready"} // latest states alone
		}
		again := w.watching(watch.Request{After: id})
		again.want(want...)
		w.propose(put(ns1, "c", "1"))
		again.want("put c")
	}
}

// TestExpiriesWhileAway: what expired while nobody watched is told to whoever
// comes back, from the ring or from the store, and of an entry that was written
// meanwhile no more than that it has expired.
func TestExpiriesWhileAway(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, store.Config{}, watch.Config{})
			r := w.watching(watch.Request{})
			r.want("ready")
			w.propose(putFor(ns1, "before", "v", 2*time.Minute), putFor(ns1, "late", "v", time.Hour), putFor(ns2, "elsewhere", "v", time.Minute))
			last := r.want("put before", "put late")
			r.stop()
			w.propose(putFor(ns1, "meanwhile", "v", 3*time.Minute), put(ns1, "stays", "v"))
			want := []string{"put meanwhile", "put stays", "expire before", "expire meanwhile", "ready"}
			time.Sleep(30 * time.Second)
			if restart {
				w.reopen()
				want = []string{"expire before", "expire meanwhile", "put stays", "ready"}
			}
			time.Sleep(10 * time.Minute)
			w.watching(watch.Request{After: last.ID}).want(want...)
		})
	}
}

func TestResumeBehindAnExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{}, watch.Config{})
		r := w.watching(watch.Request{})
		r.want("ready")
		w.propose(putFor(ns1, "a", "v", 5*time.Minute), putFor(ns1, "b", "v", 5*time.Minute), putFor(ns1, "c", "v", 10*time.Minute))
		last := r.want("put a", "put b", "put c", "expire a")
		r.stop()
		time.Sleep(6 * time.Minute)
		w.watching(watch.Request{After: last.ID}).want("expire a", "expire b", "expire c", "ready")
		w.reopen()
		w.watching(watch.Request{After: last.ID}).want("expire a", "expire b", "expire c", "ready")
	})
}

func TestResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{Retention: 10 * time.Minute}, watch.Config{})
		w.propose(put(ns1, "a", "1"))
		first := w.watching(watch.Request{}).want("ready")
		w.propose(del(ns1, "a"))
		time.Sleep(15 * time.Minute) // the tombstone is gone
		now := w.propose(put(ns1, "b", "1"))
		for _, after := range []string{first.ID, (now + 1000).String(), "1", godwit.MaxRevision.String()} {
			r := w.watching(watch.Request{After: after})
			if e := r.want("reset"); e.ID != now.String() {
				t.Errorf("after %s: reset to %q, want %d", after, e.ID, now)
			}
			now = w.propose(put(ns1, "c", "1"))
			r.want("put c")
			r.stop()
		}
	})
}

// TestLostRevisions puts the store back to an earlier state: who was told of what
// came after it begins anew, who was not goes on.
func TestLostRevisions(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	kept := w.propose(put(ns1, "kept", "v"))
	image := w.fs.CrashClone(store.CrashClone{})
	lost := w.propose(put(ns1, "lost", "v"))
	w.close()
	w.fs = image
	w.open()
	w.propose(put(ns1, "new", "v"))
	w.watching(watch.Request{After: lost.String()}).want("reset")
	w.watching(watch.Request{After: kept.String()}).want("put new", "ready")
}

// TestExpiriesTooOldToTell: a deletion's revision says when it is forgotten, an
// expiry's does not.
func TestExpiriesTooOldToTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, store.Config{Retention: 10 * time.Minute}, watch.Config{})
		w.propose(putFor(ns1, "k", "v", time.Minute))
		id := w.propose(put(ns1, "stays", "v")).String()
		time.Sleep(15 * time.Minute)
		w.watching(watch.Request{After: id}).want("reset")
	})
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	for _, id := range []string{"x", "0", "-1", "1.", "1.0", "1.x", "1.2.3", " 1", "1.99999999999999999", "9007199254740992", strings.Repeat("9", 1<<16)} {
		w.watching(watch.Request{After: id}).wantError(godwit.CodeInvalidRequest)
	}
	w.watching(watch.Request{Prefix: strings.Repeat("x", godwit.MaxKeyBytes+1)}).wantError(godwit.CodeKeyTooLong)
	none := godwit.NamespaceID{15: 9}
	w.watching(watch.Request{Namespace: none}).wantError(godwit.CodeNamespaceNotFound)
	w.watching(watch.Request{Namespace: none, After: "1"}).wantError(godwit.CodeNamespaceNotFound)
	for _, err := range w.hub.Watch(t.Context(), watch.Request{}) {
		if godwit.CodeOf(err) != godwit.CodeNamespaceNotFound {
			t.Errorf("the system namespace: %v", err)
		}
	}
}

func TestDeletedNamespaceEndsItsWatches(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	r, other := w.watching(watch.Request{}), w.watching(watch.Request{Namespace: ns2})
	id := r.want("ready").ID
	other.want("ready")
	w.propose(put(ns1, "k", "v"))
	w.propose(del(godwit.SystemNamespace, catalog.NamespaceKey(ns1)))
	r.want("put k")
	r.wantError(godwit.CodeNamespaceNotFound)
	w.watching(watch.Request{After: id}).wantError(godwit.CodeNamespaceNotFound)
	w.propose(put(ns2, "k", "v"))
	other.want("put k")
}

func TestCloseEndsWatches(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	r := w.watching(watch.Request{})
	r.want("ready")
	w.hub.Close()
	r.wantError(godwit.CodeUnavailable)
	w.watching(watch.Request{}).wantError(godwit.CodeUnavailable)
}

func TestContextEndsAWatch(t *testing.T) {
	w := newWorld(t, store.Config{}, watch.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := 0
	for _, err := range w.hub.Watch(ctx, watch.Request{Namespace: ns1}) {
		if err != nil {
			t.Error(err)
		}
		events++
		cancel()
	}
	if events != 1 {
		t.Errorf("%d events", events)
	}
}

func FuzzID(f *testing.F) {
	for _, seed := range []string{"1", "1.2", "9007199254740991.1", "01", "1.", ".1", "1.02", "+1", "1e3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		again, err := watch.CanonicalID(id)
		if err == nil && again != id {
			t.Errorf("%q reads as %q", id, again)
		}
		if err != nil && godwit.CodeOf(err) != godwit.CodeInvalidRequest {
			t.Errorf("%q: %v", id, err)
		}
	})
}
