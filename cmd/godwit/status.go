package main

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// statusCmd shows a node's status, or all nodes.
type statusCmd struct {
	remote
	Tree bool `env:"-" help:"Draw all nodes: the centre, its relays and its edges."`
	JSON bool `name:"json" help:"Show it as JSON."`
}

// Run shows the status.
func (c *statusCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if c.Tree {
		return c.tree(ctx, p, cl)
	}
	s, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(s)
	}
	t := p.table("FIELD", "VALUE")
	t.row("role", s.Role)
	t.row("location", orDash(s.Location))
	t.row("jurisdictions", orDash(strings.Join(s.Jurisdictions, ", ")))
	t.row("account", orDash(s.Account))
	t.row("cluster", orDash(s.ClusterID))
	t.row("revision", s.Revision)
	t.row("ready", strconv.FormatBool(s.Ready))
	t.row("staleness", staleness(s.StalenessMS))
	t.row("keys", strconv.FormatInt(s.Keys, 10))
	t.row("bytes", countBytes(s.Bytes))
	t.row("disk full", strconv.FormatBool(s.DiskFull))
	t.row("followers", strconv.Itoa(s.Followers))
	t.row("binding", s.BindingURL)
	t.row("version", s.Version)
	t.row("generation", strconv.FormatUint(s.Generation, 10))
	t.row("uptime", (time.Duration(s.UptimeSeconds) * time.Second).String())
	c.scrubRows(t.row, &s.Scrub)
	if s.Role == "edge" {
		t.row("upstream", orDash(s.Upstream))
		t.row("connected", strconv.FormatBool(s.Connected))
		t.row("lag", strconv.FormatInt(s.Lag, 10))
		t.row("missing", strconv.Itoa(s.Missing))
		t.row("progress", orDash(s.Progress))
	}
	if s.Role == "edge" || s.Problem != "" {
		t.row("problem", orDash(s.Problem))
	}
	return t.close()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// staleness says for how long a node may have missed a write, "-" for unknown.
func staleness(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}
