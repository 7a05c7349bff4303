package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit/client"
)

// watchCmd shows changes as they happen.
type watchCmd struct {
	place
	Prefix string `env:"-" help:"Only keys that start with this." placeholder:"TEXT"`
	After  string `env:"-" help:"Go on behind the event with this id; default is from now on." placeholder:"ID"`
	Values bool   `env:"-" help:"Show the values of puts, up to 64 KiB."`
	JSON   bool   `name:"json" help:"Show each event as a line of JSON."`
}

// Run shows events until it is interrupted or the namespace is deleted. After a
// reset it goes on: what it missed is for its reader to list.
func (c *watchCmd) Run(ctx context.Context, p *program) error {
	kv, err := c.open()
	if err != nil {
		return err
	}
	show := c.rows(p)
	o := client.WatchOptions{Prefix: c.Prefix, After: c.After, Values: c.Values}
	for {
		err := c.watch(ctx, kv, &o, show)
		if !errors.Is(err, client.ErrReset) {
			return err
		}
	}
}

// watch shows events until there is an error, and moves o on.
func (c *watchCmd) watch(ctx context.Context, kv *client.KV, o *client.WatchOptions, show func(*client.Event) error) error {
	for e, err := range kv.Watch(ctx, *o) {
		if err != nil && !errors.Is(err, client.ErrReset) {
			return err
		}
		o.After = e.ID
		if err := errors.Join(err, show(&e)); err != nil {
			return err
		}
	}
	return nil
}

// rows returns what shows an event: at once, since the next may take long.
func (c *watchCmd) rows(p *program) func(*client.Event) error {
	if c.JSON {
		return func(e *client.Event) error { return p.writeJSON(changeOf(e)) }
	}
	header := []string{"EVENT", "ID", "KEY", "SIZE", "EXPIRES", "METADATA"}
	if c.Values {
		header = append(header, "VALUE")
	}
	line := func(cells []string) string { return strings.Join(cells, "\t") }
	if isTerminal(p.stdout) {
		line = aligned
		fmt.Fprintln(p.stdout, line(header))
	}
	return func(e *client.Event) error {
		cells := c.cells(e)
		for i, cell := range cells {
			cells[i] = printable(cell)
		}
		if _, err := fmt.Fprintln(p.stdout, line(cells)); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
		return nil
	}
}

// aligned puts cells in columns. How wide those that come will be, nobody knows.
func aligned(cells []string) string {
	widths := []int{len("EVENT") + 2, 19, 30, 8, 20, 30}
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if i+1 < len(cells) {
			b.WriteString(strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func (c *watchCmd) cells(e *client.Event) []string {
	size, expires := "-", "-"
	if e.Kind == client.EventPut {
		size = strconv.FormatInt(e.Size, 10)
	}
	if !e.Expiration.IsZero() {
		expires = when(e.Expiration.Unix())
	}
	cells := []string{string(e.Kind), e.ID, orDash(e.Key), size, expires, orDash(string(e.Metadata))}
	if c.Values {
		value := "-"
		if e.Value != nil {
			value = string(e.Value)
		}
		cells = append(cells, value)
	}
	return cells
}

// event is a change as --json shows it.
type event struct {
	Event      client.EventKind `json:"event"`
	ID         string           `json:"id"`
	Key        string           `json:"key,omitempty"`
	Revision   string           `json:"revision,omitempty"`
	Size       *int64           `json:"size,omitempty"`
	Value      *string          `json:"value,omitempty"`
	Base64     bool             `json:"base64,omitempty"`
	Metadata   json.RawMessage  `json:"metadata,omitempty"`
	Expiration int64            `json:"expiration,omitempty"`
}

func changeOf(e *client.Event) event {
	out := event{Event: e.Kind, ID: e.ID, Key: e.Key, Revision: e.Revision, Metadata: e.Metadata}
	if !e.Expiration.IsZero() {
		out.Expiration = e.Expiration.Unix()
	}
	if e.Kind == client.EventPut {
		out.Size = &e.Size
	}
	if e.Value != nil {
		var v entry
		v.setValue(e.Value)
		out.Value, out.Base64 = &v.Value, v.Base64
	}
	return out
}
