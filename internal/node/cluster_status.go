package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/feed"
)

// cluster is how the cluster stands of which this node is a member, nil if it is
// of none.
func (n *Node) cluster() *native.Cluster {
	m := n.member.Load()
	if m == nil {
		return nil
	}
	s := m.Status()
	c := &native.Cluster{
		Name: n.cfg.Cluster, Node: s.Name, Leader: leaderOf(&s), Durability: s.Durability,
		First: s.First, Last: s.Last, Bytes: s.Bytes, CapBytes: s.Cap, Format: s.Format, Members: []native.Member{},
	}
	for _, p := range s.Members {
		c.Members = append(c.Members, native.Member{
			Name: p.Name, URL: p.URL, Version: p.Version, Present: p.Present, AgeMS: p.AgeMS, Ready: p.Ready,
			Revision: p.Revision, Applied: p.Applied, Flushed: p.Flushed, Lag: p.Lag, Problem: p.Problem,
		})
	}
	return c
}

// leaderOf is the member that leads the log. A server inside a member has the
// member's name and another for its disk.
func leaderOf(s *jetstream.Status) string {
	for _, p := range s.Members {
		if s.Leader == p.Name || strings.HasPrefix(s.Leader, p.Name+"-") {
			return p.Name
		}
	}
	return s.Leader
}

// removeMember forgets a member that is gone.
func (n *Node) removeMember(ctx context.Context, name string) error {
	if name == n.cfg.Node {
		return godwit.Errorf(godwit.CodeInvalidRequest, "A member cannot remove itself: ask another.")
	}
	err := n.registry.Remove(ctx, name)
	if err == nil {
		n.cfg.Logger.Info("member removed", "member", name)
		return nil
	}
	return notRemoved(err)
}

// notRemoved is what clients are told of a member that was not removed.
func notRemoved(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrNoMember):
		return godwit.Errorf(godwit.CodeInvalidRequest, "No member has this name.")
	case errors.Is(err, jetstream.ErrRuns):
		return godwit.Errorf(godwit.CodeInvalidRequest, "The member is running: stop it first.")
	case errors.Is(err, jetstream.ErrHeardOf):
		return godwit.Errorf(godwit.CodeUnavailable, "The member does not answer, but does not count as gone yet: "+
			"try again, up to four minutes after it was killed, or some seconds after another with its name has started.")
	}
	return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The member could not be removed for now: try again.", Err: err}
}

// clusterTree is all members, own among them, with those that follow each.
func (n *Node) clusterTree(ctx context.Context, own feed.Node) feed.Node {
	s := n.member.Load().Status()
	root := feed.Node{NodeInfo: feed.NodeInfo{
		ID: n.store.Cluster(), Role: "cluster", Location: n.cfg.Cluster, Version: own.Version,
		Revision: own.Revision, Ready: own.Ready, Keys: own.Keys, Bytes: own.Bytes, StalenessMS: own.StalenessMS,
	}}
	leader := leaderOf(&s)
	var asking sync.WaitGroup
	nodes := make([]feed.Node, len(s.Members))
	for i, p := range s.Members {
		nodes[i] = feed.Node{NodeInfo: feed.NodeInfo{Location: p.Name, URL: p.URL, Version: p.Version, Revision: p.Revision, StalenessMS: -1}}
		if p.Name == s.Name {
			nodes[i] = own
		} else if p.URL != "" && p.Present {
			asking.Go(func() {
				if tree := n.askTree(ctx, p.URL, "own"); tree != nil {
					nodes[i] = *tree
				}
			})
		}
	}
	asking.Wait()
	for i, p := range s.Members {
		nodes[i].Role = "member"
		if p.Name == leader {
			nodes[i].Role = "leader"
		}
		nodes[i].Location = cmp.Or(nodes[i].Location, p.Name)
		nodes[i].Lag = int64(p.Lag)
	}
	root.Followers = slices.Clip(nodes)
	return root
}
