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
	kv, err := c.open()
	if err != nil {
		return err
	}
	written, err := kv.Delete(ctx, c.Key, client.DeleteOptions{IfMatch: revision(c.IfMatch), IfNoneMatch: revision(c.IfNoneMatch)})
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]string{"revision": written})
	}
	p.note("Deleted %q.", c.Key)
	return nil
}
