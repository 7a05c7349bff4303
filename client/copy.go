package client

import (
	"context"
	"errors"
	"net/http"
)

// CopyOptions say what a Copy is of; none of them: all keys, under their names.
type CopyOptions struct {
	Prefix   string  // only keys that start with it
	ToPrefix *string // stands in the place of Prefix in their new names; nil: Prefix
	IfAbsent bool    // only keys that the target does not have

	// Progress, if it is not nil, is told after each page what was copied so far.
	Progress func(Copied)
}

// Copied is what became of a Copy.
type Copied struct {
	Keys     int64         // copied
	Bytes    int64         // of their values
	Present  int64         // left as they were, as IfAbsent says
	Failed   []CopyFailure // what cannot be under its new name
	Revision string        // who has seen it sees all that was copied
}

// CopyFailure is a key that was not copied.
type CopyFailure struct {
	Key     string `json:"key"` // in the source
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Copy copies keys with their values, metadata and expiration to the namespace
// whose id or title is target, at the server: no value passes through here. It takes
// as many requests as there are pages, of 1,000 keys at most; each key is copied as
// it stands at one moment while its page is, and what is written behind the place
// that the copy has reached is not. With an error, what was copied until then is
// returned too, and copying again is safe. Errors: ErrNamespaceNotFound,
// ErrForbidden, ErrDiskFull, ErrInvalid.
func (kv *KV) Copy(ctx context.Context, target string, o CopyOptions) (Copied, error) {
	var sum Copied
	if err := checkText(target); err != nil {
		return sum, err
	}
	kv, err := kv.pinned(ctx)
	if err != nil {
		return sum, err
	}
	to, err := kv.c.KV(target).asked(ctx)
	switch {
	case err == nil:
		target = to.id
	case !errors.Is(err, ErrNamespaceNotFound): // the server says whether it is that, or out of reach
		return sum, err
	}
	spec := copyJSON{Prefix: &o.Prefix, ToNamespace: target, ToPrefix: o.ToPrefix, IfAbsent: o.IfAbsent}
	for {
		page, err := kv.copyPage(ctx, spec)
		if err != nil {
			return sum, err
		}
		sum.add(&page)
		if o.Progress != nil {
			o.Progress(sum)
		}
		if page.Cursor == "" {
			return sum, nil
		}
		spec.Cursor = page.Cursor
	}
}

// CopyKey copies one key to toKey in the namespace target, as Copy does. It tells
// whether it has: with ifAbsent, a key that the target has is left as it is. Errors:
// as Copy, and ErrKeyNotFound.
func (kv *KV) CopyKey(ctx context.Context, key, target, toKey string, ifAbsent bool) (copied bool, err error) {
	page, err := kv.copyPage(ctx, copyJSON{Key: &key, ToNamespace: target, ToKey: &toKey, IfAbsent: ifAbsent})
	return page.Copied > 0, err
}

// copyJSON is a copy on the wire.
type copyJSON struct {
	Key         *string `json:"key,omitempty"`
	Prefix      *string `json:"prefix,omitempty"`
	ToNamespace string  `json:"to_namespace"`
	ToKey       *string `json:"to_key,omitempty"`
	ToPrefix    *string `json:"to_prefix,omitempty"`
	IfAbsent    bool    `json:"if_absent,omitempty"`
	Cursor      string  `json:"cursor,omitempty"`
}

type copiedJSON struct {
	Copied   int64         `json:"copied"`
	Bytes    int64         `json:"bytes"`
	Present  int64         `json:"present"`
	Failed   []CopyFailure `json:"failed"`
	Revision string        `json:"revision"`
	Cursor   string        `json:"cursor"`
}

func (kv *KV) copyPage(ctx context.Context, spec copyJSON) (page copiedJSON, err error) {
	texts := []string{spec.ToNamespace}
	for _, text := range []*string{spec.Key, spec.Prefix, spec.ToKey, spec.ToPrefix} {
		if text != nil {
			texts = append(texts, *text)
		}
	}
	if err := checkText(texts...); err != nil {
		return page, err
	}
	id, err := kv.namespaceID(ctx)
	if err != nil {
		return page, err
	}
	err = kv.c.native(ctx, call{
		method: http.MethodPost, path: "namespaces/" + id + "/copy", body: jsonBody(spec), idempotent: true, // by its request id
	}, &page)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return page, err
}

func (c *Copied) add(page *copiedJSON) {
	c.Keys += page.Copied
	c.Bytes += page.Bytes
	c.Present += page.Present
	c.Failed = append(c.Failed, page.Failed...)
	c.Revision = page.Revision
}
