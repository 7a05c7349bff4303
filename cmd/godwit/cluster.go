package main

import (
	"context"
	"strconv"
	"time"
)

// clusterCmd is about a cluster of central nodes.
type clusterCmd struct {
	Show   clusterShowCmd   `cmd:"" help:"Show the members of the cluster, and its log."`
	Remove clusterRemoveCmd `cmd:"" help:"Forget a member that is gone for good, or whose disk is."`
}

type clusterShowCmd struct {
	remote
	JSON bool `name:"json" help:"Show it as JSON."`
}

// Run shows the cluster.
func (c *clusterShowCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	s, err := cl.Cluster(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(s)
	}
	p.note("Cluster %s: leader %s, the log has messages %d to %d, %s, in format %d.",
		printable(s.Name), printable(orDash(s.Leader)), s.First, s.Last, countBytes(s.Bytes), s.Format)
	if s.Durability != "" {
		p.note("%s", printable(s.Durability))
	}
	t := p.table("MEMBER", "REVISION", "LAG", "HEARD", "STATE", "VERSION", "URL")
	for i := range s.Members {
		m := &s.Members[i]
		state := "ready"
		switch {
		case m.Problem != "":
			state = printable(m.Problem)
		case !m.Present:
			state = "away"
		case !m.Ready:
			state = "not ready"
		}
		t.row(printable(m.Name), orDash(m.Revision), strconv.FormatUint(m.Lag, 10), heard(m.AgeMS), state, orDash(m.Version), printable(orDash(m.URL)))
	}
	return t.close()
}

// heard says how long ago a member told of itself.
func heard(ms int64) string {
	if ms < 0 {
		return "never"
	}
	return (time.Duration(ms) * time.Millisecond).Round(100*time.Millisecond).String() + " ago"
}

type clusterRemoveCmd struct {
	remote
	Name string `arg:"" help:"The member's name."`
}

// Run removes a member.
func (c *clusterRemoveCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if err := cl.RemoveMember(ctx, c.Name); err != nil {
		return err
	}
	p.note("Removed member %s. A node of this name may join as a new one.", c.Name)
	return nil
}
