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

// importCmd writes what stands in lines into a namespace.
type importCmd struct {
	place
	transferring
	Files          []string `arg:"" optional:"" help:"Files with one JSON item on each line: {key, value, base64?, metadata?, expiration?, expiration_ttl?}; - is standard input, and the default."`
	Prefix         string   `env:"-" help:"Only keys that start with this." placeholder:"TEXT"`
	Atomic         bool     `env:"-" help:"Write nothing unless all of the input is good. Standard input is first copied into a file."`
	ResumeFromLine int64    `env:"-" help:"Begin with this line; of one file or standard input." placeholder:"N"`
	Checkpoint     string   `env:"-" help:"A file to note in how far this has come: another run with it goes on there." placeholder:"FILE"`
	MaxValue       size     `env:"-" help:"The longest value (${default}), up to 1 GiB where the server takes it." default:"25MiB" placeholder:"N"`
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
	lines, err := c.lines(ctx, p)
	if err != nil {
		return err
	}
	if lines.Stdin != p.stdin {
		defer func() { _ = lines.Stdin.Close() }()
	}
	if c.DryRun {
		return c.look(ctx, p, cl, lines)
	}
	return c.write(ctx, p, cl, lines)
}

func (c *importCmd) usage() error {
	if len(c.Files) == 0 {
		c.Files = []string{"-"}
	}
	stdins := 0
	for _, name := range c.Files {
		if name == "-" {
			stdins++
		}
	}
	switch {
	case stdins > 1:
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

// lines is what to read.
func (c *importCmd) lines(ctx context.Context, p *program) (*transfer.Lines, error) {
	l := &transfer.Lines{Files: c.Files, Stdin: p.stdin, MaxValue: int64(c.MaxValue)}
	l.From.Line = max(c.ResumeFromLine-1, 0)
	if c.Atomic {
		for _, name := range c.Files {
			if name != "-" {
				continue
			}
			spooled, err := transfer.Spool(ctx, p.stdin)
			if err != nil {
				return nil, err
			}
			l.Stdin = spooled
		}
	}
	return l, nil
}

func (c *importCmd) source(l *transfer.Lines) transfer.Source {
	if c.Prefix == "" {
		return l
	}
	return transfer.Under{Source: l, Prefix: c.Prefix}
}

// look says what an import would do.
func (c *importCmd) look(ctx context.Context, p *program, cl *client.Client, l *transfer.Lines) error {
	has, err := transfer.HasNamespace(ctx, cl, c.Namespace)
	if err != nil {
		return err
	}
	counts, err := c.pass(ctx, p, "check", l)
	if err != nil {
		return stopped(err, c.checked)
	}
	text := fmt.Sprintf("would write %d keys, %s", counts.Keys.Load(), countBytes(counts.Bytes.Load()))
	if n := counts.Expired.Load(); n > 0 {
		text += fmt.Sprintf(", leave out %d that have expired", n)
	}
	if !has {
		text += fmt.Sprintf(", and make the namespace %s", printable(c.Namespace))
	}
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// pass reads everything and writes nothing.
func (c *importCmd) pass(ctx context.Context, p *program, what string, l *transfer.Lines) (*transfer.Progress, error) {
	counts := new(transfer.Progress)
	say := c.say(p, what, counts, l)
	err := transfer.Look(ctx, c.source(l), transfer.Options{Progress: counts, Now: nowSeconds})
	say.close(err)
	return counts, err
}

// say tells how far the reading is, where it is known how much there is to read.
func (c *importCmd) say(p *program, what string, counts *transfer.Progress, l *transfer.Lines) *saying {
	var total int64
	for _, name := range l.Files {
		info, err := os.Stat(name)
		if name == "-" {
			info, err = l.Stdin.Stat()
		}
		if err != nil || !info.Mode().IsRegular() {
			return p.say(what, c.Quiet, counts, 0, counts.Keys.Load)
		}
		total += info.Size()
	}
	l.Read.Store(0)
	return p.say(what, c.Quiet, counts, total, l.Read.Load)
}

// write writes what is in the lines.
func (c *importCmd) write(ctx context.Context, p *program, cl *client.Client, l *transfer.Lines) error {
	if c.Atomic {
		if err := c.checkAll(ctx, p, l); err != nil {
			return err
		}
	}
	var checkpoint *transfer.Checkpoint
	if c.Checkpoint != "" {
		var err error
		if checkpoint, l.From, err = transfer.OpenCheckpoint(c.Checkpoint, c.of()); err != nil {
			return err
		}
	}
	if _, err := transfer.EnsureNamespace(ctx, cl, c.Namespace); err != nil {
		return err
	}
	counts := new(transfer.Progress)
	o := transfer.Options{Concurrency: c.Concurrency, Progress: counts, Now: nowSeconds}
	if checkpoint != nil {
		o.OnMark = checkpoint.Note
	}
	say := c.say(p, "import", counts, l)
	err := transfer.Run(ctx, c.source(l), &transfer.ServerTarget{KV: cl.KV(c.Namespace), Progress: counts, Now: nowSeconds}, o)
	say.close(err)
	if checkpoint != nil {
		err = errors.Join(stopped(err, c.noted), checkpoint.Close(err == nil))
	}
	return stopped(err, c.reached)
}

// checkAll reads all of the input before anything is written.
func (c *importCmd) checkAll(ctx context.Context, p *program, l *transfer.Lines) error {
	seen, err := l.Seen()
	if err != nil {
		return err
	}
	if _, err := c.pass(ctx, p, "check", l); err != nil {
		return stopped(err, c.nothing)
	}
	return l.Again(seen)
}

// of names an import for its checkpoint.
func (c *importCmd) of() string {
	return fmt.Sprintf("import of %s into %s at %s, prefix %q", strings.Join(c.Files, ", "), c.Namespace, c.URL, c.Prefix)
}

func (c *importCmd) nothing(transfer.Mark) string { return "nothing was written" }

func (c *importCmd) checked(transfer.Mark) string { return "all before is good" }

func (c *importCmd) noted(transfer.Mark) string {
	return "run it again with the same --checkpoint to go on"
}

// reached says up to where all is written, and how to go on.
func (c *importCmd) reached(done transfer.Mark) string {
	done.Line = max(done.Line, c.ResumeFromLine-1)
	switch {
	case len(c.Files) > 1 && done.Line == 0 && done.File == 0:
		return "nothing before is known to be written"
	case len(c.Files) > 1:
		return fmt.Sprintf("all is written up to line %d of %s", done.Line, c.Files[done.File])
	case done.Line == 0:
		return "nothing before is known to be written"
	}
	return fmt.Sprintf("all is written up to line %d: go on with --resume-from-line %d", done.Line, done.Line+1)
}
