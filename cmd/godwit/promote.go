package main

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/internal/backup"
)

// promoteCmd makes a centre's data directory of any whole copy.
type promoteCmd struct {
	encryption
	Dir  string `arg:"" help:"The data directory of an edge or a centre, or a backup. No node may be running on it."`
	JSON bool   `name:"json" help:"Show what it holds as JSON."`
}

// Run promotes.
func (c *promoteCmd) Run(ctx context.Context, p *program) error {
	began := time.Now()
	keys, err := c.keys()
	if err != nil {
		return err
	}
	r, err := backup.Promote(ctx, c.Dir, keys)
	if err != nil {
		return err
	}
	p.note("The next start of a node on it is a centre of generation %d: let edges follow it, and nothing write to the old one.", r.Generation)
	return p.tellCopied(r, began, c.JSON)
}
