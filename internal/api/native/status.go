package native

import "github.com/godwitkv/godwit/internal/feed"

// Status is a node's account of itself.
type Status struct {
	ID            string `json:"id"`   // random, of this process
	Role          string `json:"role"` // "central" or "edge"
	Location      string `json:"location"`
	Account       string `json:"account"`
	ClusterID     string `json:"cluster_id"`
	Revision      string `json:"revision"`
	Ready         bool   `json:"ready"`        // reads can be served
	StalenessMS   int64  `json:"staleness_ms"` // for how long the node may have missed a write; below 0: unknown
	Keys          int64  `json:"keys"`
	Bytes         int64  `json:"bytes"`
	Followers     int    `json:"followers"` // direct ones
	BindingURL    string `json:"binding_url"`
	DiskFull      bool   `json:"disk_full"`
	Version       string `json:"version"`
	UptimeSeconds int64  `json:"uptime_seconds"`
	Generation    uint64 `json:"generation"`          // of the log
	FencedBy      uint64 `json:"fenced_by,omitempty"` // the later one that has taken over from this centre
	Problem       string `json:"problem,omitempty"`   // why a centre takes no writes, or an edge does not follow

	Jurisdictions []string `json:"jurisdictions,omitempty"` // whose namespaces the node may carry

	TimeMS           int64         `json:"time_ms"`                // by the machine's own clock, unix milliseconds
	RetentionSeconds int64         `json:"retention_seconds"`      // how long deletions are remembered
	Disk             *Disk         `json:"disk,omitempty"`         // absent: it cannot be told
	Encryption       *Encryption   `json:"encryption,omitempty"`   // absent: nothing is encrypted
	Ports            []Port        `json:"ports"`                  // that it listens on
	Certificates     []Certificate `json:"certificates,omitempty"` // that it shows
	Audit            *Audit        `json:"audit,omitempty"`        // absent: there is none
	Scrub            Scrub         `json:"scrub"`                  // of this node's disk

	// Of an edge:

	ClockOffsetMS int64 `json:"clock_offset_ms,omitempty"` // what is added to the machine's clock, by the upstream's

	Upstream  string `json:"upstream,omitempty"` // URL of the node that it follows
	Connected bool   `json:"connected"`          // it hears of it; a central node needs nobody
	Lag       int64  `json:"lag"`                // revisions behind it
	Missing   int    `json:"missing,omitempty"`  // large values still to be fetched
	Progress  string `json:"progress,omitempty"` // of becoming a copy

	Cluster *Cluster   `json:"cluster,omitempty"` // of a member
	Tree    *feed.Node `json:"tree,omitempty"`    // if it was asked for
}

// What tree may be in the query.
const (
	treeWhole = "1"   // all nodes, from the root
	treeOwn   = "own" // this node and those that follow it
)

// status is for whoever has a token. With tree in the query it shows other nodes
// too.
func (h *Handler) status(r *request) (any, error) {
	s := h.cfg.Status(r.Host)
	if want := r.URL.Query().Get("tree"); want == treeWhole || want == treeOwn {
		tree := h.cfg.Tree(r.Context(), want == treeWhole)
		s.Tree = &tree
	}
	return s, nil
}
