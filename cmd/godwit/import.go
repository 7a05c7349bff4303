package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// importCmd writes what stands in lines, or in another store, into a namespace.
type importCmd struct {
	place
	transferring
	cloudflareFlags
	Files              []string `arg:"" optional:"" name:"source" placeholder:"FILE" help:"Files with one JSON item on each line: {key, value, base64?, metadata?, expiration?, expiration_ttl?}; - is standard input, and the default. With --from: the directory, or the server's URL."`
	From               string   `env:"-" enum:"lines,cloudflare,miniflare,redis,dir" default:"lines" help:"What to read: lines, cloudflare, miniflare, redis or dir." placeholder:"KIND"`
	Prefix             string   `env:"-" help:"Only keys that start with this; of dir: what keys begin with." placeholder:"TEXT"`
	Atomic             bool     `env:"-" help:"Of lines: write nothing unless all of the input is good. Standard input is first copied into a file."`
	ResumeFromLine     int64    `env:"-" help:"Of lines: begin with this one; of one file or standard input." placeholder:"N"`
	Checkpoint         string   `env:"-" help:"A file to note in how far this has come: another run with it goes on there. Of lines, cloudflare and miniflare." placeholder:"FILE"`
	MaxValue           size     `env:"-" help:"Of lines, and with --dry-run of all: the longest value (${default}), up to 1 GiB where the server takes it." default:"25MiB" placeholder:"N"`
	MiniflareNamespace string   `env:"-" help:"Of miniflare: the namespace's id, if there are several." placeholder:"ID"`

	checkpoint *transfer.Checkpoint
}

