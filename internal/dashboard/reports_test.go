package dashboard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/node"
)

// follow has a follower of a node tell of itself and of those behind it.
func follow(t *testing.T, n *node.Node, secret string, info feed.NodeInfo, behind []feed.Node) {
	t.Helper()
	c, err := feed.NewClient(feed.ClientConfig{URL: n.APIURL(), Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s, err := c.Follow(t.Context(), feed.FollowRequest{After: position(t, n)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	f, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	hello, ok := f.(*feed.Hello)
	if !ok {
		t.Fatalf("got %T", f)
	}
	if err := c.Report(t.Context(), feed.Report{Session: hello.Session, Ping: 1, Follower: info, Followers: behind}); err != nil {
		t.Fatal(err)
	}
}

// position is how far a node is.
func position(t *testing.T, n *node.Node) godwit.Position {
	t.Helper()
	c, err := feed.NewClient(feed.ClientConfig{URL: n.APIURL(), Token: rootToken})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Walk(t.Context(), feed.WalkRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	f, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	hello, ok := f.(*feed.Hello)
	if !ok {
		t.Fatalf("got %T", f)
	}
	return godwit.Position{Epoch: hello.Lineage[len(hello.Lineage)-1].ID, Revision: hello.Revision}
}

// TestManyNodes: those that stand behind one follower do not crowd out the other
// followers, and each has its page, shown among all or not.
func TestManyNodes(t *testing.T) {
	n := openNode(t)
	var many []feed.Node
	for i := range 600 {
		many = append(many, feed.Node{NodeInfo: feed.NodeInfo{ID: fmt.Sprintf("y%03d", i), Location: "fra", Role: "edge", Ready: true}})
	}
	follow(t, n, rootToken, feed.NodeInfo{ID: "x", Location: "aaa", Role: "edge"}, many)
	follow(t, n, rootToken, feed.NodeInfo{ID: "real", Location: "zrh", Role: "edge", Ready: true}, nil)
	b := signedIn(t, n, rootToken)
	b.contains(b.get("/dashboard/overview"), 200, "zrh", "aaa", "There are more nodes than are shown here")
	b.contains(b.get("/dashboard/map"), 200, "zrh")
	b.contains(b.get("/dashboard/node?id=real"), 200, "zrh")
	b.contains(b.get("/dashboard/node?id=y599"), 200, "fra", "aaa")
	b.contains(b.get("/dashboard/node?id=x"), 200, `<p class="big num">600</p>`, "The first 500 are shown here")
	b.contains(b.get("/dashboard/node?id=y600"), 404)
}

// TestLongReports: whatever the followers of a token that is limited to a namespace tell,
// everyone's pages are there.
func TestLongReports(t *testing.T) {
	n := openNode(t)
	secret, _ := token(t, n, godwit.PermissionReplicate, namespace(t, n, "birds"))
	text := strings.Repeat("\u2028", 85)
	var many []feed.Node
	for i := range 4096 {
		many = append(many, feed.Node{NodeInfo: feed.NodeInfo{ID: fmt.Sprint(i), Role: text, Location: text, URL: text, Version: text, Revision: text, Progress: text}})
	}
	for i := range 8 {
		follow(t, n, secret, feed.NodeInfo{ID: fmt.Sprint("x", i)}, many)
	}
	b := signedIn(t, n, rootToken)
	for _, page := range []string{"overview", "map", "node?id=x0"} {
		if got := b.get("/dashboard/" + page); got.status != http.StatusOK {
			t.Errorf("%s: %d", page, got.status)
		}
	}
	var tree string
	if status := api(t, n, http.MethodGet, "/godwit/v1/status?tree=1", nil, &tree); status != http.StatusOK || len(tree) > 1<<20 {
		t.Errorf("tree: %d, %d bytes", status, len(tree))
	}
}
