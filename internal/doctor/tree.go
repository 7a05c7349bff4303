package doctor

import (
	"context"
	"net/url"
	"slices"

	"github.com/godwitkv/godwit/client"
)

// fromTree returns the nodes that node i of d knows of and that were not looked at, and
// notes how those are listed that were.
func (l *looker) fromTree(ctx context.Context, d *Deployment, i int) (others []Node) {
	if d.Nodes[i].Status == nil {
		return nil
	}
	c, err := l.client(d.Nodes[i].URL)
	if err != nil {
		return nil
	}
	root, err := c.Tree(ctx)
	if err != nil {
		return nil
	}
	for _, listed := range flatten(root, nil) {
		if known := d.find(listed); known != nil {
			if known.Listed == nil {
				known.Listed = listed
			}
			continue
		}
		others = append(others, Node{URL: listed.URL, Listed: listed, Told: true})
	}
	return others
}

// flatten lists a tree's nodes, each before those that follow it. What stands for a
// cluster is none.
func flatten(n *client.Node, nodes []*client.Node) []*client.Node {
	if n.Role != "cluster" && len(nodes) < maxNodes {
		nodes = append(nodes, n)
	}
	for i := range n.Followers {
		nodes = flatten(&n.Followers[i], nodes)
	}
	return nodes
}

// find returns the node that is listed so, nil if it was not looked at.
func (d *Deployment) find(listed *client.Node) *Node {
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if listed.URL != "" && n.URL == listed.URL || listed.ID != "" && n.Status != nil && n.Status.ID == listed.ID {
			return n
		}
	}
	return nil
}

// unite leaves out what was looked at twice: a node may have several addresses, and
// several nodes know of it.
func (d *Deployment) unite() {
	seen := make(map[string]bool)
	d.Nodes = slices.DeleteFunc(d.Nodes, func(n Node) bool {
		id := "url " + n.URL
		switch {
		case n.Status != nil && n.Status.ID != "":
			id = "id " + n.Status.ID
		case n.Listed != nil && n.Listed.ID != "":
			id = "id " + n.Listed.ID
		}
		again := seen[id]
		seen[id] = true
		return again
	})
}

// name names nodes by where they are, or else by their address.
func (d *Deployment) name() {
	taken := make(map[string]int)
	for i := range d.Nodes {
		n := &d.Nodes[i]
		n.Name = n.title()
		taken[n.Name]++
	}
	for i := range d.Nodes { // two in one place
		if n := &d.Nodes[i]; taken[n.Name] > 1 && n.URL != "" {
			n.Name += " " + hostOf(n.URL)
		}
	}
}

func (n *Node) title() string {
	name := ""
	switch {
	case n.Status != nil && n.Status.Cluster != nil && n.Status.Location == "":
		name = n.Status.Cluster.Node
	case n.Status != nil:
		name = n.Status.Location
	case n.Listed != nil:
		name = n.Listed.Location
	}
	if name == "" {
		name = hostOf(n.URL)
	}
	if name == "" && n.Listed != nil {
		name = n.Listed.ID
	}
	return name[:min(len(name), maxNameSize)]
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Host
}