// Run imports.
func (c *importCmd) Run(ctx context.Context, p *program) error {
	if err := c.usage(); err != nil {
		return wrongUsage{err}
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	now, err := transfer.Clock(ctx, cl)
	if err != nil {
		return err
	}
	id, err := transfer.FindNamespace(ctx, cl, c.Namespace)
	if err != nil {
		return err
	}
	in, err := c.input(ctx, p, id, now)
	if err != nil {
		return err
	}
	defer in.close()
	if c.DryRun {
		return c.look(ctx, p, id, in)
	}
	return c.write(ctx, p, cl, id, in)
}

func (c *importCmd) usage() error {
	if c.From == "lines" && len(c.Files) == 0 {
		c.Files = []string{"-"}
	}
	if c.From != "lines" {
		return c.usageFrom()
	}
	switch {
	case len(c.Files)-len(slices.DeleteFunc(slices.Clone(c.Files), func(f string) bool { return f == "-" })) > 1:
		return errors.New("standard input can be read once only")
	case c.MaxValue < 0 || c.MaxValue > transfer.MaxValue:
		return errors.New("--max-value is not between 0 and 1 GiB")
	case c.ResumeFromLine < 0:
		return errors.New("--resume-from-line is below 0")
	case c.ResumeFromLine > 0 && len(c.Files) > 1:
		return errors.New("--resume-from-line takes one file")
	case c.ResumeFromLine > 0 && c.Checkpoint != "":
		return errors.New("--resume-from-line and --checkpoint both say where to begin")
	case c.Atomic && (c.ResumeFromLine > 0 || c.Checkpoint != ""):
		return errors.New("--atomic begins at the beginning: it does not go with --resume-from-line or --checkpoint")
	}
	return transfer.Concurrency(c.Concurrency)
}

// usageFrom checks what is asked for of something else than lines.
func (c *importCmd) usageFrom() error {
	places := 1
	if c.From == "cloudflare" {
		places = 0
	}
	switch {
	case c.Atomic || c.ResumeFromLine > 0:
		return errors.New("--atomic and --resume-from-line are for lines")
	case c.Checkpoint != "" && c.From != "cloudflare" && c.From != "miniflare":
		return fmt.Errorf("--checkpoint does not go with --from %s: run it again, it writes the same", c.From)
	case len(c.Files) != places && places == 0:
		return errors.New("--from cloudflare takes no argument but the namespace to write to")
	case len(c.Files) != places:
		return fmt.Errorf("--from %s takes one place to read from", c.From)
	}
	return transfer.Concurrency(c.Concurrency)
}

// names says what an import is of, for its checkpoint.
func (c *importCmd) names() string {
	from := strings.Join(c.Files, ", ")
	switch c.From {
	case "cloudflare":
		from = "namespace " + c.CloudflareNamespace
	case "miniflare":
		from += " " + c.MiniflareNamespace
	}
	return fmt.Sprintf("import of %s %s into %s at %s, prefix %q", c.From, from, c.Namespace, c.URL, c.Prefix)
}

// look says what an import would do.
func (c *importCmd) look(ctx context.Context, p *program, id string, in *input) error {
	if err := c.pass(ctx, p, in); err != nil {
		return stopped(err, func(transfer.Mark) string { return "all before is good" })
	}
	text := p.would(in.counts)
	if id == "" {
		text += fmt.Sprintf(", and make the namespace %s", printable(c.Namespace))
	}
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// pass reads everything and writes nothing.
func (c *importCmd) pass(ctx context.Context, p *program, in *input) error {
	say := p.say("check", c.Quiet, in.counts, in.total, in.done)
	err := transfer.Look(ctx, in.source, int64(c.MaxValue), transfer.Options{Progress: in.counts, Now: in.now})
	say.close(err)
	return err
}

// write writes what is read.
func (c *importCmd) write(ctx context.Context, p *program, cl *client.Client, id string, in *input) (err error) {
	if c.Atomic {
		if err := c.checkAll(ctx, p, in); err != nil {
			return err
		}
	}
	if id == "" {
		if id, err = makeNamespace(ctx, cl, c.Namespace, c.checkpoint); err != nil {
			return err
		}
	}
	o := transfer.Options{Concurrency: c.Concurrency, Progress: in.counts, Now: in.now}
	if c.checkpoint != nil {
		o.OnMark = c.checkpoint.Note
	}
	say := p.say("import", c.Quiet, in.counts, in.total, in.done)
	err = transfer.Run(ctx, in.source, &transfer.ServerTarget{KV: cl.KV(id), Progress: in.counts, Now: in.now}, o)
	say.close(err)
	return c.ended(err)
}

// ended says of what went wrong how to go on.
func (c *importCmd) ended(err error) error {
	switch {
	case c.checkpoint != nil:
		return noted(c.checkpoint, err)
	case c.From == "lines":
		return stopped(err, c.reached)
	}
	return err
}

// checkAll reads all of the input before anything is written.
func (c *importCmd) checkAll(ctx context.Context, p *program, in *input) error {
	seen, err := in.lines.Seen()
	if err != nil {
		return err
	}
	if err := c.pass(ctx, p, in); err != nil {
		return stopped(err, func(transfer.Mark) string { return "nothing was written" })
	}
	in.counts.Reset()
	return in.lines.Again(seen)
}

// reached says up to where all is written, and how to go on.
func (c *importCmd) reached(done transfer.Mark) string {
	done.Line = max(done.Line, c.ResumeFromLine-1)
	switch {
	case done.Line == 0 && done.File == 0:
		return "nothing is known to be written"
	case len(c.Files) > 1:
		return fmt.Sprintf("all is written up to line %d of %s", done.Line, c.Files[done.File])
	}
	return fmt.Sprintf("all is written up to line %d: go on with --resume-from-line %d", done.Line, done.Line+1)
}

// input is what an import reads.
type input struct {
	source transfer.Source
	lines  *transfer.Lines // nil: something else
	counts *transfer.Progress
	total  int64 // of what done counts; 0: not known
	done   func() int64
	now    func() int64 // the server's clock
	close  func()
}

// input settles on what to read, and where to begin.
func (c *importCmd) input(ctx context.Context, p *program, id string, now func() time.Time) (*input, error) {
	counts := new(transfer.Progress)
	in := &input{counts: counts, done: counts.Keys.Load, now: transfer.Seconds(now), close: func() {}}
	skip := func(what string) { fmt.Fprintf(p.stderr, "skipped: %s\n", oneLine(what)) }
	switch c.From {
	case "cloudflare":
		cf, err := c.cloudflare()
		if err != nil {
			return nil, err
		}
		from, err := c.begin(id, "")
		if err != nil {
			return nil, err
		}
		in.source = &transfer.CloudflareSource{Cloudflare: cf, Prefix: c.Prefix, From: from}
	case "miniflare":
		m := &transfer.Miniflare{Dir: c.Files[0], Namespace: c.MiniflareNamespace}
		if err := m.Find(); err != nil {
			return nil, err
		}
		from, err := c.begin(id, m.Namespace)
		if err != nil {
			return nil, err
		}
		m.From = from
		in.source = transfer.Under{Source: m, Prefix: c.Prefix}
	case "redis":
		in.source = &transfer.Redis{URL: c.Files[0], Prefix: c.Prefix, Progress: counts, Skip: skip, Now: now}
	case "dir":
		in.source = &transfer.Dir{Name: c.Files[0], Prefix: c.Prefix, Progress: counts, Skip: skip}
	default:
		from, err := c.begin(id, "")
		if err != nil {
			return nil, err
		}
		return in, c.readLines(ctx, p, in, from)
	}
	return in, nil
}

// begin is where to begin: behind what a checkpoint says, if there is to be one.
func (c *importCmd) begin(target, source string) (from transfer.Mark, err error) {
	if !c.DryRun {
		c.checkpoint, from, err = openCheckpoint(c.Checkpoint, transfer.Ends{Names: c.names(), Source: source, Target: target})
	}
	return from, err
}

// readLines has lines read.
func (c *importCmd) readLines(ctx context.Context, p *program, in *input, from transfer.Mark) error {
	l := &transfer.Lines{Files: c.Files, Stdin: p.stdin, MaxValue: int64(c.MaxValue), From: from}
	l.From.Line = max(c.ResumeFromLine-1, from.Line)
	if c.Atomic && slices.Contains(c.Files, "-") {
		spooled, err := transfer.Spool(ctx, p.stdin)
		if err != nil {
			return err
		}
		l.Stdin, in.close = spooled, func() { _ = spooled.Close() }
	}
	in.lines, in.source = l, l
	if c.Prefix != "" {
		in.source = transfer.Under{Source: l, Prefix: c.Prefix}
	}
	var total int64
	for _, name := range l.Files {
		info, err := os.Stat(name)
		if name == "-" {
			info, err = l.Stdin.Stat()
		}
		if err != nil || !info.Mode().IsRegular() {
			return nil // what is counted is keys, then
		}
		total += info.Size()
	}
	in.total, in.done = total, l.Read.Load
	return nil
}
