package client

import (
	"context"
	"net/http"
	"net/url"
)

// Cluster is the log that several central nodes share, as one of them sees it.
type Cluster struct {
	Name       string   `json:"name"`
	Node       string   `json:"node"`                 // the member that was asked
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

// Cluster returns the cluster that the server is a member of. Any token may.
// Errors: ErrInvalid where it is of none, ErrUnauthenticated.
func (c *Client) Cluster(ctx context.Context) (*Cluster, error) {
	var s Cluster
	if err := c.native(ctx, call{method: http.MethodGet, path: "cluster", idempotent: true}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// RemoveMember has a cluster forget a member that is gone for good, or whose disk
// is: its part of the log is given to another. Errors: ErrInvalid where there is
// no such member, or it runs, or there is no cluster; ErrUnavailable until the others
// take a killed one for gone; ErrForbidden.
func (c *Client) RemoveMember(ctx context.Context, name string) error {
	if name == "" {
		return invalid("a member's name must not be empty")
	}
	return c.native(ctx, call{method: http.MethodDelete, path: "cluster/members/" + url.PathEscape(name)}, &struct{}{})
}
