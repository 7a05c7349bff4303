package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/godwitkv/godwit/client"
)

// historyCmd lists the versions of a key.
type historyCmd struct {
	place
	Key   string `arg:"" help:"The key."`
	Limit int    `env:"-" help:"Show only so many, the newest (0: all)." default:"0" placeholder:"N"`
	JSON  bool   `name:"json" help:"Show them as a JSON array."`
}

// shownVersion is a version as --json shows it.
type shownVersion struct {
	Revision   string          `json:"revision"`
	State      string          `json:"state"`
	Created    time.Time       `json:"created"`
	Modified   time.Time       `json:"modified"`
	Until      string          `json:"until,omitempty"`
	Ended      *time.Time      `json:"ended,omitempty"`
	Size       int64           `json:"size"`
	Expiration int64           `json:"expiration,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

func shownVersionOf(v *client.Version) shownVersion {
	s := shownVersion{
		Revision: v.Revision, State: v.State, Created: v.Created.UTC(), Modified: v.Modified.UTC(), Until: v.Until,
		Size: v.Size, Metadata: v.Metadata,
	}
	if !v.Ended.IsZero() {
		ended := v.Ended.UTC()
		s.Ended = &ended
	}
	if !v.Expiration.IsZero() {
		s.Expiration = v.Expiration.Unix()
	}
	return s
}

// Run lists the versions, the newest first.
func (c *historyCmd) Run(ctx context.Context, p *program) error {
	if c.Limit < 0 {
		return wrongUsage{errors.New("--limit is below 0")}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	if c.JSON {
		a := p.jsonArray()
		if err := c.walk(ctx, kv, func(v *client.Version) error { return a.add(shownVersionOf(v)) }); err != nil {
			return errors.Join(err, a.close())
		}
		return a.close()
	}
	t := p.table("REVISION", "STATE", "WRITTEN", "ENDED", "SIZE")
	err = c.walk(ctx, kv, func(v *client.Version) error {
		t.row(v.Revision, v.State, shownTime(v.Modified), shownTime(v.Ended), strconv.FormatInt(v.Size, 10))
		return nil
	})
	return errors.Join(err, t.close())
}

func (c *historyCmd) walk(ctx context.Context, kv *client.KV, fn func(*client.Version) error) error {
	n := 0
	for v, err := range kv.Versions(ctx, c.Key) {
		if err == nil {
			err = fn(&v)
		}
		if n++; err != nil || n == c.Limit {
			return err
		}
	}
	return nil
}

// shownTime says a time as people read it, "-" for none.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// undeleteCmd puts a key back.
type undeleteCmd struct {
	place
	Key  string `arg:"" help:"The key."`
	JSON bool   `name:"json" help:"Show the revision of the write, and of the version that was put back, as JSON."`
}

// Run undeletes the key.
func (c *undeleteCmd) Run(ctx context.Context, p *program) error {
	kv, err := c.open()
	if err != nil {
		return err
	}
	u, err := kv.Undelete(ctx, c.Key)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]string{"revision": u.Revision, "version": u.Version.Revision})
	}
	p.note("%q holds again what it held when it was %s, %d bytes.", c.Key, u.Version.State, u.Version.Size)
	return nil
}

// namespaceRestoreCmd puts keys back to a moment.
type namespaceRestoreCmd struct {
	place
	At     string `env:"-" required:"" help:"The moment: a time like 2026-01-02T15:04:05Z, unix seconds or a revision." placeholder:"MOMENT"`
	Prefix string `env:"-" xor:"which" required:"" help:"Restore the keys with this prefix." placeholder:"TEXT"`
	All    bool   `env:"-" xor:"which" required:"" help:"Restore every key."`
	DryRun bool   `env:"-" help:"Show what would be done, and do nothing."`
	Yes    bool   `short:"y" env:"-" help:"Do not ask. Nothing is asked either where standard input is no terminal."`
	JSON   bool   `name:"json" help:"Show the keys as a JSON array."`
}

// Run restores, and shows each key that did not stand as it did.
func (c *namespaceRestoreCmd) Run(ctx context.Context, p *program) error {
	if !c.All && c.Prefix == "" {
		return wrongUsage{errors.New("--prefix is empty: --all restores every key")}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	if !c.DryRun && !c.Yes && !p.confirms(fmt.Sprintf("Put keys of namespace %q back to %s?", c.Namespace, c.At)) {
		return errors.New("nothing was restored")
	}
	o := client.RestoreOptions{At: client.ParseAt(c.At), Prefix: c.Prefix, All: c.All, DryRun: c.DryRun}
	if c.JSON {
		a := p.jsonArray()
		return errors.Join(c.restore(ctx, kv, o, func(k *client.RestoredKey) error { return a.add(k) }), a.close())
	}
	t := p.table("OUTCOME", "KEY", "WAS", "FROM", "SIZE")
	err = c.restore(ctx, kv, o, func(k *client.RestoredKey) error {
		t.row(k.Outcome, k.Name, dash(k.Was), dash(k.From), strconv.FormatInt(k.Size, 10))
		return nil
	})
	return errors.Join(t.close(), err)
}

// restore tells of each key. Keys that were left alone are an error in the end.
func (c *namespaceRestoreCmd) restore(ctx context.Context, kv *client.KV, o client.RestoreOptions, fn func(*client.RestoredKey) error) error {
	left := 0
	for k, err := range kv.Restore(ctx, o) {
		if err == nil {
			err = fn(&k)
		}
		if err != nil {
			return err
		}
		if k.Outcome == client.RestoreConflict || k.Outcome == client.RestoreLost {
			left++
		}
	}
	if left > 0 {
		return fmt.Errorf("%d keys were left alone: written meanwhile, or not kept that far", left)
	}
	return nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
