package main

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/godwitkv/godwit/client"
)

// addCmd adds to a key's value.
type addCmd struct {
	place
	Key        string    `arg:"" help:"The key."`
	Delta      int64     `arg:"" optional:"" default:"1" help:"What to add (${default}); behind -- it may be below 0."`
	Metadata   string    `env:"-" help:"Metadata, as JSON, in place of what the key has." placeholder:"JSON"`
	TTL        *duration `name:"ttl" env:"-" help:"How long the key lives, if this makes it: seconds, or a time span such as 1m." placeholder:"D"`
	Expiration moment    `env:"-" help:"When the key ends, if this makes it: unix seconds, a date, a time, or a time span from now." placeholder:"WHEN"`
	JSON       bool      `name:"json" help:"Show the sum and the revision of the write as JSON."`
}

// Run adds, and shows the sum.
func (c *addCmd) Run(ctx context.Context, p *program) error {
	opts, err := (&putCmd{Metadata: c.Metadata, TTL: c.TTL, Expiration: c.Expiration}).options(time.Now())
	if err != nil {
		return wrongUsage{err}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	sum, written, err := kv.Add(ctx, client.Sum{
		Key: c.Key, Delta: c.Delta, Metadata: opts.Metadata, ExpirationTTL: opts.ExpirationTTL, Expiration: opts.Expiration,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]json.RawMessage{
			"sum": strconv.AppendInt(nil, sum, 10), "revision": strconv.AppendQuote(nil, written),
		})
	}
	_, err = p.stdout.WriteString(strconv.FormatInt(sum, 10) + "\n")
	return err
}
