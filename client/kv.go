package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// titleLife is for how long a title is taken to be the namespace's that it was when it
// was asked about: another may rename or delete it, and make one of the same title.
const titleLife = 5 * time.Second

// titled is what a title named when it was asked about.
type titled struct {
	id    string
	asked time.Time
}

// KV is one namespace. Its methods may be called from many goroutines.
type KV struct {
	c   *Client
	ref string
	id  string // "": what ref names by then
}

// KV returns the namespace whose id, or else title, is ref. Nothing is sent: one that
// does not exist is an ErrNamespaceNotFound later. A title may come to be another
// namespace's: calls that clear or restore ask for what has it by then, others know
// it within some seconds, and one call, of however many requests, is of one namespace.
func (c *Client) KV(ref string) *KV { return &KV{c: c, ref: ref} }

// NamespaceID asks for the id of the namespace whose id, or else title, is ref. A node
// that does not know the title asks those that may. Errors: ErrNamespaceNotFound, also
// where the token is not for it.
func (c *Client) NamespaceID(ctx context.Context, ref string) (string, error) {
	return c.lookUp(ctx, ref, nil)
}

// lookUp asks for the id of the namespace whose id, or else title, is ref.
func (c *Client) lookUp(ctx context.Context, ref string, header http.Header) (string, error) {
	if isID(ref) {
		return ref, nil
	}
	if ref == "" {
		return "", fmt.Errorf("%w: %q", ErrNamespaceNotFound, ref)
	}
	asked := time.Now()
	var ns Namespace
	err := c.native(ctx, call{method: http.MethodGet, path: "namespaces/" + pathSegment(ref), header: header, idempotent: true}, &ns)
	switch {
	case errors.Is(err, ErrNamespaceNotFound), errors.Is(err, ErrForbidden): // to a token that is not for it, it is not there
		return "", fmt.Errorf("%w: %q", ErrNamespaceNotFound, ref)
	case err != nil:
		return "", fmt.Errorf("find namespace: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[ref] = titled{ns.ID, asked}
	return ns.ID, nil
}

// namespaceID is the id of the namespace, asked for if it was not lately.
func (kv *KV) namespaceID(ctx context.Context) (string, error) {
	if kv.id != "" {
		return kv.id, nil
	}
	kv.c.mu.Lock()
	known, ok := kv.c.ids[kv.ref]
	kv.c.mu.Unlock()
	if ok && time.Since(known.asked) < titleLife {
		return known.id, nil
	}
	return kv.c.NamespaceID(ctx, kv.ref)
}

// pinned is kv for a call of many requests: all of them go to the namespace that it
// is now.
func (kv *KV) pinned(ctx context.Context) (*KV, error) {
	id, err := kv.namespaceID(ctx)
	return &KV{kv.c, kv.ref, id}, err
}

// asked is pinned for what destroys: its title is asked about anew, and not answered by
// what a node knows that is behind.
func (kv *KV) asked(ctx context.Context) (*KV, error) {
	if kv.id != "" {
		return kv, nil
	}
	id, err := kv.c.lookUp(ctx, kv.ref, readHeader([]ReadOption{Strong()}))
	return &KV{kv.c, kv.ref, id}, err
}

// pathSegment is text as a part of a path that nobody on the way shortens.
func pathSegment(text string) string {
	if text == "." || text == ".." {
		return strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}

func isID(ref string) bool {
	return len(ref) == 32 && strings.Trim(ref, "0123456789abcdef") == ""
}

// forget drops a title whose namespace turned out to be gone: another may have
// the title by now.
func (c *Client) forget(ref string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ids, ref)
}

// path is a path of the REST API below the namespace.
func (kv *KV) path(ctx context.Context, rest string) (string, error) {
	id, err := kv.namespaceID(ctx)
	if err != nil {
		return "", err
	}
	return kv.c.accountPath(ctx, "/namespaces/"+id+rest)
}

// do sends a call to the namespace; q.path is relative to it.
func (kv *KV) do(ctx context.Context, q call, read reader) (err error) {
	if q.path, err = kv.path(ctx, q.path); err != nil {
		return err
	}
	err = kv.c.do(ctx, q, read)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return err
}

// opened is the answer to a call to path, a value, that the caller closes.
func (kv *KV) opened(ctx context.Context, path string, header http.Header) (*http.Response, error) {
	res, err := kv.c.open(ctx, call{method: http.MethodGet, path: path, header: header, idempotent: true})
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return res, err
}

// keyPath is a path with key as its last segment. The keys that no path can
// carry are refused here: a server in between might tidy them away.
func keyPath(resource, key string) (string, error) {
	switch key {
	case "", ".", "..":
		return "", invalid("%q is not allowed as a key", key)
	}
	return "/" + resource + "/" + url.PathEscape(key), nil
}

// ReadOption changes what a read asks for.
type ReadOption func(http.Header)

// Strong makes a read see every write acknowledged before it began, at any
// node.
func Strong() ReadOption {
	return func(h http.Header) { h.Set(headerConsistency, "strong") }
}

// MinRevision makes a read see the write that had this revision, and all
// before it.
func MinRevision(revision string) ReadOption {
	return func(h http.Header) {
		if revision != "" {
			h.Set(headerMinRevision, revision)
		}
	}
}

func readHeader(opts []ReadOption) http.Header {
	h := http.Header{}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

// Value is a key's value as a stream. It must be closed.
type Value struct {
	io.ReadCloser
	Size       int64           // bytes; -1: not known
	Revision   string          // of the write that made it: for IfMatch
	Expiration time.Time       // zero: never
	Metadata   json.RawMessage // from GetWithMetadata; nil: none
}

// Get opens the value of key. Errors: ErrKeyNotFound, ErrNamespaceNotFound,
// ErrInvalid.
func (kv *KV) Get(ctx context.Context, key string, opts ...ReadOption) (*Value, error) {
	path, err := keyPath("values", key)
	if err != nil {
		return nil, err
	}
	if path, err = kv.path(ctx, path); err != nil {
		return nil, err
	}
	res, err := kv.opened(ctx, path, readHeader(opts)) //nolint:bodyclose // the caller closes the value
	if err != nil {
		return nil, err
	}
	return valueOf(res), nil
}

// whole is Get of a value that is read into memory, again if it breaks off.
func (kv *KV) whole(ctx context.Context, key string, opts ...ReadOption) (v *Value, err error) {
	path, err := keyPath("values", key)
	if err != nil {
		return nil, err
	}
	q := call{method: http.MethodGet, path: path, header: readHeader(opts), idempotent: true}
	err = kv.do(ctx, q, func(res *http.Response) error {
		raw, err := io.ReadAll(res.Body)
		v = valueOf(res)
		v.ReadCloser = io.NopCloser(bytes.NewReader(raw))
		return err
	})
	return v, err
}

// valueOf is a value as an answer has it.
func valueOf(res *http.Response) *Value {
	return &Value{
		ReadCloser: res.Body,
		Size:       res.ContentLength,
		Revision:   revisionOf(res.Header),
		Expiration: unixTime(parseInt(res.Header.Get("Expiration"))),
	}
}

// revisionOf is the revision of the entry that an answer is about.
func revisionOf(h http.Header) string {
	if tag := strings.Trim(strings.TrimPrefix(h.Get("ETag"), "W/"), `"`); tag != "" {
		return tag
	}
	return h.Get(headerRevision)
}

func parseInt(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func unixTime(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// GetWithMetadata opens the value of key together with its metadata, both of
// the same write. Errors: as Get; ErrUnavailable when the key is written faster
// than it can be read.
func (kv *KV) GetWithMetadata(ctx context.Context, key string, opts ...ReadOption) (*Value, error) {
	return kv.withMetadata(ctx, kv.Get, key, opts)
}

func (kv *KV) withMetadata(
	ctx context.Context, get func(context.Context, string, ...ReadOption) (*Value, error), key string, opts []ReadOption,
) (*Value, error) {
	for range kv.c.attempts + 1 {
		v, err := get(ctx, key, opts...)
		if err != nil {
			return nil, err
		}
		metadata, revision, err := kv.metadata(ctx, key, append(opts[:len(opts):len(opts)], MinRevision(v.Revision)))
		switch {
		case err != nil && !errors.Is(err, ErrKeyNotFound):
			_ = v.Close()
			return nil, err
		case err == nil && revision == v.Revision:
			v.Metadata = metadata
			return v, nil
		}
		_ = v.Close() // written between the two: begin again
	}
	return nil, fmt.Errorf("%w: the key is written faster than it can be read", ErrUnavailable)
}

// metadata returns a key's metadata and the revision of the write that made it.
func (kv *KV) metadata(ctx context.Context, key string, opts []ReadOption) (json.RawMessage, string, error) {
	path, err := keyPath("metadata", key)
	if err != nil {
		return nil, "", err
	}
	var envelope struct {
		Result json.RawMessage `json:"result"`
	}
	revision := ""
	q := call{method: http.MethodGet, path: path, header: readHeader(opts), idempotent: true}
	err = kv.do(ctx, q, func(res *http.Response) error {
		revision = revisionOf(res.Header)
		return decode(res.Body, &envelope)
	})
	return present(envelope.Result), revision, err
}

// present is raw, or nil if it is JSON's null.
func present(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}
