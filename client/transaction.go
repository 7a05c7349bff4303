package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
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
	Adds       []Sum
	RequestID  string // as in PutOptions
}

// Sum is what a key's value, an integer of 64 bits in decimal, is to grow by: a
// counter. A key that is absent counts as 0.
type Sum struct {
	Key   string
	Delta int64
	// Metadata is the key's from then on, as in PutOptions.
	Metadata json.RawMessage
	// ExpirationTTL and Expiration are as in PutOptions, but of a key that the add
	// makes: one that is there ends when it did.
	ExpirationTTL time.Duration
	Expiration    time.Time
}

// Transacted is what a Transaction did.
type Transacted struct {
	Revision string           // who has seen it sees all of the transaction, at any node
	Sums     map[string]int64 // by key, what the adds came to
}

// Transact carries a transaction out. An error that is ErrPrecondition is an *Error
// whose Conditions tell what stands under the keys in the way. Errors: as Put;
// ErrNotNumber.
func (kv *KV) Transact(ctx context.Context, t Transaction) (Transacted, error) {
	raw, err := t.encode()
	if err != nil {
		return Transacted{}, err
	}
	id, err := kv.namespaceID(ctx)
	if err != nil {
		return Transacted{}, err
	}
	var out struct {
		Revision string            `json:"revision"`
		Sums     map[string]number `json:"sums"`
	}
	err = kv.c.json(ctx, call{
		method: http.MethodPost, path: "/godwit/v1/namespaces/" + id + "/transactions",
		header: conditions("", "", t.RequestID), body: bytesBody(raw), contentType: "application/json",
		idempotent: true, // by its request id
	}, &out)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	done := Transacted{Revision: out.Revision}
	for key, n := range out.Sums {
		if done.Sums == nil {
			done.Sums = make(map[string]int64, len(out.Sums))
		}
		done.Sums[key] = int64(n)
	}
	return done, err
}

// Add adds to a key's value and returns the sum and its revision. Of several adds at
// once, at whichever nodes, each counts once, and returns what it came to in the
// order of the log. Errors: as Put; ErrNotNumber.
func (kv *KV) Add(ctx context.Context, s Sum) (sum int64, revision string, err error) {
	done, err := kv.Transact(ctx, Transaction{Adds: []Sum{s}})
	return done.Sums[s.Key], done.Revision, err
}

// number is an integer that JSON has as text.
type number int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *number) UnmarshalText(b []byte) error {
	v, err := strconv.ParseInt(string(b), 10, 64)
	*n = number(v)
	return err
}

// transactionJSON is a Transaction on the wire.
type transactionJSON struct {
	Conditions []conditionJSON `json:"conditions,omitempty"`
	Mutations  []any           `json:"mutations"` // of putJSON, deleteJSON and addJSON
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

type addJSON struct {
	Op       string          `json:"op"`
	Key      string          `json:"key"`
	Delta    int64           `json:"delta"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	endJSON
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
	for _, s := range t.Adds {
		wire.Mutations = append(wire.Mutations, s.wire())
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
	for _, s := range t.Adds {
		keys = append(keys, s.Key)
	}
	return checkText(keys...)
}

func (c Condition) wire() conditionJSON {
	if c.Revision == Absent {
		return conditionJSON{Key: c.Key}
	}
	return conditionJSON{c.Key, &c.Revision}
}

func (s Sum) wire() addJSON {
	return addJSON{"add", s.Key, s.Delta, s.Metadata, endOf(s.ExpirationTTL, s.Expiration)}
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
