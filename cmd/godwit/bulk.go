package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/godwitkv/godwit/client"
)

// bulkCmd is about many keys at once.
type bulkCmd struct {
	Put    bulkPutCmd    `cmd:"" help:"Write many keys."`
	Get    bulkGetCmd    `cmd:"" help:"Show what is under many keys."`
	Delete bulkDeleteCmd `cmd:"" help:"Delete many keys."`
}

// Work goes to the server in steps of this size, so that progress shows and a
// file of any length fits.
const (
	bulkStepItems = 1000
	bulkStepBytes = 4 << 20
)

type bulkPutCmd struct {
	place
	File string `arg:"" optional:"" default:"-" help:"A JSON array, or JSON objects one after another, of {key, value, base64?, metadata?, expiration?, expiration_ttl?}; - is standard input."`
}

// bulkItem is one write in a file.
type bulkItem struct {
	Key           string          `json:"key"`
	Value         *string         `json:"value"`
	Base64        bool            `json:"base64"`
	Metadata      json.RawMessage `json:"metadata"`
	Expiration    *int64          `json:"expiration"`
	ExpirationTTL *int64          `json:"expiration_ttl"`
}

func (b bulkItem) pair() (client.Pair, error) {
	switch {
	case b.Key == "":
		return client.Pair{}, errors.New("an item without a key")
	case b.Value == nil:
		return client.Pair{}, fmt.Errorf("key %q has no value", b.Key)
	}
	p := client.Pair{Key: b.Key, Value: []byte(*b.Value), Metadata: b.Metadata}
	if ttl := b.ExpirationTTL; ttl != nil {
		if *ttl == 0 || *ttl > 1<<33 || *ttl < -1<<33 {
			return client.Pair{}, fmt.Errorf("key %q: %d is no expiration_ttl", b.Key, *ttl)
		}
		p.ExpirationTTL = time.Duration(*ttl) * time.Second
	}
	if b.Expiration != nil {
		if *b.Expiration <= 0 && p.ExpirationTTL == 0 {
			return client.Pair{}, fmt.Errorf("key %q: %d is no expiration", b.Key, *b.Expiration)
		}
		p.Expiration = time.Unix(*b.Expiration, 0)
	}
	if b.Base64 {
		value, err := base64.StdEncoding.DecodeString(*b.Value)
		if err != nil {
			return client.Pair{}, fmt.Errorf("key %q: value is not base64", b.Key)
		}
		p.Value = value
	}
	return p, nil
}

// Run reads a file that can be read twice to its end first, so that one bad
// item in it writes nothing.
func (c *bulkPutCmd) Run(ctx context.Context, p *program) error {
	kv, err := c.open()
	if err != nil {
		return err
	}
	f, err := p.input(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	total, err := checkPairs(f)
	if err != nil {
		return fmt.Errorf("%s: nothing was written: %w", c.File, err)
	}
	bar := p.progress("put", total)
	w := &pairWriter{ctx: ctx, kv: kv, bar: bar}
	err = eachItem(f, func(item bulkItem) error {
		pair, err := item.pair()
		if err != nil {
			return err
		}
		return w.add(pair)
	})
	if err == nil {
		err = w.flush()
	}
	bar.end()
	if err != nil {
		return fmt.Errorf("after %d keys were written: %w", w.written, err)
	}
	p.note("Wrote %d keys.", w.written)
	return nil
}

// checkPairs counts the items of a file and rewinds it; 0 where it cannot be
// rewound.
func checkPairs(f *os.File) (n int64, err error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, nil
	}
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, nil // read it once, then
	}
	err = eachItem(f, func(item bulkItem) error {
		n++
		_, err := item.pair()
		return err
	})
	if err != nil {
		return 0, err
	}
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return 0, fmt.Errorf("return to start: %w", err)
	}
	return n, nil
}

// pairWriter gathers pairs into steps.
type pairWriter struct {
	ctx     context.Context //nolint:containedctx // lives as long as one command
	kv      *client.KV
	bar     *progress
	pairs   []client.Pair
	bytes   int
	written int
}

func (w *pairWriter) add(p client.Pair) error {
	w.pairs = append(w.pairs, p)
	w.bytes += len(p.Key) + len(p.Value) + len(p.Metadata)
	if len(w.pairs) < bulkStepItems && w.bytes < bulkStepBytes {
		return nil
	}
	return w.flush()
}

func (w *pairWriter) flush() error {
	n, err := w.kv.BulkPut(w.ctx, w.pairs)
	w.written += n
	w.bar.add(int64(n))
	w.pairs, w.bytes = w.pairs[:0], 0
	return err
}

const keysHelp = `A JSON array of keys or of {"name"}, as "godwit list --json" shows them, or one key a line; - is standard input.`

type bulkGetCmd struct {
	place
	reads
	File string `arg:"" optional:"" default:"-" help:"${keys_help}"`
	JSON bool   `name:"json" help:"Show a JSON array instead of one JSON object a line."`
}

// found is what is under a key; a null value says that it is absent.
type found struct {
	Key        string          `json:"key"`
	Value      *string         `json:"value"`
	Base64     bool            `json:"base64,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Expiration int64           `json:"expiration,omitempty"`
}

// Run shows the keys in the order asked. "godwit bulk put" takes what it shows.
func (c *bulkGetCmd) Run(ctx context.Context, p *program) error {
	kv, err := c.open()
	if err != nil {
		return err
	}
	keys, err := p.keys(c.File)
	if err != nil {
		return err
	}
	add, done := p.writeJSON, func() error { return nil }
	if c.JSON {
		a := p.jsonArray()
		add, done = a.add, a.close
	}
	bar := p.progress("get", int64(len(keys)))
	defer bar.end()
	const step = 100
	for len(keys) > 0 {
		n := min(step, len(keys))
		items, err := kv.BulkGet(ctx, keys[:n], c.options()...)
		if err != nil {
			return err
		}
		for _, key := range keys[:n] {
			if err := add(show(key, items)); err != nil {
				return err
			}
		}
		keys = keys[n:]
		bar.add(int64(n))
	}
	return done()
}

func show(key string, items map[string]client.Item) found {
	item, ok := items[key]
	if !ok {
		return found{Key: key}
	}
	var e entry
	e.setValue(item.Value)
	f := found{Key: key, Value: &e.Value, Base64: e.Base64, Metadata: item.Metadata}
	if !item.Expiration.IsZero() {
		f.Expiration = item.Expiration.Unix()
	}
	return f
}

type bulkDeleteCmd struct {
	place
	File string `arg:"" optional:"" default:"-" help:"${keys_help}"`
}

// Run deletes the keys; that there is none is no error.
func (c *bulkDeleteCmd) Run(ctx context.Context, p *program) error {
	kv, err := c.open()
	if err != nil {
		return err
	}
	keys, err := p.keys(c.File)
	if err != nil {
		return err
	}
	bar := p.progress("delete", int64(len(keys)))
	deleted := 0
	for deleted < len(keys) && err == nil {
		var n int
		n, err = kv.BulkDelete(ctx, keys[deleted:min(deleted+bulkStepItems, len(keys))])
		deleted += n
		bar.add(int64(n))
	}
	bar.end()
	if err != nil {
		return fmt.Errorf("after %d keys were deleted: %w", deleted, err)
	}
	p.note("Deleted %d keys.", deleted)
	return nil
}
