package main

import (
	"context"
	"strconv"
	"time"
)

// statusCmd shows a node's status.
type statusCmd struct {
	remote
	JSON bool `name:"json" help:"Show it as JSON."`
}

// Run shows the status.
func (c *statusCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	s, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(s)
	}
	location := s.Location
	if location == "" {
		location = "-"
	}
	t := p.table("FIELD", "VALUE")
	t.row("role", s.Role)
	t.row("location", location)
	t.row("account", s.Account)
	t.row("cluster", s.ClusterID)
	t.row("revision", s.Revision)
	t.row("staleness", (time.Duration(s.StalenessMS) * time.Millisecond).String())
	t.row("keys", strconv.FormatInt(s.Keys, 10))
	t.row("bytes", countBytes(s.Bytes))
	t.row("disk full", strconv.FormatBool(s.DiskFull))
	t.row("followers", strconv.Itoa(s.Followers))
	t.row("binding", s.BindingURL)
	t.row("version", s.Version)
	t.row("uptime", (time.Duration(s.UptimeSeconds) * time.Second).String())
	return t.close()
}
