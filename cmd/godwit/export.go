package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// exportCmd writes a namespace as lines.
type exportCmd struct {
	place
	Output string `env:"-" short:"o" help:"A file to write to, which is not there or empty; default is standard output." placeholder:"FILE"`
	Resume bool   `env:"-" help:"Go on behind the last whole line of --output."`
	Prefix string `env:"-" help:"Only keys that start with this." placeholder:"TEXT"`
	Strong bool   `env:"-" help:"Have every write acknowledged before now, at any node."`
	Quiet  bool   `env:"-" short:"q" help:"No word on standard error but of what goes wrong."`
}

// Run exports.
func (c *exportCmd) Run(ctx context.Context, p *program) error {
	if c.Resume && c.Output == "" {
		return wrongUsage{errors.New("--resume needs --output, the file to go on with")}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	total, err := c.count(ctx, kv)
	if err != nil {
		return err
	}
	out, from, err := c.output(p)
	if err != nil {
		return err
	}
	counts := new(transfer.Progress)
	say := p.say("export", c.Quiet, counts, total, counts.Keys.Load)
	source := &transfer.Server{KV: kv, Prefix: c.Prefix, From: from, Strong: c.Strong}
	err = transfer.Write(ctx, source, out, counts, nowSeconds)
	if c.Output != "" {
		err = errors.Join(err, out.Sync(), out.Close())
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
