package native

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// Cluster is the log that several central nodes share, as one of them sees it.
type Cluster struct {
	Name       string   `json:"name"`
	Node       string   `json:"node"`                 // this member
	Leader     string   `json:"leader"`               // who leads the log; "": nobody is known to
	Durability string   `json:"durability,omitempty"` // what of its durability could not be verified
	First      uint64   `json:"first"`                // sequence of the oldest message of the log
	Last       uint64   `json:"last"`
	Bytes      int64    `json:"bytes"`
	CapBytes   int64    `json:"cap_bytes"` // past which members that are away are not waited for
	Format     int      `json:"format"`    // of its messages
	Members    []Member `json:"members"`   // by name
}

// Member is a member of a cluster, as it last told of itself.
type Member struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	Version  string `json:"version"`
	Present  bool   `json:"present"` // it was heard lately
	AgeMS    int64  `json:"age_ms"`  // since it was; below 0: it was not
	Ready    bool   `json:"ready"`
	Revision string `json:"revision"`
	Applied  uint64 `json:"applied"` // sequence of the last message that it has applied
	Flushed  uint64 `json:"flushed"` // and made durable
	Lag      uint64 `json:"lag"`     // messages behind the log
	Problem  string `json:"problem,omitempty"`
}

// clusterStatus is for whoever has a token.
func (h *Handler) clusterStatus(*request) (any, error) {
	if c := h.cfg.Cluster(); c != nil {
		return c, nil
	}
	return nil, errNoCluster()
}

// removeMember forgets a member that is gone for good.
func (h *Handler) removeMember(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	if h.cfg.Cluster() == nil {
		return nil, errNoCluster()
	}
	if err := h.cfg.RemoveMember(r.Context(), r.argument); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

func errNoCluster() error {
	return godwit.Errorf(godwit.CodeInvalidRequest, "This node is not a member of a cluster.")
}
