package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/transfer"
)

// fsckCmd checks a data directory, or compares two nodes.
type fsckCmd struct {
	encryption
	remote
	Dir          string   `arg:"" optional:"" help:"The data directory. No node may be running on it."`
	Against      string   `env:"-" help:"Compare the node at --url with the one at this address." placeholder:"URL"`
	AgainstToken string   `help:"The token for the node at --against; default is --token." placeholder:"TOKEN"`
	Settle       duration `env:"-" help:"With --against: how long to look again at what differs (${default})." default:"10s" placeholder:"D"`
	Quiet        bool     `env:"-" short:"q" help:"With --against: no word on standard error but of what goes wrong."`
}

// Run checks and writes what is wrong, a line each.
func (c *fsckCmd) Run(ctx context.Context, p *program) error {
	switch {
	case c.Against == "" && c.Dir == "":
		return wrongUsage{errors.New("give the data directory to check, or --against to compare two nodes")}
	case c.Against != "" && c.Dir != "":
		return wrongUsage{errors.New("give a data directory or --against, not both")}
	case c.Settle < 0 || time.Duration(c.Settle) > time.Hour:
		return wrongUsage{errors.New("--settle is not between 0 and an hour")}
	case c.Against != "":
		return c.compare(ctx, p)
	}
	return c.check(ctx, p)
}

// check checks a data directory.
func (c *fsckCmd) check(ctx context.Context, p *program) error {
	if info, err := os.Stat(c.Dir); err != nil {
		return fmt.Errorf("look at data directory: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", c.Dir)
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	cfg, err := store.ToRead(store.Config{Dir: c.Dir, Keys: keys})
	if err != nil {
		return err
	}
	problems := 0
	err = store.Fsck(ctx, cfg, func(problem string) {
		problems++
		fmt.Fprintln(p.stdout, oneLine(problem))
	})
	if err != nil {
		return err
	}
	if problems > 0 {
		return fmt.Errorf("%s: problems found: %d", c.Dir, problems)
	}
	p.note("%s: no problem found.", c.Dir)
	return nil
}

// compare compares two nodes that run.
func (c *fsckCmd) compare(ctx context.Context, p *program) error {
	a, err := c.client()
	if err != nil {
		return err
	}
	b, err := c.other()
	if err != nil {
		return err
	}
	differences, counts := 0, new(transfer.Progress)
	comparison := transfer.Comparison{
		A: transfer.Node{Client: a, Name: c.URL}, B: transfer.Node{Client: b, Name: c.Against},
		Settle: time.Duration(c.Settle), Progress: counts,
		Report: func(d transfer.Difference) {
			differences++
			fmt.Fprintf(p.stdout, "%s\t%s\t%s\n", printable(d.Namespace), printable(d.Key), printable(d.What))
		},
	}
	say := p.say("compare", c.Quiet, counts, 0, counts.Keys.Load)
	err = comparison.Run(ctx)
	say.close(err)
	if err == nil && differences > 0 {
		err = fmt.Errorf("differences found: %d", differences)
	}
	return err
}

// other is the node to compare with.
func (c *fsckCmd) other() (*client.Client, error) {
	r := remote{URL: c.Against, Token: c.AgainstToken, Data: c.Data}
	if r.Token == "" {
		r.Token = c.token()
	}
	return r.client()
}
