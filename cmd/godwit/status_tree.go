package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/godwitkv/godwit/client"
)

// tree shows all nodes: for people aligned, in a pipe too, since it is a drawing.
func (c *statusCmd) tree(ctx context.Context, p *program, cl *client.Client) error {
	root, err := cl.Tree(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(root)
	}
	return drawTree(p.stdout, root)
}

func drawTree(to io.Writer, root *client.Node) error {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	t := &table{w, w.Flush}
	t.row("NODE", "ROLE", "LAG", "STALENESS", "KEYS", "BYTES", "VERSION", "STATE", "JURISDICTIONS", "URL")
	t.node(root, "", "")
	return t.close()
}

// node writes a row for n, whose name comes behind first, and rows for those
// that follow it, behind rest.
func (t *table) node(n *client.Node, first, rest string) {
	t.row(first+nodeName(n), nodeRole(n), strconv.FormatInt(n.Lag, 10), staleness(n.StalenessMS),
		strconv.FormatInt(n.Keys, 10), countBytes(n.Bytes), orDash(n.Version), nodeState(n), orDash(printable(strings.Join(n.Jurisdictions, ","))), orDash(n.URL))
	for i := range n.Followers {
		if i == len(n.Followers)-1 {
			t.node(&n.Followers[i], rest+"└─ ", rest+"   ")
		} else {
			t.node(&n.Followers[i], rest+"├─ ", rest+"│  ")
		}
	}
}

// nodeName is where a node is, or else what tells it from others.
func nodeName(n *client.Node) string {
	switch {
	case n.Location != "":
		return printable(n.Location)
	case n.URL != "":
		return printable(n.URL)
	}
	return printable(orDash(n.ID))
}

// nodeRole tells an edge that others follow from one at the end.
func nodeRole(n *client.Node) string {
	if n.Role == "edge" && len(n.Followers) > 0 {
		return "relay"
	}
	return orDash(n.Role)
}

func nodeState(n *client.Node) string {
	switch {
	case n.Progress != "":
		return n.Progress
	case !n.Ready:
		return "not ready"
	}
	return "ready"
}
