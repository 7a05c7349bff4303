package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/godwitkv/godwit/internal/backup"
)

// backupVerifyCmd reads backups.
type backupVerifyCmd struct {
	opens
	encryption
	Backups string `arg:"" name:"repository" placeholder:"DIR" help:"The repository: s3://BUCKET/PREFIX, file:///DIR, or a directory."`
	Backup  string `name:"backup" env:"-" help:"The backup with this id alone. Default: all." placeholder:"ID"`
	JSON    bool   `name:"json" help:"Show what was read as JSON."`
}

// verified is what was found to be whole.
type verified struct {
	Place   string `json:"repository"`
	Backups int    `json:"backups"`
	Bytes   int64  `json:"bytes"` // that were read
}

// Run reads all that a restore would, and says what is wrong by name.
func (c *backupVerifyCmd) Run(ctx context.Context, p *program) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	done := verified{Place: c.Backups}
	var err error
	if isRepository(c.Backups) {
		err = c.depot(ctx, p, &done)
	} else {
		err = c.directory(ctx, &done)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(done)
	}
	if _, err := fmt.Fprintf(p.stdout, "%s: whole: %d backups, %s read\n", printable(strings.TrimSpace(done.Place)), done.Backups, countBytes(done.Bytes)); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// directory verifies a directory that is a backup.
func (c *backupVerifyCmd) directory(ctx context.Context, done *verified) error {
	if c.Backup != "" {
		return wrongUsage{fmt.Errorf("%s is no repository: leave --backup out", c.Backups)}
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	r, err := backup.Check(ctx, c.Backups, keys)
	if err != nil {
		return err
	}
	done.Backups, done.Bytes = 1, r.Bytes
	return nil
}

func (c *backupVerifyCmd) depot(ctx context.Context, p *program, done *verified) (err error) {
	g := p.progress("read bytes", 0)
	defer g.end()
	r, err := c.repository(c.Backups, g.together(&done.Bytes))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	ids := []string{c.Backup}
	if c.Backup == "" {
		if _, err := r.Cluster(ctx); err != nil {
			return err
		}
		if ids, err = r.IDs(ctx); err != nil {
			return err
		}
	}
	done.Place, done.Backups = r.String(), len(ids)
	if len(ids) == 0 {
		return fmt.Errorf("%s has no backups", r)
	}
	return r.Verify(ctx, ids)
}

// together returns an add for many goroutines, which counts for itself as well.
func (g *progress) together(count *int64) func(int64) {
	var mu sync.Mutex
	return func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		*count += n
		g.add(n)
	}
}
