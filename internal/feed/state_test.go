package feed_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// shared makes a centre one of several that own the log.
func shared(c *feed.ServerConfig) {
	c.Shared = true
	c.Place = func(v *store.View) ([]byte, error) { return []byte("place"), nil }
}

// TestPositionsOfMembers holds that a node that shares its log, and so may lag, takes
// nobody back who is ahead of it.
func TestPositionsOfMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, shared)
		s.propose(put(s.namespace("a").ID, "k", "1"))
		here := s.position()
		unknown := godwit.EpochID{0xee}
		for name, tc := range map[string]struct {
			at   godwit.Position
			want feed.EndReason
		}{
			"ahead":             {godwit.Position{Epoch: here.Epoch, Revision: here.Revision + 1}, feed.EndAhead},
			"unknown and ahead": {godwit.Position{Epoch: unknown, Revision: here.Revision + 1}, feed.EndAhead},
			"unknown":           {godwit.Position{Epoch: unknown, Revision: here.Revision}, feed.EndTooOld},
			"nowhere":           {godwit.Position{}, feed.EndTooOld},
		} {
			st := s.follow(feed.FollowRequest{After: tc.at})
			if h := next[*feed.Hello](t, st); !h.Owner {
				t.Errorf("%s: it does not own its log", name)
			}
			wantEnd(t, st, tc.want)
		}
		if _, err := s.store.OpenEpoch(); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, s.follow(feed.FollowRequest{After: godwit.Position{Epoch: here.Epoch, Revision: here.Revision + 1}}), feed.EndDiverged)
	})
}

// TestState holds that all of a state is handed over, in bounded frames, though the
// store goes on.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, shared)
		ns := s.namespace("a").ID
		const requests = 5000
		var txs []godwit.Transaction
		for i := range requests {
			tx := put(ns, "k", "v")
			tx.RequestKey = godwit.RequestKey{13: 1, 14: byte(i >> 8), 15: byte(i)}
			txs = append(txs, tx)
		}
		s.propose(txs...)
		s.keepProposer()
		want, at := s.known(), s.position()
		st, err := s.client(rootToken).State(t.Context(), s.store.Cluster(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		next[*feed.Hello](t, st)
		state := next[*feed.State](t, st)
		if state.Position != at || string(state.Place) != "place" || state.Time == 0 {
			t.Errorf("state %+v, want one at %+v", state, at)
		}
		s.propose(put(ns, "later", "v"))
		var got feed.Known
		frames := 0
		for {
			f, err := st.Next()
			if err != nil {
				t.Fatal(err)
			}
			if end, ok := f.(*feed.End); ok {
				if end.Reason != feed.EndDone {
					t.Errorf("it ends with %v", end)
				}
				break
			}
			part := f.(*feed.Known)
			if n := len(part.Proposers) + len(part.Requests); n > 4500 {
				t.Errorf("%d in one frame", n)
			}
			frames++
			got.Proposers = append(got.Proposers, part.Proposers...)
			got.Requests = append(got.Requests, part.Requests...)
		}
		if !cmp.Equal(got.Requests, want.Requests) || len(got.Requests) != requests || frames < 2 {
			t.Errorf("%d requests in %d frames, and not the %d that there are", len(got.Requests), frames, len(want.Requests))
		}
		if !slices.Equal(got.Proposers, want.Proposers) || len(got.Proposers) != 1 {
			t.Errorf("proposers %v, want %v", got.Proposers, want.Proposers)
		}
	})
}

func (s *served) keepProposer() {
	s.t.Helper()
	tx := s.store.Begin()
	tx.SetProposer(store.ProposerID{1}, 7)
	c, err := tx.Commit(store.Sync)
	if err = errors.Join(err, c.Wait()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *served) known() (k feed.Known) {
	s.t.Helper()
	v, err := s.store.View(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.Close()
	err = errors.Join(
		v.Proposers(s.t.Context(), func(p store.KnownProposer) error { k.Proposers = append(k.Proposers, p); return nil }),
		v.Requests(s.t.Context(), func(r store.KnownRequest) error { k.Requests = append(k.Requests, r); return nil }),
	)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// TestStateRefused walks who is handed no state.
func TestStateRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var half atomic.Bool
		s := newServed(t, store.Config{}, func(c *feed.ServerConfig) {
			shared(c)
			c.Place = func(*store.View) ([]byte, error) {
				if half.Load() {
					return nil, godwit.Errorf(godwit.CodeUnavailable, "This member is half a copy.")
				}
				return []byte("place"), nil
			}
		})
		ns := s.namespace("a").ID
		all, _ := s.token(godwit.PermissionReplicate)
		some, _ := s.token(godwit.PermissionReplicate, ns)
		writer, _ := s.token(godwit.PermissionWrite)
		own := s.store.Cluster()
		for secret, want := range map[string]godwit.Code{some: godwit.CodeForbidden, writer: godwit.CodeForbidden} {
			if st, err := s.client(secret).State(t.Context(), own, nil); err == nil || godwit.CodeOf(err) != want {
				t.Errorf("got %v, %v", st, err)
			}
		}
		ends := func(cluster string, want feed.EndReason) {
			t.Helper()
			st, err := s.client(all).State(t.Context(), cluster, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			wantEnd(t, st, want)
		}
		ends(own, feed.EndDone)
		ends(strings.Repeat("ab", 16), feed.EndRefused)
		half.Store(true)
		ends(own, feed.EndSuspended)
		alone := newServed(t, store.Config{}, nil)
		if st, err := alone.client(rootToken).State(t.Context(), "", nil); err == nil || godwit.CodeOf(err) != godwit.CodeInvalidRequest {
			t.Errorf("from who has its log alone: %v, %v", st, err)
		}
	})
}
