package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/store"
)

// restoreCmd makes a centre's data directory from a backup.
type restoreCmd struct {
	encryption
	opens
	which
	From string `arg:"" name:"from" placeholder:"DIR" help:"The backup, or any whole data directory that no node runs on, or a repository: s3://BUCKET/PREFIX, file:///DIR. It stays as it is."`
	Dir  string `arg:"" help:"The data directory to make: one that is not there, or is empty."`
	JSON bool   `name:"json" help:"Show what it holds as JSON."`
}

// Run restores.
func (c *restoreCmd) Run(ctx context.Context, p *program) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	boundGarbage()
	began := time.Now()
	keys, err := c.keys()
	if err != nil {
		return err
	}
	r, err := c.restore(ctx, p, keys)
	if err != nil {
		return err
	}
	p.note("The next start of a node on it is a centre of generation %d: let edges follow it, and nothing write to the old one.", r.Generation)
	return p.tellCopied(r, began, c.JSON)
}

func (c *restoreCmd) restore(ctx context.Context, p *program, keys *store.Keys) (_ *backup.Result, err error) {
	g := p.progress("copy bytes", 0)
	defer g.end()
	if !isRepository(c.From) {
		if c.given() {
			return nil, wrongUsage{fmt.Errorf("%s is no repository: leave --backup and --at out", c.From)}
		}
		return backup.Restore(ctx, c.From, c.Dir, keys, g.add)
	}
	r, err := c.repository(c.From, g.together(new(int64)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	id, err := c.find(ctx, r)
	if err != nil {
		return nil, err
	}
	return backup.Load(ctx, r, id, c.Dir, keys)
}
