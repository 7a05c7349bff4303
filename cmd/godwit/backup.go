package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/backup"
)

// backupCmd copies a node's data while it runs.
type backupCmd struct {
	remote
	encryption
	Dir  string `arg:"" help:"The backup: a directory that is not there, is empty, or is a backup of this cluster."`
	JSON bool   `name:"json" help:"Show what it holds as JSON."`
}

// Run makes the backup, or brings it up to date. Ended early, it goes on the next
// time.
func (c *backupCmd) Run(ctx context.Context, p *program) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	began := time.Now()
	keys, err := c.keys()
	if err != nil {
		return err
	}
	g := p.progress("copy", c.count(ctx))
	r, err := backup.Run(ctx, backup.Config{Dir: c.Dir, URL: c.URL, Token: c.token(), Keys: keys, Progress: func(now backup.Progress) {
		g.what = now.Stage
		g.add(now.Keys - g.done)
	}})
	g.end()
	if err != nil {
		return err
	}
	return p.tellCopied(r, began, c.JSON)
}

// count is how many keys the node has, 0 if it does not say: for the progress alone.
func (c *backupCmd) count(ctx context.Context) int64 {
	cl, err := c.client()
	if err != nil {
		return 0
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := cl.Status(ctx)
	if err != nil {
		return 0
	}
	return s.Keys
}

// copied is what a command that has filled or changed a directory says.
type copied struct {
	*backup.Result
	Revision string  `json:"revision"`
	Seconds  float64 `json:"seconds"`
}

// tellCopied tells what a directory holds, in one line.
func (p *program) tellCopied(r *backup.Result, began time.Time, asJSON bool) error {
	took := time.Since(began).Seconds()
	if asJSON {
		return p.writeJSON(copied{r, r.Revision.String(), took})
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %d keys, %s, revision %s, generation %d, %.1f s\n",
		strings.TrimSpace(printable(r.Dir)), r.Keys, countBytes(r.Bytes), r.Revision, r.Generation, took)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
