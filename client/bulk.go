package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxBulkItems   = 10_000
	maxBulkGetKeys = 100
	// bulkBytes is about how large the requests are that BulkPut splits its
	// work into.
	bulkBytes = 16 << 20
)

// BulkPut writes pairs, in as many requests as are needed. The server checks
// each request as a whole before it writes any of it; each pair is a write of
// its own, and the last of a key wins. With an error it returns how many of the
// first pairs are surely written. Errors: as Put.
func (kv *KV) BulkPut(ctx context.Context, pairs []Pair) (written int, err error) {
	for i := range pairs {
		if err := checkText(pairs[i].Key); err != nil {
			return 0, err
		}
	}
	if kv, err = kv.pinned(ctx); err != nil {
		return 0, err
	}
	var batch bytes.Buffer
	n := 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		batch.WriteByte(']')
		if err := kv.bulk(ctx, http.MethodPut, "/bulk", bytes.Clone(batch.Bytes())); err != nil {
			return fmt.Errorf("write keys %d to %d: %w", written+1, written+n, err)
		}
		written, n = written+n, 0
		batch.Reset()
		return nil
	}
	for _, p := range pairs {
		item, err := p.encode()
		if err != nil {
			return written, err
		}
		if n == maxBulkItems || n > 0 && batch.Len()+len(item) > bulkBytes {
			if err := flush(); err != nil {
				return written, err
			}
		}
		batch.WriteByte("[,"[min(n, 1)])
		batch.Write(item)
		n++
	}
	return written, flush()
}

// BulkDelete deletes keys, in as many requests as are needed. With an error it
// returns how many of the first keys are surely gone. Errors: as Delete.
func (kv *KV) BulkDelete(ctx context.Context, keys []string) (deleted int, err error) {
	if err := checkText(keys...); err != nil {
		return 0, err
	}
	if kv, err = kv.pinned(ctx); err != nil {
		return 0, err
	}
	for deleted < len(keys) {
		batch := keys[deleted:min(deleted+maxBulkItems, len(keys))]
		raw, err := json.Marshal(batch)
		if err != nil {
			return deleted, invalid("encode keys: %v", err)
		}
		if err := kv.bulk(ctx, http.MethodPost, "/bulk/delete", raw); err != nil {
			return deleted, fmt.Errorf("delete keys %d to %d: %w", deleted+1, deleted+len(batch), err)
		}
		deleted += len(batch)
	}
	return deleted, nil
}

func (kv *KV) bulk(ctx context.Context, method, path string, raw []byte) error {
	_, err := kv.write(ctx, call{
		method: method, path: path, body: bytesBody(raw), contentType: "application/json",
		idempotent: true, // by its request id
	})
	return err
}

// Item is a key as BulkGet returns it.
type Item struct {
	Value      []byte
	Metadata   json.RawMessage // nil: none
	Expiration time.Time       // zero: never
}

// BulkGet returns what is under keys, in as many requests as are needed. A key
// that is absent is not in the map. Errors: as Get, but ErrKeyNotFound.
func (kv *KV) BulkGet(ctx context.Context, keys []string, opts ...ReadOption) (map[string]Item, error) {
	if err := checkText(keys...); err != nil {
		return nil, err
	}
	kv, err := kv.pinned(ctx)
	if err != nil {
		return nil, err
	}
	items := make(map[string]Item, len(keys))
	for len(keys) > 0 {
		n := min(maxBulkGetKeys, len(keys))
		if err := kv.bulkGet(ctx, keys[:n], items, opts); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return items, nil
}

// bulkGet asks for at most maxBulkGetKeys keys, in halves if their values are
// too large together, and by itself for one whose value is.
func (kv *KV) bulkGet(ctx context.Context, keys []string, items map[string]Item, opts []ReadOption) error {
	values, err := kv.bulkGetOnce(ctx, keys, opts)
	switch {
	case errors.Is(err, ErrTooLarge) && len(keys) == 1:
		return kv.addItem(ctx, keys[0], items, opts)
	case errors.Is(err, ErrTooLarge):
		half := len(keys) / 2
		if err := kv.bulkGet(ctx, keys[:half], items, opts); err != nil {
			return err
		}
		return kv.bulkGet(ctx, keys[half:], items, opts)
	case err != nil:
		return err
	}
	for key, v := range values {
		if v == nil {
			continue
		}
		if strings.ContainsRune(v.Value, utf8.RuneError) {
			// Text stands for bytes that are no text, perhaps: ask for the bytes.
			if err := kv.addItem(ctx, key, items, opts); err != nil {
				return err
			}
			continue
		}
		items[key] = Item{Value: []byte(v.Value), Metadata: present(v.Metadata), Expiration: unixTime(v.Expiration)}
	}
	return nil
}

// addItem adds what is under a key, if there is anything.
func (kv *KV) addItem(ctx context.Context, key string, items map[string]Item, opts []ReadOption) error {
	item, err := kv.item(ctx, key, opts)
	switch {
	case errors.Is(err, ErrKeyNotFound):
		return nil
	case err == nil:
		items[key] = item
	}
	return err
}

type bulkValue struct {
	Value      string          `json:"value"`
	Metadata   json.RawMessage `json:"metadata"`
	Expiration int64           `json:"expiration"`
}

func (kv *KV) bulkGetOnce(ctx context.Context, keys []string, opts []ReadOption) (map[string]*bulkValue, error) {
	q := struct {
		Keys         []string `json:"keys"`
		WithMetadata bool     `json:"withMetadata"`
	}{keys, true}
	var envelope struct {
		Result struct {
			Values map[string]*bulkValue `json:"values"`
		} `json:"result"`
	}
	err := kv.do(ctx, call{
		method: http.MethodPost, path: "/bulk/get", header: readHeader(opts), body: jsonBody(q),
		contentType: "application/json", idempotent: true, reads: true,
	}, func(res *http.Response) error { return decode(res.Body, &envelope) })
	return envelope.Result.Values, err
}

// item reads one key with its metadata into memory.
func (kv *KV) item(ctx context.Context, key string, opts []ReadOption) (Item, error) {
	v, err := kv.withMetadata(ctx, kv.whole, key, opts)
	if err != nil {
		return Item{}, err
	}
	defer func() { _ = v.Close() }()
	value, err := io.ReadAll(v)
	if err != nil {
		return Item{}, fmt.Errorf("read value: %w", err)
	}
	return Item{Value: value, Metadata: v.Metadata, Expiration: v.Expiration}, nil
}
