package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/client"
)

// listCmd lists keys.
type listCmd struct {
	place
	reads
	Prefix string `env:"-" help:"Only keys that start with this." placeholder:"TEXT"`
	Limit  int    `env:"-" help:"At most so many keys; 0 is all." default:"0" placeholder:"N"`
	JSON   bool   `name:"json" help:"Show them as a JSON array, with expiration and metadata."`
}

// rows takes keys as they come.
type rows struct {
	add   func(client.Key) error
	close func() error
}

// Run lists keys in the order of their bytes: as a table on a terminal, one
// name a line otherwise.
func (c *listCmd) Run(ctx context.Context, p *program) error {
	if c.Limit < 0 {
		return wrongUsage{errors.New("--limit must be 0 or more")}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	out := c.rows(p)
	n := 0
	for key, err := range kv.List(ctx, client.ListOptions{Prefix: c.Prefix, Limit: c.page()}, c.options()...) {
		if err != nil {
			return err
		}
		if err := out.add(key); err != nil {
			return err
		}
		if n++; n == c.Limit {
			break
		}
	}
	return out.close()
}

// page is how many keys to ask for at once; 0: as many as the server likes.
func (c *listCmd) page() int {
	const least, most = 10, 1000
	if c.Limit == 0 {
		return 0
	}
	return min(max(c.Limit, least), most)
}

func (c *listCmd) rows(p *program) rows {
	if c.JSON {
		a := p.jsonArray()
		return rows{func(k client.Key) error { return a.add(k) }, a.close}
	}
	if !isTerminal(p.stdout) {
		w := bufio.NewWriter(p.stdout)
		return rows{func(k client.Key) error {
			_, err := fmt.Fprintln(w, k.Name)
			return err
		}, w.Flush}
	}
	t := p.table("KEY", "EXPIRES", "METADATA")
	return rows{func(k client.Key) error {
		t.row(k.Name, when(k.Expiration), string(k.Metadata))
		return nil
	}, t.close}
}
