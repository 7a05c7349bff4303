package doctor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
)

// shown are the nodes that show their status.
func (d *Deployment) shown() []*Node {
	var all []*Node
	for i := range d.Nodes {
		if d.Nodes[i].Status != nil {
			all = append(all, &d.Nodes[i])
		}
	}
	return all
}

// by groups the names of nodes by what is told of each; "" is left out.
func by(nodes []*Node, of func(*Node) string) map[string][]string {
	groups := make(map[string][]string)
	for _, n := range nodes {
		if what := of(n); what != "" {
			groups[what] = append(groups[what], n.Name)
		}
	}
	return groups
}

// list says which nodes are in which group.
func list(groups map[string][]string) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(groups)) {
		parts = append(parts, what+" ("+strings.Join(groups[what], ", ")+")")
	}
	return strings.Join(parts, "; ")
}

// clustersOf wants all nodes to be of one store, with one centre.
func clustersOf(d *Deployment) []Finding {
	const check = "deployment"
	nodes := d.shown()
	if groups := by(nodes, func(n *Node) string { return n.Status.ClusterID }); len(groups) > 1 {
		return []Finding{{
			Level: Problem, Check: check, Found: "nodes of several stores: " + list(groups),
			Means: "they have nothing in common: what is written at one is never at the other",
			Do:    "see which nodes --url and --upstream name",
		}}
	}
	centres := by(nodes, func(n *Node) string {
		if n.Status.Role == "central" && n.Status.Cluster == nil && n.Status.FencedBy == 0 {
			return "centre"
		}
		return ""
	})["centre"]
	if len(centres) > 1 {
		return []Finding{{
			Level: Problem, Check: check, Found: "several centres take writes: " + strings.Join(centres, ", "),
			Means: "each has writes that the other has not",
			Do:    "stop the older one at once; docs/operations.md says which edges follow",
		}}
	}
	return []Finding{*ok(check, fmt.Sprintf("%d nodes, %d of which show their status", len(d.Nodes), len(nodes)))}
}

func versionsOf(d *Deployment) []Finding {
	const check = "versions"
	groups := make(map[string][]string)
	for i := range d.Nodes {
		n := &d.Nodes[i]
		switch {
		case n.Status != nil && n.Status.Version != "":
			groups[n.Status.Version] = append(groups[n.Status.Version], n.Name)
		case n.Status == nil && n.Listed != nil && n.Listed.Version != "":
			groups[n.Listed.Version] = append(groups[n.Listed.Version], n.Name)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	if len(groups) == 1 {
		return []Finding{*ok(check, "all are of "+slices.Collect(maps.Keys(groups))[0])}
	}
	return []Finding{{
		Level: Warning, Check: check, Found: list(groups),
		Means: "what only the newer one has works at some nodes and not at others; a new format waits for the last",
		Do:    "upgrade the others, edges first: docs/operations.md",
	}}
}

// clocksOf compares nodes' clocks with each other.
func clocksOf(d *Deployment) []Finding {
	const check = "clocks"
	var first, last *Node
	for _, n := range d.shown() {
		if n.Status.TimeMS == 0 {
			continue
		}
		if first == nil || n.Offset < first.Offset {
			first = n
		}
		if last == nil || n.Offset > last.Offset {
			last = n
		}
	}
	if first == last {
		return nil
	}
	apart := last.Offset - first.Offset
	f := Finding{Level: OK, Check: check, Found: fmt.Sprintf("%v apart at the most: %s and %s", apart.Round(time.Millisecond), first.Name, last.Name)}
	switch apart -= (first.Round + last.Round) / 2; {
	case apart > clockProblem:
		f.Level = Problem
	case apart > clockWarning:
		f.Level = Warning
	default:
		return []Finding{f}
	}
	f.Means, f.Do = "a key expires at one node before it does at the other", "have all clocks kept right: timedatectl set-ntp true"
	return []Finding{f}
}

func encryptionOf(d *Deployment) []Finding {
	const check = "encryption"
	groups := by(d.shown(), func(n *Node) string {
		if n.Status.Encryption == nil {
			return "plain"
		}
		return "encrypted"
	})
	switch {
	case len(groups) == 0:
		return nil
	case len(groups) == 1:
		for what := range groups {
			return []Finding{*ok(check, "all data directories are "+what)}
		}
	}
	return []Finding{{
		Level: Warning, Check: check, Found: list(groups),
		Means: "each has the same data: it is as safe as where it is plain",
		Do:    `stop those that are plain, "godwit rekey DIR --encryption-key-file FILE", and start them with the file`,
	}}
}

// tokensOf tells of tokens that end soon.
func tokensOf(d *Deployment) []Finding {
	const check = "tokens"
	switch {
	case errors.Is(d.NoTokens, client.ErrForbidden), errors.Is(d.NoTokens, client.ErrUnauthenticated):
		return []Finding{*ok(check, "not checked: that takes a token with permission admin")}
	case d.NoTokens != nil:
		return []Finding{{
			Level: Warning, Check: check, Found: "not checked: " + d.NoTokens.Error(),
			Means: "tokens that end soon are not seen", Do: "ask again once the centre answers",
		}}
	}
	var soon, over []string
	for _, t := range d.Tokens {
		left := time.Unix(t.Expires, 0).Sub(d.Now)
		name := t.ID
		if t.Name != "" {
			name = t.Name + " (" + t.ID + ")"
		}
		switch {
		case t.Expires == 0 || left > 14*day:
		case left <= 0:
			over = append(over, name)
		default:
			soon = append(soon, fmt.Sprintf("%s, %s, in %s", name, t.Permission, after(left)))
		}
	}
	var all []Finding
	if len(soon) > 0 {
		all = append(all, Finding{
			Level: Warning, Check: check, Found: "expire soon: " + strings.Join(soon, "; "),
			Means: "who uses one is refused from then on",
			Do:    `make others by "godwit token create", hand them out, then "godwit token revoke ID"`,
		})
	}
	if len(over) > 0 {
		all = append(all, Finding{
			Level: Warning, Check: check, Found: "have expired: " + strings.Join(over, "; "),
			Means: "who still uses one is refused", Do: "godwit token revoke ID",
		})
	}
	if len(all) == 0 {
		all = append(all, *ok(check, fmt.Sprintf("%d, of which none expires within 14 days", len(d.Tokens))))
	}
	return all
}
