package feed_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// longNode is a node that says as much of itself as it can, in characters that take the
// most in JSON.
func longNode(id string) feed.NodeInfo {
	text := strings.Repeat("\x01", 256)
	n := feed.NodeInfo{
		ID: id, Role: text, Location: text, URL: text, Version: text, Revision: text, Progress: text,
		Lag: -1 << 63, StalenessMS: -1 << 63, Keys: -1 << 63, Bytes: -1 << 63, Uptime: -1 << 63, RootToken: true, TokenExpires: -1 << 63,
	}
	for range 16 {
		n.Jurisdictions = append(n.Jurisdictions, text)
	}
	return n
}

func longNodes(count int) (nodes []feed.Node) {
	for i := range count {
		nodes = append(nodes, feed.Node{NodeInfo: longNode(fmt.Sprint(i))})
	}
	return nodes
}

func encodedBytes(t *testing.T, v any) int {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

// TestReportsAreBoundedOverAll: what followers tell, of all their streams together, has
// a bound, and leaves room to those whose tokens are not limited to namespaces.
func TestReportsAreBoundedOverAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, store.Config{}, nil)
		a := s.namespace("a").ID
		all, _ := s.token(godwit.PermissionReplicate)
		follow := func(secret string, info feed.NodeInfo, behind []feed.Node) *feed.Stream {
			st := openStream(t, s.client(secret), feed.FollowRequest{After: s.position()})
			report(t, s.client(secret), feed.Report{Session: next[*feed.Hello](t, st).Session, Ping: 1, Follower: info, Followers: behind}, true)
			return st
		}
		limited, _ := s.token(godwit.PermissionReplicate, a)
		few := follow(limited, feed.NodeInfo{ID: "few"}, make([]feed.Node, 500))
		if got := count(s.server.Followers()); got != 1+64 {
			t.Errorf("a limited token has %d nodes", got)
		}
		_ = few.Close()
		synctest.Wait()

		var open []*feed.Stream
		for range 20 {
			secret, _ := s.token(godwit.PermissionReplicate, a)
			for range 3 {
				open = append(open, follow(secret, longNode("x"), longNodes(64)))
			}
		}
		got := s.server.Followers()
		if size := encodedBytes(t, got); len(got) != 60 || size > 2<<20+60*100 {
			t.Errorf("limited tokens: %d followers of %d bytes", len(got), size)
		}
		for range 10 {
			open = append(open, follow(all, feed.NodeInfo{ID: "all"}, longNodes(90)))
		}
		direct := 0
		got = s.server.Followers()
		for i := range got {
			if got[i].ID == "all" {
				direct++
			}
		}
		if size := encodedBytes(t, got); direct != 10 || size < 5<<20 || size > 9<<20 {
			t.Errorf("all: %d followers of the token for all, %d bytes", direct, size)
		}
		for _, st := range open {
			_ = st.Close()
		}
		synctest.Wait()
		follow(all, feed.NodeInfo{ID: "later"}, longNodes(50))
		if got := s.server.Followers(); count(got) != 51 {
			t.Errorf("after they have left: %d nodes", count(got))
		}
	})
}

// TestBoundedTree: what is left out stands far from the top, and what is kept takes no
// more than the bound, whatever is in it.
func TestBoundedTree(t *testing.T) {
	root := feed.Node{Followers: []feed.Node{{Followers: longNodes(50)}, {NodeInfo: feed.NodeInfo{ID: "second"}}}}
	got := feed.Bounded(root, 1<<20)
	if size := encodedBytes(t, got); size > 1<<20 || size < 1<<19 || len(got.Followers) != 2 || len(got.Followers[0].Followers) == 50 {
		t.Errorf("%d bytes, %d nodes", size, count(got.Followers))
	}
	if len(root.Followers[0].Followers) != 50 {
		t.Error("the tree itself was cut")
	}
	if got := feed.Bounded(root, 16<<20); count(got.Followers) != 52 {
		t.Errorf("%d nodes of a tree that fits", count(got.Followers))
	}
}
