package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ListOptions select keys.
type ListOptions struct {
	Prefix string // only keys that start with it
	Cursor string // from an earlier page with the same prefix; "": from the start
	Limit  int    // keys in a page, 10 to 1000; 0: 1000
}

// Key is a row of a list.
type Key struct {
	Name       string          `json:"name"`
	Expiration int64           `json:"expiration,omitempty"` // unix seconds; 0: never
	Metadata   json.RawMessage `json:"metadata,omitempty"`   // nil: none
}

// Expires is when the key ends; zero: never.
func (k Key) Expires() time.Time { return unixTime(k.Expiration) }

// Page is a part of a list. Cursor continues it; "": it is complete.
type Page struct {
	Keys   []Key
	Cursor string
}

// ListPage returns one page of keys, in order of their bytes. Errors:
// ErrNamespaceNotFound, ErrInvalid.
func (kv *KV) ListPage(ctx context.Context, o ListOptions, opts ...ReadOption) (*Page, error) {
	query := url.Values{}
	if o.Prefix != "" {
		query.Set("prefix", o.Prefix)
	}
	if o.Cursor != "" {
		query.Set("cursor", o.Cursor)
	}
	if o.Limit != 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	var envelope struct {
		Result     []Key `json:"result"`
		ResultInfo struct {
			Cursor string `json:"cursor"`
		} `json:"result_info"`
	}
	q := call{method: http.MethodGet, path: "/keys", query: query, header: readHeader(opts), idempotent: true}
	if err := kv.do(ctx, q, func(res *http.Response) error { return decode(res.Body, &envelope) }); err != nil {
		return nil, err
	}
	return &Page{Keys: envelope.Result, Cursor: envelope.ResultInfo.Cursor}, nil
}

// List walks all keys, page by page. An error ends the walk.
func (kv *KV) List(ctx context.Context, o ListOptions, opts ...ReadOption) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		kv, err := kv.pinned(ctx)
		if err != nil {
			yield(Key{}, err)
			return
		}
		for {
			page, err := kv.ListPage(ctx, o, opts...)
			if err != nil {
				yield(Key{}, err)
				return
			}
			for _, k := range page.Keys {
				if !yield(k, nil) {
					return
				}
			}
			if page.Cursor == "" {
				return
			}
			o.Cursor = page.Cursor
		}
	}
}
