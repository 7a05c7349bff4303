package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Node is one of the nodes of a tree, as it last told of itself.
type Node struct {
	ID          string `json:"id"` // of the process
	Role        string `json:"role"`
	Location    string `json:"location,omitempty"`
	URL         string `json:"url,omitempty"` // of its API; "": not known
	Version     string `json:"version"`
	Revision    string `json:"revision"`
	Ready       bool   `json:"ready"`
	Lag         int64  `json:"lag"`          // revisions behind the node it follows
	StalenessMS int64  `json:"staleness_ms"` // for how long it may have missed a write; below 0: unknown
	Keys        int64  `json:"keys"`
	Bytes       int64  `json:"bytes"`
	Progress    string `json:"progress,omitempty"`       // of becoming a copy
	Uptime      int64  `json:"uptime_seconds,omitempty"` // 0: it does not say

	// What the node that it follows knows of its token:

	RootToken    bool  `json:"root_token,omitempty"`    // it is the root token
	TokenExpires int64 `json:"token_expires,omitempty"` // unix seconds; 0: never

	Followers []Node `json:"followers,omitempty"`

	Jurisdictions []string `json:"jurisdictions,omitempty"` // whose namespaces the node may carry
}

// Tree returns the node at the root of all, with those that follow it and those
// that follow them: the centre, or what the node asked can see of it. Any token
// may. Errors: ErrUnauthenticated.
func (c *Client) Tree(ctx context.Context) (*Node, error) {
	var s struct {
		Tree *Node `json:"tree"`
	}
	q := call{method: http.MethodGet, path: "status", query: url.Values{"tree": {"1"}}, idempotent: true}
	if err := c.native(ctx, q, &s); err != nil {
		return nil, err
	}
	if s.Tree == nil {
		return nil, errors.New("the server's status has no tree: it is of an older version")
	}
	return s.Tree, nil
}
