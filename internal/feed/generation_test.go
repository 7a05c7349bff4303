package feed_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// outrankable is a server that is told of later generations.
func outrankable(t *testing.T) (s *served, told *[]uint64) {
	t.Helper()
	told = new([]uint64)
	s = newServed(t, store.Config{}, func(c *feed.ServerConfig) {
		c.Outranked = func(g uint64) {
			*told = append(*told, g)
			if err := c.Store.Fence(g); err != nil {
				t.Error(err)
			}
		}
	})
	return s, told
}

// TestOutranked: whoever owns the log is told of a follower that has followed a later
// generation of it, and of no other; neither is sent anything.
func TestOutranked(t *testing.T) {
	s, told := outrankable(t)
	ns := s.namespace("a").ID
	some, _ := s.token(godwit.PermissionReplicate, ns)
	here, own := s.position(), s.store.Cluster()
	late := feed.FollowRequest{After: here, Cluster: own, Generation: 7}

	wantEnd(t, openStream(t, s.clientAt(s.net, some), late), feed.EndAhead)
	relay := openStream(t, s.relay(), late)
	wantEnd(t, relay, feed.EndAhead)
	wantEnd(t, s.follow(feed.FollowRequest{After: here, Cluster: strings.Repeat("0", 32), Generation: 7}), feed.EndRefused)
	skip[*feed.Ready](t, s.follow(feed.FollowRequest{After: here, Generation: 7})) // of no cluster: it says nothing
	skip[*feed.Ready](t, s.follow(feed.FollowRequest{After: here, Cluster: own, Generation: 0}))
	if len(*told) != 0 || s.store.Fenced() != 0 {
		t.Fatalf("told of %v, fenced by %d", *told, s.store.Fenced())
	}

	walk, err := s.client(rootToken).Walk(t.Context(), feed.WalkRequest{Cluster: own, Generation: 7})
	if err != nil {
		t.Fatal(err)
	}
	wantEnd(t, walk, feed.EndRefused)
	_ = walk.Close()
	end := wantEnd(t, s.follow(late), feed.EndRefused)
	if len(*told) != 2 || (*told)[0] != 7 || s.store.Fenced() != 7 || !strings.Contains(end.Message, "generation 7") {
		t.Errorf("told of %v, fenced by %d, said %q", *told, s.store.Fenced(), end.Message)
	}
	for _, text := range []string{"x", "-1", "9007199254740991"} {
		if code := s.status("GET", "?generation="+text, ""); code != 400 {
			t.Errorf("generation %s: status %d", text, code)
		}
	}
}

// TestFencedServesNobody: streams end with why, and none is taken.
func TestFencedServesNobody(t *testing.T) {
	s, _ := outrankable(t)
	here := s.position()
	st := s.follow(feed.FollowRequest{After: here})
	skip[*feed.Ready](t, st)
	s.server.Fence(godwit.Fenced(0, 7))
	for _, st := range []*feed.Stream{st, s.follow(feed.FollowRequest{After: here})} {
		if end := wantEnd(t, st, feed.EndRefused); !strings.Contains(end.Message, "was replaced") {
			t.Errorf("said %q", end.Message)
		}
	}
}

// TestValueThatWasReplaced: its file is there for a while, for who may have all.
func TestValueThatWasReplaced(t *testing.T) {
	s := newServed(t, store.Config{}, nil)
	ns := s.namespace("a").ID
	value := strings.Repeat("large", 100_000)
	v, err := s.store.Upload(t.Context(), strings.NewReader(value), godwit.MaxValueBytes)
	if err != nil {
		t.Fatal(err)
	}
	large := put(ns, "k", "")
	large.Mutations[0].Value = v
	was := s.propose(large)
	s.propose(put(ns, "k", "small"))
	some, _ := s.token(godwit.PermissionReplicate, ns)
	if _, err := s.client(some).Value(t.Context(), ns, "k", was, v.Blob); err != error(godwit.ErrReplaced) {
		t.Errorf("with a token for some namespaces: %v", err)
	}
	for _, b := range []godwit.Blob{{}, {ID: godwit.BlobID{1}, Size: 5}} {
		if _, err := s.client(rootToken).Value(t.Context(), ns, "k", was, b); err != error(godwit.ErrReplaced) {
			t.Errorf("blob %v: %v", b.ID, err)
		}
	}
	r, err := s.client(rootToken).Value(t.Context(), ns, "k", was, v.Blob)
	if err != nil {
		t.Fatal(err)
	}
	got := new(strings.Builder)
	_, err = io.Copy(got, r)
	if err = errors.Join(err, r.Close()); err != nil || got.String() != value {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}
