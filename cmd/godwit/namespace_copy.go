package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/client"
)

type namespaceCopyCmd struct {
	remote
	From     string  `arg:"" help:"The id or title of the namespace to copy from."`
	To       string  `arg:"" help:"The id or title of the one to copy to."`
	Prefix   string  `env:"-" help:"Copy only keys that begin with it." placeholder:"TEXT"`
	ToPrefix *string `name:"to-prefix" env:"-" help:"Put it in the place of --prefix in their new names." placeholder:"TEXT"`
	IfAbsent bool    `name:"if-absent" env:"-" help:"Leave keys as they are that are there already."`
	JSON     bool    `name:"json" help:"Show what was copied as JSON."`
}

// namespaceCopied is what was copied, as JSON.
type namespaceCopied struct {
	Copied   int64                `json:"copied"`
	Bytes    int64                `json:"bytes"`
	Present  int64                `json:"present"`
	Failed   []client.CopyFailure `json:"failed"`
	Revision string               `json:"revision"`
}

// Run copies keys within a server. What was copied is told, though it may not be all.
func (c *namespaceCopyCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	g := p.progress("copy", 0)
	sum, err := cl.KV(c.From).Copy(ctx, c.To, client.CopyOptions{
		Prefix: c.Prefix, ToPrefix: c.ToPrefix, IfAbsent: c.IfAbsent,
		Progress: func(sum client.Copied) { g.add(sum.Keys + sum.Present - g.done) },
	})
	g.end()
	if errors.Is(err, client.ErrNamespaceNotFound) {
		err = c.whichIsMissing(ctx, cl, err)
	}
	if err != nil && sum.Keys == 0 {
		return err
	}
	return errors.Join(err, c.tell(p, &sum))
}

// whichIsMissing says which of the two there is not, where it is named by its title.
func (c *namespaceCopyCmd) whichIsMissing(ctx context.Context, cl *client.Client, err error) error {
	for _, title := range []string{c.From, c.To} {
		if _, e := cl.NamespaceID(ctx, title); errors.Is(e, client.ErrNamespaceNotFound) {
			return fmt.Errorf("%s: %w", printable(title), client.ErrNamespaceNotFound)
		}
	}
	return err
}

// tell shows what was copied. Keys that were not are an error.
func (c *namespaceCopyCmd) tell(p *program, sum *client.Copied) error {
	for _, f := range sum.Failed {
		fmt.Fprintf(p.stderr, "godwit: %s: %s\n", printable(f.Key), f.Message)
	}
	if c.JSON {
		failed := append([]client.CopyFailure{}, sum.Failed...)
		if err := p.writeJSON(namespaceCopied{sum.Keys, sum.Bytes, sum.Present, failed, sum.Revision}); err != nil {
			return err
		}
	} else if err := c.line(p, sum); err != nil {
		return err
	}
	if n := len(sum.Failed); n > 0 {
		return fmt.Errorf("keys that were not copied: %d", n)
	}
	return nil
}

func (c *namespaceCopyCmd) line(p *program, sum *client.Copied) error {
	text := fmt.Sprintf("%d keys, %s", sum.Keys, countBytes(sum.Bytes))
	if sum.Present > 0 {
		text += fmt.Sprintf("; %d were there already", sum.Present)
	}
	if _, err := fmt.Fprintln(p.stdout, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
