package node

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// treeTimeout bounds how long an edge waits for the tree that its upstream sees.
const treeTimeout = 2 * time.Second

// role is what the node is.
func (n *Node) role() string {
	if n.cfg.edge() {
		return "edge"
	}
	return "central"
}

// self is what the node knows of itself, for the tree of nodes. How it stands to
// its upstream is the edge's to say.
func (n *Node) self() feed.NodeInfo {
	stats := n.store.Stats()
	return feed.NodeInfo{
		ID: n.id, Role: n.role(), Location: n.cfg.Location, URL: n.advertised(), Version: n.cfg.Version,
		Revision: stats.Revision.String(), Ready: n.isReady(), Keys: stats.Keys, Bytes: stats.Bytes,
		Uptime:        n.uptime(),
		Jurisdictions: n.cfg.Jurisdictions,
	}
}

// advertised is where other nodes reach this one, "" if that is not known.
func (n *Node) advertised() string {
	if n.cfg.AdvertiseURL != "" {
		return n.cfg.AdvertiseURL
	}
	if tcp, ok := n.listen.api.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return ""
	}
	return n.APIURL()
}

// tree is this node with those that follow it; whole: all nodes, if those above or
// beside this one show them to whose credential is in ctx. Of too many those are left out
// that are far from the top.
func (n *Node) tree(ctx context.Context, whole bool) feed.Node {
	return feed.Bounded(n.fullTree(ctx, whole), feed.MaxTreeBytes)
}

func (n *Node) fullTree(ctx context.Context, whole bool) feed.Node {
	own := feed.Node{NodeInfo: n.self(), Followers: n.feed.Followers()}
	switch {
	case n.cfg.edge():
		s := n.edge.Load().Status()
		own.Lag, own.StalenessMS, own.Progress = s.Lag, stalenessMS(s.Staleness), s.Progress
	case n.cfg.member():
		own.StalenessMS = stalenessMS(n.member.Load().Staleness())
	}
	if !whole || !n.cfg.follows() {
		return own
	}
	ctx, cancel := context.WithTimeout(ctx, treeTimeout)
	defer cancel()
	if n.cfg.member() {
		return n.clusterTree(ctx, own)
	}
	base, err := n.upstreamURL()
	if err != nil {
		return own
	}
	if above := n.askTree(ctx, base, "1"); above != nil {
		return *above
	}
	return own
}

// askTree returns the tree that another node shows, nil if it shows none.
func (n *Node) askTree(ctx context.Context, base, which string) *feed.Node {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/godwit/v1/status?tree="+which, nil)
	if err != nil {
		return nil
	}
	q.Header.Set("Authorization", "Bearer "+godwit.CredentialOf(ctx))
	a, err := n.askUpstream(q)
	var shown struct{ Tree *feed.Node }
	if err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &shown) != nil {
		return nil
	}
	return shown.Tree
}

// stalenessMS is -1 for what is not known.
func stalenessMS(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}
