package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Clear deletes all keys with a prefix, which must not be "", and returns the
// revision: who has seen it, at any node, finds none of those that were there. It is
// one write, whose work grows with the number of keys and during which others wait:
// about a second for a million. Errors: as Delete.
func (kv *KV) Clear(ctx context.Context, prefix string) (revision string, err error) {
	if prefix == "" {
		return "", invalid("the prefix is empty: ClearAll deletes every key")
	}
	if err := checkText(prefix); err != nil {
		return "", err
	}
	return kv.clear(ctx, map[string]any{"prefix": prefix})
}

// ClearAll deletes all keys of the namespace, as Clear does. The namespace, its id and
// its settings stay.
func (kv *KV) ClearAll(ctx context.Context) (revision string, err error) {
	return kv.clear(ctx, map[string]any{"all": true})
}

func (kv *KV) clear(ctx context.Context, what map[string]any) (string, error) {
	raw, err := json.Marshal(what)
	if err != nil {
		return "", invalid("encode prefix: %v", err)
	}
	kv, err = kv.asked(ctx)
	if err != nil {
		return "", err
	}
	var out struct {
		Revision string `json:"revision"`
	}
	err = kv.c.native(ctx, call{
		method: http.MethodPost, path: "namespaces/" + kv.id + "/clear",
		header: conditions("", "", ""), body: bytesBody(raw), idempotent: true, // by its request id
	}, &out)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return out.Revision, err
}
