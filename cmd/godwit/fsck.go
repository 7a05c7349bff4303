package main

import (
	"context"
	"fmt"
	"os"

	"github.com/godwitkv/godwit/internal/store"
)

// fsckCmd checks a data directory.
type fsckCmd struct {
	encryption
	Dir string `arg:"" help:"The data directory. No node may be running on it."`
}

// Run checks the directory and writes what is wrong with it, a line each.
func (c *fsckCmd) Run(ctx context.Context, p *program) error {
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
