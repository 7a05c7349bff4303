package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/godwitkv/godwit/client"
)

// getCmd writes a value to standard output.
type getCmd struct {
	place
	reads
	Key      string `arg:"" help:"The key."`
	At       string `env:"-" help:"As it was at a moment, of a namespace that keeps history: a time like 2026-01-02T15:04:05Z, unix seconds or a revision." placeholder:"MOMENT"`
	Metadata bool   `env:"-" help:"Show the key's metadata instead of its value."`
	JSON     bool   `name:"json" help:"Show value, metadata, expiration and revision as JSON; a value that is no text in base64."`
}

// reads is what a read may ask for.
type reads struct {
	Strong      bool   `env:"-" help:"See every write acknowledged before now, at any node."`
	MinRevision string `env:"-" help:"See the write that had this revision." placeholder:"REVISION"`
}

func (r reads) options() []client.ReadOption {
	opts := []client.ReadOption{client.MinRevision(r.MinRevision)}
	if r.Strong {
		opts = append(opts, client.Strong())
	}
	return opts
}

// Run gets the key.
func (c *getCmd) Run(ctx context.Context, p *program) error {
	kv, err := c.open()
	if err != nil {
		return err
	}
	if c.Metadata || c.JSON {
		return c.withMetadata(ctx, p, kv)
	}
	v, err := c.get(ctx, kv, kv.Get)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	if isTerminal(p.stdout) {
		return copyValue(p.stdout, v)
	}
	bar := p.progress("get", v.Size)
	defer bar.end()
	return copyValue(p.stdout, bar.reader(v))
}

// get opens the value as it is, by what reads it now, or as it was.
func (c *getCmd) get(ctx context.Context, kv *client.KV, now func(context.Context, string, ...client.ReadOption) (*client.Value, error)) (*client.Value, error) {
	if c.At != "" {
		return kv.GetAt(ctx, c.Key, client.ParseAt(c.At))
	}
	return now(ctx, c.Key, c.options()...)
}

func copyValue(w *os.File, r io.Reader) error {
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("copy value: %w", err)
	}
	return nil
}

// entry is a key as --json shows it, and as "godwit bulk put" takes it.
type entry struct {
	Key        string          `json:"key"`
	Value      string          `json:"value"`
	Base64     bool            `json:"base64,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Expiration int64           `json:"expiration,omitempty"`
	Revision   string          `json:"revision,omitempty"`
}

// setValue stores bytes as text where they are.
func (e *entry) setValue(b []byte) {
	e.Value = string(b)
	if e.Base64 = !utf8.Valid(b); e.Base64 {
		e.Value = base64.StdEncoding.EncodeToString(b)
	}
}

func (c *getCmd) withMetadata(ctx context.Context, p *program, kv *client.KV) error {
	v, err := c.get(ctx, kv, kv.GetWithMetadata)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	if c.Metadata && !c.JSON {
		metadata := v.Metadata
		if metadata == nil {
			metadata = json.RawMessage("null")
		}
		_, err := fmt.Fprintf(p.stdout, "%s\n", metadata)
		return err
	}
	b, err := io.ReadAll(v)
	if err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	e := entry{Key: c.Key, Metadata: v.Metadata, Revision: v.Revision}
	if !v.Expiration.IsZero() {
		e.Expiration = v.Expiration.Unix()
	}
	e.setValue(b)
	return p.writeJSON(e)
}
