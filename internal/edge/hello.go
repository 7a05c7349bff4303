package edge

import (
	"fmt"
	"slices"

	"github.com/godwitkv/godwit/internal/feed"
)

// greet takes the first frame of a stream, and those that come when the lineage
// grows. Errors: errCluster; errOlder; a *copyError if what is carried is more
// than the store holds; a fatal one of the store.
func (a *applier) greet(h *feed.Hello) error {
	if err := a.commit(); err != nil {
		return err
	}
	if err := a.checkHello(h); err != nil {
		return err
	}
	a.hello = h
	a.off = a.note.Reconciling != "" || !h.Lineage.Holds(position(a.store))
	if a.note.Reconciling != "" {
		return nil
	}
	if err := a.adopt(h); err != nil || a.note.Carries == nil {
		return err
	}
	return a.compareCarried(h.Carries)
}

func (a *applier) checkHello(h *feed.Hello) error {
	own := a.store.Stats().ClusterID
	if a.hasData() && h.Cluster != own {
		return fmt.Errorf("%w: it says %s, this node holds data of %s", errCluster, h.Cluster, own)
	}
	if g := h.Lineage.Generation(); g < a.store.Generation() && (h.Owner || len(h.Lineage) > 0) {
		return fmt.Errorf("%w: it is of generation %d, this node has followed generation %d", errOlder, g, a.store.Generation())
	}
	if a.note.Account != "" && h.Account != a.note.Account {
		return fmt.Errorf("%w: it says account %s, this node holds data of %s", errCluster, h.Account, a.note.Account)
	}
	if want := a.edge.cfg.Account; want != "" && h.Account != want {
		err := fmt.Errorf("%w: it says account %s, and this node was told %s", errCluster, h.Account, want)
		if !a.note.Copied {
			return fatal("follow", err)
		}
		return err
	}
	return nil
}

// hasData tells whether the store holds anything of a cluster.
func (a *applier) hasData() bool { return a.note.Copied || a.store.Revision() > 0 }

// adopt takes over the lineage of an upstream on whose line the store is: what
// is applied next may be of an epoch that the store does not know yet.
func (a *applier) adopt(h *feed.Hello) error {
	if !h.Lineage.Holds(position(a.store)) || slices.Equal(h.Lineage, a.store.Lineage()) {
		return nil
	}
	if err := a.begin().Follow(h.Cluster, h.Lineage, 0); err != nil {
		return a.abandon(err)
	}
	return a.commit()
}

// compareCarried compares what a stream carries with what the store holds. What
// is carried no longer is not answered from the store from now on; what is
// carried in addition has to be fetched. Values of another length come as they
// are asked for, or in the background.
func (a *applier) compareCarried(carries feed.Filter) error {
	held := a.note.Carries
	if held.SameNamespaces(&carries) && held.SameJurisdictions(&carries) {
		a.note.Carries = &carries
		a.edge.follow.carry(&carries)
		return nil
	}
	a.note.Carries = &feed.Filter{
		Namespaces: bothCarry(held.Namespaces, carries.Namespaces), MaxValue: carries.MaxValue,
		Jurisdictions: bothCarry(held.Jurisdictions, carries.Jurisdictions),
	}
	a.edge.follow.carry(a.note.Carries)
	a.heard = false
	return &copyError{"other namespaces are carried than before"}
}

// bothCarry are the namespaces, or the jurisdictions, that are in both filters.
func bothCarry[T comparable](a, b []T) []T {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	both := []T{}
	for _, ns := range a {
		if slices.Contains(b, ns) {
			both = append(both, ns)
		}
	}
	return both
}
