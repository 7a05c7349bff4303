package main

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/internal/backup"
)

// restoreCmd makes a centre's data directory from a backup.
type restoreCmd struct {
	encryption
	Backup string `arg:"" placeholder:"DIR" help:"The backup, or any whole data directory that no node runs on. It stays as it is."`
	Dir    string `arg:"" help:"The data directory to make: one that is not there, or is empty."`
	JSON   bool   `name:"json" help:"Show what it holds as JSON."`
}

// Run restores.
func (c *restoreCmd) Run(ctx context.Context, p *program) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	began := time.Now()
	keys, err := c.keys()
	if err != nil {
		return err
	}
	g := p.progress("copy bytes", 0)
	r, err := backup.Restore(ctx, c.Backup, c.Dir, keys, g.add)
	g.end()
	if err != nil {
		return err
	}
	p.note("The next start of a node on it is a centre of generation %d: let edges follow it, and nothing write to the old one.", r.Generation)
	return p.tellCopied(r, began, c.JSON)
}
