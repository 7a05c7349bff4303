package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// exportCmd writes a namespace as lines, or into another store.
type exportCmd struct {
	place
	transferring
	cloudflareFlags
	Dir        string `arg:"" optional:"" help:"With --to dir: the directory."`
	To         string `env:"-" enum:"lines,cloudflare,dir" default:"lines" help:"What to write: lines, cloudflare or dir." placeholder:"KIND"`
	Output     string `env:"-" short:"o" help:"Of lines: a file to write to, which is not there or empty; default is standard output." placeholder:"FILE"`
	Resume     bool   `env:"-" help:"Of lines: go on behind the last whole line of --output."`
	Checkpoint string `env:"-" help:"Of cloudflare and dir: a file to note in how far this has come: another run with it goes on there." placeholder:"FILE"`
	Prefix     string `env:"-" help:"Only keys that start with this; of dir: paths are without it." placeholder:"TEXT"`
	Strong     bool   `env:"-" help:"Have every write acknowledged before now, at any node."`
}

// Run exports.
func (c *exportCmd) Run(ctx context.Context, p *program) error {
	if err := c.usage(); err != nil {
		return wrongUsage{err}
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	id, err := cl.NamespaceID(ctx, c.Namespace)
	if err != nil {
		return err
	}
	kv := cl.KV(id)
	total, err := c.count(ctx, kv)
	if err != nil {
		return err
	}
	now, err := transfer.Clock(ctx, cl)
	if err != nil {
		return err
	}
	source := &transfer.Server{KV: kv, Prefix: c.Prefix, Strong: c.Strong}
	o := transfer.Options{Progress: new(transfer.Progress), Now: transfer.Seconds(now)}
	switch {
	case c.DryRun:
		return c.look(ctx, p, source, o, total)
	case c.To == "lines":
		return c.lines(ctx, p, source, o, total)
	case c.To == "dir":
		return c.toDir(ctx, p, id, source, o, total)
	}
	cf, err := c.cloudflare()
	if err != nil {
		return err
	}
	return c.run(ctx, p, transfer.Ends{Source: id}, source, &transfer.CloudflareTarget{Cloudflare: cf, Progress: o.Progress, Now: o.Now}, o, total)
}

func (c *exportCmd) usage() error {
	switch {
	case c.To == "lines" && (c.Dir != "" || c.Checkpoint != ""):
		return errors.New("a directory and --checkpoint are for --to: lines go to --output")
	case c.To != "lines" && (c.Output != "" || c.Resume):
		return errors.New("--output and --resume are for lines")
	case c.To == "dir" && c.Dir == "":
		return errors.New("--to dir needs the directory to write to")
	case c.To == "cloudflare" && c.Dir != "":
		return errors.New("--to cloudflare takes no argument but the namespace to read")
	case c.Resume && c.Output == "":
		return errors.New("--resume needs --output, the file to go on with")
	}
	return transfer.Concurrency(c.Concurrency)
}

// look says what an export would write.
func (c *exportCmd) look(ctx context.Context, p *program, source transfer.Source, o transfer.Options, total int64) error {
	counts := o.Progress
	say := p.say("check", c.Quiet, counts, total, counts.Keys.Load)
	most := int64(transfer.MaxValue)
	if c.To == "cloudflare" {
		most = transfer.DefaultMaxValue
	}
	err := transfer.Look(ctx, source, most, o)
	say.close(err)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(p.stdout, p.would(counts)); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// lines writes lines.
func (c *exportCmd) lines(ctx context.Context, p *program, source *transfer.Server, o transfer.Options, total int64) error {
	out, from, err := c.output(p)
	if err != nil {
		return err
	}
	source.From = from
	counts := o.Progress
	say := p.say("export", c.Quiet, counts, total, counts.Keys.Load)
	err = transfer.Write(ctx, source, out, counts, o.Now)
	if c.Output != "" {
		err = errors.Join(err, transfer.CloseOutput(out))
	}
	say.close(err)
	return err
}

// output is where to write, and behind which key to go on.
func (c *exportCmd) output(p *program) (*os.File, transfer.Mark, error) {
	if c.Output == "" {
		return p.stdout, transfer.Mark{}, nil
	}
	f, last, err := transfer.OpenOutput(c.Output, c.Resume)
	switch {
	case errors.Is(err, transfer.ErrNotEmpty):
		return nil, transfer.Mark{}, fmt.Errorf("%w: give --resume to go on with it, or another name", err)
	case err != nil:
		return nil, transfer.Mark{}, err
	case last != "" && !strings.HasPrefix(last, c.Prefix):
		_ = f.Close()
		return nil, transfer.Mark{}, fmt.Errorf("%s: the last key is %q, which does not start with the prefix", c.Output, last)
	}
	return f, transfer.Mark{Key: last}, nil
}

// count is how many keys there are, 0 if that would have to be counted. It is asked for
// before the output is touched, so that a namespace that is not there costs nothing.
func (c *exportCmd) count(ctx context.Context, kv *client.KV) (int64, error) {
	if c.Prefix != "" || c.Resume {
		_, err := kv.ScanPage(ctx, client.ScanOptions{Prefix: c.Prefix, Limit: 1})
		return 0, err
	}
	n, err := kv.Count(ctx, client.CountOptions{})
	return n.Keys, err
}

// toDir writes files.
func (c *exportCmd) toDir(ctx context.Context, p *program, id string, source *transfer.Server, o transfer.Options, total int64) (err error) {
	var lossy atomic.Int64
	target := &transfer.DirTarget{
		Name: c.Dir, Prefix: c.Prefix, Progress: o.Progress,
		Lossy:   func(string) { lossy.Add(1) },
		Collide: func(a, b string) { fmt.Fprintf(p.stderr, "differ in case only: %q and %q\n", a, b) },
	}
	if err := target.Open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	err = c.run(ctx, p, transfer.Ends{Source: id, Target: target.ID()}, source, target, o, total)
	if n := lossy.Load(); n > 0 {
		fmt.Fprintf(p.stderr, "keys that had metadata or an expiration, which files do not keep: %d\n", n)
	}
	return err
}

// run writes into another store.
func (c *exportCmd) run(ctx context.Context, p *program, ends transfer.Ends, source *transfer.Server, target transfer.Target, o transfer.Options, total int64) error {
	ends.Names = fmt.Sprintf("export of %s at %s to %s %s%s, prefix %q", c.Namespace, c.URL, c.To, c.Dir, c.CloudflareNamespace, c.Prefix)
	checkpoint, from, err := openCheckpoint(c.Checkpoint, ends)
	if err != nil {
		return err
	}
	source.From = from
	return c.transferring.run(ctx, p, "export", checkpoint, source, target, o, total)
}
