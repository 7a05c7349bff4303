// Package doctor looks at a deployment as a client may, and says what is wrong with it
// and what to do. It knows nodes by the public client alone.
//
// Looking and judging are apart: [Look] asks, and [Deployment.Findings] judges what was
// seen, without asking anything.
package doctor

import (
	"cmp"
	"slices"
	"time"

	"github.com/godwitkv/godwit/client"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it goes on, and may not for long
	Problem Level = "problem" // something that was promised does not hold
)

// Finding is what was found of one thing.
type Finding struct {
	Level Level  `json:"level"`
	Node  string `json:"node"` // "": it is of all
	Check string `json:"check"`
	Found string `json:"found"`
	Means string `json:"means,omitempty"`
	Do    string `json:"do,omitempty"`
}

// Node is what was seen of a node.
type Node struct {
	Name   string
	URL    string         // "": it does not tell
	Health error          // why its API port does not answer; nil: it does
	Unseen error          // why it shows no status
	Told   bool           // only another node tells of it: it is shown no token
	Status *client.Status // nil: it shows none
	Listed *client.Node   // as the tree shows it; nil: it does not

	Unready string        // what /readyz says against it
	Offset  time.Duration // its clock less the one of who looks
	Round   time.Duration // that asking took: Offset is right within half of it
	Binding error         // why its binding port does not answer
	Closed  bool          // its binding port is for its own machine, which is another

	Presented []client.Certificate // by who answers at its URL
}

// Deployment is what was seen of all.
type Deployment struct {
	Now      time.Time
	Nodes    []Node
	Tokens   []client.Token
	NoTokens error // why tokens are not known
}

// Findings judges all that was seen: those of all nodes first, then each node's.
func (d *Deployment) Findings() []Finding {
	var all []Finding
	for _, judge := range []func(*Deployment) []Finding{
		clustersOf, versionsOf, clocksOf, encryptionOf, membersOf, tokensOf,
	} {
		all = append(all, judge(d)...)
	}
	for i := range d.Nodes {
		all = append(all, d.node(&d.Nodes[i])...)
	}
	return all
}

// node judges one. Of one that shows no status little can be said.
func (d *Deployment) node(n *Node) []Finding {
	var all []Finding
	checks := []func(*Deployment, *Node) *Finding{reachOf, readyOf, bindingOf, credentialOf}
	if n.Status != nil {
		checks = append(checks, standingOf, clockOf, diskOf, scrubOf, followingOf, retentionOf, portsOf, auditOf)
	}
	for _, check := range checks {
		if f := check(d, n); f != nil {
			f.Node = n.Name
			all = append(all, *f)
		}
	}
	for _, f := range d.certificates(n) {
		f.Node = n.Name
		all = append(all, f)
	}
	return all
}

// Worst is the worst level of some findings; OK where there are none.
func Worst(all []Finding) Level {
	rank := map[Level]int{OK: 0, Warning: 1, Problem: 2}
	if len(all) == 0 {
		return OK
	}
	return slices.MaxFunc(all, func(a, b Finding) int { return cmp.Compare(rank[a.Level], rank[b.Level]) }).Level
}

func ok(check, found string) *Finding { return &Finding{Level: OK, Check: check, Found: found} }

// after says a time span as people do.
func after(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return days(d)
	case d >= time.Minute:
		return d.Round(time.Minute).String()
	}
	return d.Round(time.Millisecond).String()
}
