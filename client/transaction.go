package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"unicode/utf8"
)

// What a Condition's Revision may be beside a revision.
const (
	Absent = ""    // there is no such key
	Exists = "any" // there is one, whatever its revision
)

// Condition is what must hold of a key for a Transaction to take effect.
type Condition struct {
	Key      string
	Revision string // the key's; or Absent, or Exists
}

// Transaction is writes to keys of one namespace that take effect together, if
// all conditions hold, or not at all. It names at most 1,000 keys, each in one
// write and in one condition at most, and holds at most 4 MiB of keys, values
// and metadata.
type Transaction struct {
	Conditions []Condition
	Puts       []Pair
	Deletes    []string // keys; that there is no such key is no error
	RequestID  string   // as in PutOptions
}

// Transact carries a transaction out and returns its revision: who has seen that
// sees all of it, at any node. An error that is ErrPrecondition is an *Error
// whose Conditions tell what stands under the keys in the way. Errors: as Put.
func (kv *KV) Transact(ctx context.Context, t Transaction) (revision string, err error) {
	raw, err := t.encode()
	if err != nil {
		return "", err
	}
	id, err := kv.c.NamespaceID(ctx, kv.ref)
	if err != nil {
		return "", err
	}
	var out struct {
		Revision string `json:"revision"`
	}
	err = kv.c.json(ctx, call{
		method: http.MethodPost, path: "/godwit/v1/namespaces/" + id + "/transactions",
		header: conditions("", "", t.RequestID), body: bytesBody(raw), contentType: "application/json",
		idempotent: true, // by its request id
	}, &out)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return out.Revision, err
}

// transactionJSON is a Transaction on the wire.
type transactionJSON struct {
	Conditions []conditionJSON `json:"conditions,omitempty"`
	Mutations  []any           `json:"mutations"` // of putJSON and deleteJSON
}

type conditionJSON struct {
	Key      string  `json:"key"`
	Revision *string `json:"revision"` // nil: absent
}

type putJSON struct {
	Op string `json:"op"`
	pairJSON
}

type deleteJSON struct {
	Op  string `json:"op"`
	Key string `json:"key"`
}

// encode returns t's JSON. Error: ErrInvalid, for metadata that is not JSON and
// for keys that JSON cannot carry.
func (t *Transaction) encode() ([]byte, error) {
	if err := t.checkKeys(); err != nil {
		return nil, err
	}
	wire := transactionJSON{Mutations: []any{}}
	for _, c := range t.Conditions {
		wire.Conditions = append(wire.Conditions, c.wire())
	}
	for _, p := range t.Puts {
		wire.Mutations = append(wire.Mutations, putJSON{"put", p.wire()})
	}
	for _, key := range t.Deletes {
		wire.Mutations = append(wire.Mutations, deleteJSON{"delete", key})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(wire); err != nil {
		return nil, invalid("encode transaction: %v", err)
	}
	return b.Bytes(), nil
}

func (t *Transaction) checkKeys() error {
	keys := append([]string(nil), t.Deletes...)
	for _, c := range t.Conditions {
		keys = append(keys, c.Key)
	}
	for _, p := range t.Puts {
		keys = append(keys, p.Key)
	}
	for _, key := range keys {
		if !utf8.ValidString(key) {
			return invalid("key %q is not UTF-8", key)
		}
	}
	return nil
}

func (c Condition) wire() conditionJSON {
	if c.Revision == Absent {
		return conditionJSON{Key: c.Key}
	}
	return conditionJSON{c.Key, &c.Revision}
}

// standing is what an answer says of the keys whose conditions failed.
func standing(failed []conditionJSON) []Condition {
	var out []Condition
	for _, f := range failed {
		c := Condition{Key: f.Key, Revision: Absent}
		if f.Revision != nil {
			c.Revision = *f.Revision
		}
		out = append(out, c)
	}
	return out
}
