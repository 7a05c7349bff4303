package node

import (
	"context"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
)

// checkJurisdictions refuses the store of a central node that holds a namespace which
// the node may not carry. An edge looks at its own. Error: *edge.JurisdictionError.
func (n *Node) checkJurisdictions() error {
	if n.cfg.edge() {
		return nil
	}
	return edge.MayHold(n.store, n.cfg.Jurisdictions, nil)
}

// mayCarry tells whether this node may carry namespaces of a jurisdiction. Error:
// CodeInvalidRequest.
func (n *Node) mayCarry(_ context.Context, j string) error {
	if slices.Contains(n.cfg.Jurisdictions, j) {
		return nil
	}
	return godwit.Errorf(godwit.CodeInvalidRequest,
		"create namespace: 'jurisdiction %q is not available: the central node was not started with --jurisdiction %s'", j, j)
}

// mayMake is mayCarry of all members: what is in a namespace comes to each of them.
// Error, too: CodeUnavailable.
func (n *Node) mayMake(ctx context.Context, j string) error {
	if err := n.mayCarry(ctx, j); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askMembersTimeout)
	defer cancel()
	members, err := n.registry.Members(ctx)
	if err != nil {
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The other members could not be asked whether they may carry the namespace: try again.", Err: err}
	}
	for _, p := range members {
		if p.Name != n.cfg.Node && !slices.Contains(p.Jurisdictions, j) {
			return godwit.Errorf(godwit.CodeInvalidRequest,
				"create namespace: 'jurisdiction %q is not available: member %s was not started with --jurisdiction %s'", j, p.Name, j)
		}
	}
	return nil
}

// barred tells whether nothing of a namespace, by its id, may come to this node's disk.
func (n *Node) barred(id string) bool {
	ns, err := godwit.ParseNamespaceID(id)
	if err != nil {
		return false
	}
	known := n.catalog.Load().KnownNamespace(ns)
	if known == nil { // it was deleted meanwhile: what it was of is not known any more
		return n.cfg.edge()
	}
	return known.Jurisdiction != "" && !slices.Contains(n.cfg.Jurisdictions, known.Jurisdiction)
}

// askMembersTimeout is how long the registry may take to say who the members are.
const askMembersTimeout = 2 * time.Second

// mayHold tells whether this member may carry each namespace of the cluster, as its
// copy of the catalog has them.
func (n *Node) mayHold() error {
	c := n.catalog.Load()
	if !c.Bound() {
		return nil
	}
	for _, ns := range c.Namespaces() {
		if ns.Jurisdiction != "" && !slices.Contains(n.cfg.Jurisdictions, ns.Jurisdiction) {
			return &edge.JurisdictionError{Title: ns.Title, Jurisdiction: ns.Jurisdiction}
		}
	}
	return nil
}
