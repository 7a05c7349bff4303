package main

import (
	"context"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// seedCmd writes what a fixture says.
type seedCmd struct {
	remote
	transferring
	File string `arg:"" help:"TOML, or JSON where the name ends in .json."`
}

// Run reads all of the fixture before it writes any of it.
func (c *seedCmd) Run(ctx context.Context, p *program) error {
	if err := transfer.Concurrency(c.Concurrency); err != nil {
		return wrongUsage{err}
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	seeds, err := transfer.ReadSeeds(c.File)
	if err != nil {
		return err
	}
	for i := range seeds {
		if err := c.seed(ctx, p, cl, &seeds[i]); err != nil {
			return fmt.Errorf("namespace %q: %w", seeds[i].Title, err)
		}
	}
	return nil
}

// seed writes one namespace, and of it what differs.
func (c *seedCmd) seed(ctx context.Context, p *program, cl *client.Client, s *transfer.Seed) error {
	id, err := transfer.FindNamespace(ctx, cl, s.Title)
	if err != nil {
		return err
	}
	items := s.Items
	if id != "" {
		if items, err = transfer.Differing(ctx, cl.KV(id), items); err != nil {
			return err
		}
	}
	done := "would write"
	if !c.DryRun {
		done = "wrote"
		if id == "" {
			if id, err = transfer.EnsureNamespace(ctx, cl, s.Title); err != nil {
				return err
			}
		}
		now := transfer.Seconds(time.Now) // a fixture has times to live alone
		counts := new(transfer.Progress)
		o := transfer.Options{Concurrency: c.Concurrency, Progress: counts, Now: now}
		if err := transfer.Run(ctx, transfer.Given(items), &transfer.ServerTarget{KV: cl.KV(id), Progress: counts, Now: now}, o); err != nil {
			return err
		}
	}
	if c.Quiet {
		return nil
	}
	if _, err := fmt.Fprintf(p.stdout, "%s: %s %d keys, %d are as they should be\n", printable(s.Title), done, len(items), len(s.Items)-len(items)); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
