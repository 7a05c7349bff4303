package main

import (
	"context"

	"github.com/godwitkv/godwit/client"
)

// deleteCmd deletes a key.
type deleteCmd struct {
	place
	Key string `arg:"" help:"The key."`
	conditions
	JSON bool `name:"json" help:"Show the revision of the write as JSON."`
}

// Run deletes the key; that there is none is no error.
func (c *deleteCmd) Run(ctx context.Context, p *program) error {
	ifMatch, ifNoneMatch, err := c.revisions()
	if err != nil {
		return wrongUsage{err}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	written, err := kv.Delete(ctx, c.Key, client.DeleteOptions{IfMatch: ifMatch, IfNoneMatch: ifNoneMatch})
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]string{"revision": written})
	}
	p.note("Deleted %q.", c.Key)
	return nil
}
