package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ScanOptions select keys.
type ScanOptions struct {
	Prefix  string          // only keys that start with it
	Start   string          // only keys from this one on, itself too
	End     string          // only keys before this one, not itself; "": to the last
	Reverse bool            // in descending order of their bytes
	Where   *MetadataFilter // only keys whose metadata it matches
	Values  bool            // with their values, up to 64 KiB
	Cursor  string          // from an earlier page with the same selection, at any node; "": from the start
	Limit   int             // keys in a page, 1 to 10,000; 0: 1000
}

// MetadataFilter matches metadata that is a JSON object whose Field is equal to
// Equals: a string by its text, a number, true, false or null by what stands in the
// metadata, letter by letter; objects and arrays never.
type MetadataFilter struct {
	Field  string
	Equals string
}

func (o *ScanOptions) query() url.Values {
	query := url.Values{}
	for name, text := range map[string]string{"prefix": o.Prefix, "start": o.Start, "end": o.End, "cursor": o.Cursor} {
		if text != "" {
			query.Set(name, text)
		}
	}
	if o.Where != nil {
		query.Set("metadata."+o.Where.Field, o.Where.Equals)
	}
	if o.Reverse {
		query.Set("reverse", "1")
	}
	if o.Values {
		query.Set("values", "1")
	}
	if o.Limit != 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	return query
}

// Details is all that is known of a key.
type Details struct {
	Name       string
	Revision   string // of the write that made the value: for IfMatch
	Created    time.Time
	Modified   time.Time
	Expiration time.Time // zero: never
	Size       int64
	Metadata   json.RawMessage // nil: none
}

// Scanned is a key that a scan met.
type Scanned struct {
	Details
	Value        []byte // nil: not asked for, or omitted
	ValueOmitted bool   // it was asked for, and is over 64 KiB or not held by the node: Get it
}

// ScannedPage is a part of a scan. Cursor continues it; "": it is complete. A page
// may have no keys and a cursor all the same: the server looks at a bounded number
// of keys at a time.
type ScannedPage struct {
	Keys   []Scanned
	Cursor string
}

// ScanPage returns one page of keys with all that is known of each. Errors:
// ErrNamespaceNotFound, ErrInvalid, ErrTooLarge for a bound that is too long.
func (kv *KV) ScanPage(ctx context.Context, o ScanOptions, opts ...ReadOption) (*ScannedPage, error) {
	text := kv.c.pages.Get().(*bytes.Buffer)
	defer kv.c.pages.Put(text)
	err := kv.nativeAnswer(ctx, "/keys", o.query(), opts, func(res *http.Response) error {
		text.Reset()
		_, err := text.ReadFrom(&capped{res.Body, maxReplyBytes})
		return err
	})
	if err != nil {
		return nil, err
	}
	return decodePage(text.Bytes())
}

// Scan walks keys with all that is known of each, page by page. An error ends the
// walk. A page is one state of the namespace; all of them together need not be.
func (kv *KV) Scan(ctx context.Context, o ScanOptions, opts ...ReadOption) iter.Seq2[Scanned, error] {
	return func(yield func(Scanned, error) bool) {
		kv, err := kv.pinned(ctx)
		if err != nil {
			yield(Scanned{}, err)
			return
		}
		for {
			page, err := kv.ScanPage(ctx, o, opts...)
			if err != nil {
				yield(Scanned{}, err)
				return
			}
			for i := range page.Keys {
				if !yield(page.Keys[i], nil) {
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

// Details returns all that is known of key but its value. Errors: ErrKeyNotFound,
// ErrNamespaceNotFound, ErrInvalid.
func (kv *KV) Details(ctx context.Context, key string, opts ...ReadOption) (*Details, error) {
	path, err := keyPath("keys", key)
	if err != nil {
		return nil, err
	}
	var d detailsJSON
	if err := kv.native(ctx, path, nil, opts, &d); err != nil {
		return nil, err
	}
	details := d.details()
	return &details, nil
}

// native asks godwit's own API about the namespace and decodes the answer into v.
func (kv *KV) native(ctx context.Context, path string, query url.Values, opts []ReadOption, v any) error {
	return kv.nativeAnswer(ctx, path, query, opts, func(res *http.Response) error { return decode(res.Body, v) })
}

// nativeAnswer asks godwit's own API about the namespace.
func (kv *KV) nativeAnswer(ctx context.Context, path string, query url.Values, opts []ReadOption, read reader) error {
	id, err := kv.namespaceID(ctx)
	if err != nil {
		return err
	}
	err = kv.c.do(ctx, call{
		method: http.MethodGet, path: nativePrefix + "namespaces/" + id + path, query: query, header: readHeader(opts), idempotent: true,
	}, read)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return err
}
