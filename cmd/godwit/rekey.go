package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// encryption is the flag of every command that opens a data directory.
type encryption struct {
	EncryptionKeyFile string `help:"File of the keys that the data directory is encrypted with, one a line, the active one first. Default: it is not encrypted." placeholder:"FILE"`
}

// keys reads the key file; nil if there is none.
func (e *encryption) keys() (*store.Keys, error) { return store.ReadKeys(e.EncryptionKeyFile) }

// rekeyCmd encrypts a data directory with the active key.
type rekeyCmd struct {
	encryption
	Dir   string `arg:"" help:"The data directory, or a backup. No node may be running on it, but for --check."`
	Check bool   `env:"-" help:"Change nothing: show which keys are in use. No key is needed."`
	JSON  bool   `name:"json" help:"Show it as JSON."`
}

// Run encrypts, or shows what is.
func (c *rekeyCmd) Run(ctx context.Context, p *program) error {
	if c.Check {
		return c.check(p)
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	if keys == nil {
		return wrongUsage{errors.New("--encryption-key-file is needed: its first key is what DIR is encrypted with")}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	done := rekeyed{Key: keys.Active().String()}
	began := time.Now()
	g := p.progress("encrypt bytes", 0)
	err = node.Rekey(ctx, c.Dir, keys, func(n int64) {
		done.Files++
		done.Bytes += n
		g.add(n)
	})
	g.end()
	if err != nil {
		return err
	}
	p.note("Other keys are no longer needed for %s.", printable(c.Dir))
	done.Seconds = time.Since(began).Seconds()
	if c.JSON {
		return p.writeJSON(done)
	}
	_, err = fmt.Fprintf(p.stdout, "%s: key %s, %d files rewritten, %s, %.1f s\n", printable(c.Dir), done.Key, done.Files, countBytes(done.Bytes), done.Seconds)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// rekeyed is what was done.
type rekeyed struct {
	Key     string  `json:"key"`
	Files   int     `json:"files"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// keyUse is how much is encrypted with a key; null: with none.
type keyUse struct {
	Key   *string `json:"key"`
	Files int     `json:"files"`
	Bytes int64   `json:"bytes"`
}

func (c *rekeyCmd) check(p *program) error {
	cfg := store.Config{Dir: c.Dir}
	if begun, err := store.Begun(store.Disk(), c.Dir); err != nil {
		return err
	} else if !begun {
		return fmt.Errorf("%s is not a data directory", c.Dir)
	}
	uses, err := store.KeyUses(cfg)
	if err != nil {
		return err
	}
	if c.JSON {
		shown := make([]keyUse, len(uses))
		for i, u := range uses {
			shown[i] = keyUse{Files: u.Files, Bytes: u.Bytes}
			if id := u.Key.String(); !u.Plain {
				shown[i].Key = &id
			}
		}
		return p.writeJSON(shown)
	}
	t := p.table("KEY", "FILES", "BYTES")
	for _, u := range uses {
		key := u.Key.String()
		if u.Plain {
			key = "-"
		}
		t.row(key, strconv.Itoa(u.Files), countBytes(u.Bytes))
	}
	return t.close()
}
