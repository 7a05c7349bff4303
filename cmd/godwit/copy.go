package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// copyCmd writes what is in one namespace into another.
type copyCmd struct {
	remote
	transferring
	Source     string `arg:"" help:"The namespace to read, by id or title."`
	Target     string `arg:"" help:"The namespace to write to, by id or title; made if it is not there."`
	FromURL    string `name:"from-url" help:"The server to read from; default is --url." placeholder:"URL"`
	FromToken  string `help:"The token to read with; default is --token, where it is the same server." placeholder:"TOKEN"`
	Prefix     string `env:"-" help:"Only keys that start with this." placeholder:"TEXT"`
	Strong     bool   `env:"-" help:"Have every write acknowledged before now, at any node."`
	Checkpoint string `env:"-" help:"A file to note in how far this has come: another run with it goes on there." placeholder:"FILE"`
}

// Run copies.
func (c *copyCmd) Run(ctx context.Context, p *program) error {
	if err := transfer.Concurrency(c.Concurrency); err != nil {
		return wrongUsage{err}
	}
	to, err := c.client()
	if err != nil {
		return err
	}
	from := to
	if c.FromURL != "" || c.FromToken != "" {
		source := remote{URL: c.FromURL, Token: c.FromToken, Data: c.Data}
		if source.URL == "" {
			source.URL = c.URL
		}
		if from, err = source.client(); err != nil {
			return err
		}
	}
	id, err := from.NamespaceID(ctx, c.Source)
	if err != nil {
		return err
	}
	kv := from.KV(id)
	total, err := c.count(ctx, kv)
	if err != nil {
		return err
	}
	target, err := transfer.FindNamespace(ctx, to, c.Target)
	if err != nil {
		return err
	}
	if err := c.differ(ctx, from, to, id, target); err != nil {
		return err
	}
	source := &transfer.Server{KV: kv, Prefix: c.Prefix, Strong: c.Strong}
	if c.DryRun {
		return c.look(ctx, p, source, to, target, total)
	}
	return c.copy(ctx, p, source, to, id, target, total)
}

// count is how many keys there are, 0 if that would have to be counted.
func (c *copyCmd) count(ctx context.Context, kv *client.KV) (int64, error) {
	n, err := kv.Count(ctx, client.CountOptions{})
	if err != nil || c.Prefix != "" {
		return 0, err
	}
	return n.Keys, nil
}

// differ holds that a namespace is not copied into itself.
func (c *copyCmd) differ(ctx context.Context, from, to *client.Client, source, target string) error {
	same, err := c.sameCluster(ctx, from, to)
	switch {
	case err != nil:
		return err
	case source == target && same:
		return wrongUsage{errors.New("both are the same namespace")}
	}
	return nil
}

// sameCluster tells whether two nodes have the same data.
func (c *copyCmd) sameCluster(ctx context.Context, from, to *client.Client) (bool, error) {
	if from == to {
		return true, nil
	}
	a, err := from.Status(ctx)
	if err != nil {
		return false, err
	}
	b, err := to.Status(ctx)
	if err != nil {
		return false, err
	}
	return a.ClusterID == b.ClusterID, nil
}

// look says what would be copied.
func (c *copyCmd) look(ctx context.Context, p *program, source transfer.Source, to *client.Client, target string, total int64) error {
	now, err := transfer.Clock(ctx, to)
	if err != nil {
		return err
	}
	counts := new(transfer.Progress)
	say := p.say("check", c.Quiet, counts, total, counts.Keys.Load)
	err = transfer.Look(ctx, source, transfer.MaxValue, transfer.Options{Progress: counts, Now: transfer.Seconds(now)})
	say.close(err)
	if err != nil {
		return err
	}
	text := p.would(counts)
	if target == "" {
		text += fmt.Sprintf(", and make the namespace %s", printable(c.Target))
	}
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

func (c *copyCmd) copy(ctx context.Context, p *program, source *transfer.Server, to *client.Client, from, into string, total int64) error {
	names := fmt.Sprintf("copy of %s at %s to %s at %s, prefix %q", c.Source, c.FromURL, c.Target, c.URL, c.Prefix)
	checkpoint, behind, err := openCheckpoint(c.Checkpoint, transfer.Ends{Names: names, Source: from, Target: into})
	if err != nil {
		return err
	}
	source.From = behind
	if into == "" {
		if into, err = makeNamespace(ctx, to, c.Target, checkpoint); err != nil {
			return err
		}
	}
	now, err := transfer.Clock(ctx, to)
	if err != nil {
		return err
	}
	o := transfer.Options{Progress: new(transfer.Progress), Now: transfer.Seconds(now)}
	target := &transfer.ServerTarget{KV: to.KV(into), Progress: o.Progress, Now: o.Now}
	return c.run(ctx, p, "copy", checkpoint, source, target, o, total)
}
