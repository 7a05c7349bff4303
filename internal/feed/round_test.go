package feed_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// stalledRound opens a round that is too long for what is read ahead, reads a part
// of it, and lets the view that it is read from grow too old. meanwhile happens
// before that. The stream, and the copy so far, are returned.
func stalledRound(t *testing.T, cfg store.Config, meanwhile func(*served, godwit.NamespaceID)) (*mirror, *feed.Stream, godwit.Revision) {
	s := newServed(t, cfg, func(c *feed.ServerConfig) { c.RingBytes = 1 })
	ns := s.namespace("a").ID
	for i := range 100 {
		s.propose(put(ns, fmt.Sprint("key-", i), strings.Repeat(fmt.Sprint(i), 20<<10)))
	}
	m := newMirror(s, "follower", 1)
	st := s.follow(feed.FollowRequest{After: s.base})
	next[*feed.Hello](t, st)
	sent := s.base.Revision
	if !m.frame(next[*feed.Records](t, st), &sent, nil) {
		t.FailNow()
	}
	meanwhile(s, ns)
	time.Sleep(15 * time.Second)
	return m, st, sent
}

// TestRoundsGoOnFromANewView holds that a round that takes long goes on from a later
// state, and ends in an exact copy of that.
func TestRoundsGoOnFromANewView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, st, sent := stalledRound(t, store.Config{}, func(s *served, ns godwit.NamespaceID) {
			s.propose(put(ns, "key-0", "changed behind the round"), put(ns, "key-99", "changed ahead of it"), put(ns, "new", ""))
			for _, key := range []string{"key-1", "key-98"} {
				s.propose(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: key}}})
			}
		})
		for {
			f, err := st.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !m.frame(f, &sent, nil) {
				return
			}
			if r, ok := f.(*feed.Ready); ok {
				if r.Revision != m.store.Revision() {
					t.Errorf("ready at %d, and the centre is at %d: the view was not renewed", r.Revision, m.store.Revision())
				}
				return
			}
		}
	})
}

// TestRoundsThatComeTooLate holds that a round ends where what it should tell of
// has been forgotten meanwhile.
func TestRoundsThatComeTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, st, _ := stalledRound(t, store.Config{Retention: time.Second}, func(s *served, ns godwit.NamespaceID) {
			s.propose(godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: ns, Key: "key-50"}}})
			time.Sleep(3 * time.Second)
			if err := s.store.Sweep(context.Background()); err != nil || s.store.Purged() == 0 {
				t.Fatalf("sweep: %v, purged up to %d", err, s.store.Purged())
			}
		})
		wantEnd(t, st, feed.EndTooOld)
	})
}
