package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestHandOver: what decisions remember of a shared log comes out of one store and
// goes into another in place of what was there, with the log's time, also where that
// goes back.
func TestHandOver(t *testing.T) {
	from, to := newDisk(t, store.Config{}), newDisk(t, store.Config{Follower: true})
	const start = 1_000_000_000
	remember(t, from, start, 1)
	remember(t, from, start+1000, 2)
	remember(t, from, start+store.RequestWindow.Milliseconds()+500, 3) // the first is forgotten by then
	remember(t, to, start*2, 9)
	if got := known(t, from); !slices.Equal(got.ids, []byte{2, 3}) {
		t.Errorf("remembered %v", got.ids)
	}
	v, err := from.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	tx := to.Begin()
	tx.Forget(v.Time())
	if err := v.Proposers(ctx, func(p store.KnownProposer) error { tx.KeepProposer(p); return nil }); err != nil {
		t.Error(err)
	}
	if err := v.Requests(ctx, func(r store.KnownRequest) error { tx.KeepRequest(r); return nil }); err != nil {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	commit(t, tx)
	if diff := cmp.Diff(known(t, from), known(t, to), cmp.AllowUnexported(memory{})); diff != "" {
		t.Errorf("(-from +to):\n%s", diff)
	}
	tx = to.Begin()
	defer tx.Rollback()
	if tx.Time() != start+store.RequestWindow.Milliseconds()+500 {
		t.Errorf("the time is %d", tx.Time())
	}
	if r, is, err := tx.Request(godwit.RequestKey{15: 2}); !is || err != nil || r.Revision != 2 || !slices.Equal(r.Sums, []int64{-2, 1 << 60}) {
		t.Errorf("request 2: %+v, %t, %v", r, is, err)
	}
	if _, is, err := tx.Request(godwit.RequestKey{15: 9}); is || err != nil {
		t.Errorf("request 9 is known: %v", err)
	}
	if n, err := tx.Proposer(store.ProposerID{15: 3}); n != 30 || err != nil {
		t.Errorf("proposer 3 is at %d, %v", n, err)
	}
}

// remember keeps a request and a proposer, both named by n.
func remember(t *testing.T, d *disk, ms int64, n byte) {
	t.Helper()
	tx := d.Begin()
	tx.Advance(ms)
	r := godwit.Result{Revision: godwit.Revision(n)}
	if n%2 == 0 {
		r.Sums = []int64{-int64(n), 1 << 60}
	}
	tx.Remember(godwit.RequestKey{15: n}, r)
	tx.SetProposer(store.ProposerID{15: n}, 10*uint64(n))
	commit(t, tx)
}

func commit(t testing.TB, tx *store.Tx) {
	t.Helper()
	c, err := tx.Commit(store.Sync)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
}

type memory struct {
	ids       []byte // of requests
	proposers []store.KnownProposer
	requests  []store.KnownRequest
	time      int64
}

func known(t *testing.T, d *disk) (m memory) {
	t.Helper()
	v, err := d.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	m.time = v.Time()
	if err := v.Proposers(ctx, func(p store.KnownProposer) error {
		m.proposers = append(m.proposers, p)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := v.Requests(ctx, func(r store.KnownRequest) error {
		m.requests = append(m.requests, r)
		m.ids = append(m.ids, r.Key[15])
		return nil
	}); err != nil {
		t.Error(err)
	}
	return m
}

// TestSweptAhead: entries that this node's clock has made go before the log's time
// did are told of, and no others.
func TestSweptAhead(t *testing.T) {
	d := newDisk(t, store.Config{Retention: time.Hour})
	now := d.clock.Now().Unix()
	tx := d.Begin()
	tx.Advance(now * 1000)
	values := []string{"v", "v", "7", "7", "v", "v"}
	for i, expiration := range []int64{now, now + 5, now, now + 6, now + 3600 + 5, 0} {
		r := godwit.Record{
			Mutation: godwit.Mutation{Op: godwit.OpPut, Key: string(rune('a' + i)), Value: godwit.Value{Inline: []byte(values[i])}, Expiration: expiration},
			Revision: godwit.Revision(i + 1), Created: int64(i), Modified: int64(i),
		}
		if err := tx.Apply(&r); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, tx)
	d.clock.advance(10 * time.Second)
	if err := d.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	v, err := d.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var got []godwit.Record
	err = v.SweptAhead(ctx, d.clock.Now().Unix(), func(r *godwit.Record) error {
		got = append(got, *r)
		return nil
	})
	number := godwit.Value{Inline: []byte("7")}
	want := []godwit.Record{
		{Mutation: godwit.Mutation{Op: godwit.OpPut, Key: "b", Expiration: now + 5}, Swept: true, Revision: 2, Created: 1, Modified: 1},
		{Mutation: godwit.Mutation{Op: godwit.OpPut, Key: "d", Expiration: now + 6, Value: number}, Swept: true, Revision: 4, Created: 3, Modified: 3},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	keepSwept(t, got)
}

// keepSwept holds that a copy that swept an entry, or was told of it as swept, has
// its number once a state was handed over.
func keepSwept(t *testing.T, swept []godwit.Record) {
	t.Helper()
	to := newDisk(t, store.Config{Retention: time.Hour, Follower: true})
	for _, step := range []func(*store.Tx, *godwit.Record) error{
		func(tx *store.Tx, r *godwit.Record) error {
			without := *r
			without.Value = godwit.Value{}
			return tx.CatchUp(&without)
		},
		func(tx *store.Tx, r *godwit.Record) error { return tx.KeepSwept(r) },
	} {
		tx := to.Begin()
		for i := range swept {
			if err := step(tx, &swept[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Reach(9); err != nil {
			t.Fatal(err)
		}
		commit(t, tx)
	}
	tx := to.Begin()
	for key, want := range map[string]bool{"b": false, "d": true} {
		h, err := tx.Head(godwit.NamespaceID{}, key)
		if n, is := h.Number(); err != nil || is != want || is && n != 7 || h.Revision == 0 {
			t.Errorf("%s: %d, %t, %v", key, n, is, err)
		}
	}
	tx.Rollback()
	to.healthy()
}
