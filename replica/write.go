package replica

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"time"

	"github.com/godwitkv/godwit"
)

// PutOptions are what a put may say besides its value.
type PutOptions struct {
	Metadata   []byte    // JSON of up to godwit.MaxMetadataBytes; nil or null: none
	Expiration time.Time // from when on the key is absent, to the second; zero: never
	// Conditions must hold, or nothing happens and the error is
	// godwit.ErrPrecondition. Their namespace is filled in, and the key where it is
	// "".
	Conditions []godwit.Condition
}

// Put writes value, read to its end, under key, and returns the write's
// revision, which this replica holds from then on. It needs Config.WriteToken. What a
// namespace's settings allow is heeded, but for the rates of requests_per_second and
// writes_per_key: those are of the node that a client asks.
// Errors: godwit.ErrPrecondition, CodeForbidden, CodeInvalidKey, CodeKeyTooLong,
// CodeValueTooLarge, CodeInvalidMetadata, CodeMetadataTooLarge, CodeInvalidExpiration;
// CodeUnavailable if the upstream cannot be reached; godwit.ErrOutcomeUnknown if it may
// have been written; that of value, and then nothing is written.
//
// Put ends with ctx, also while a Read of a value waits that is no io.Seeker. That Read
// goes on, in a goroutine which ends when it returns; until then the value must not be
// used.
func (n *Namespace) Put(ctx context.Context, key string, value io.Reader, opts PutOptions) (godwit.Revision, error) {
	if err := godwit.ValidateKey([]byte(key)); err != nil {
		return 0, err
	}
	metadata, err := metadataOf(opts.Metadata)
	if err != nil {
		return 0, err
	}
	expiration, err := n.expiration(opts.Expiration)
	if err != nil {
		return 0, err
	}
	v, err := n.upload(ctx, value)
	if err != nil {
		return 0, err
	}
	m := godwit.Mutation{Op: godwit.OpPut, Namespace: n.id, Key: key, Value: v, Metadata: metadata, Expiration: expiration}
	revision, err := n.propose(ctx, m, opts.Conditions)
	if err != nil && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
		n.r.edge.Discard(v)
	}
	return revision, err
}

// metadataOf is the metadata that is kept: null is none.
func metadataOf(text []byte) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	if err := godwit.ValidateMetadata(text); err != nil {
		return nil, err
	}
	if string(bytes.TrimSpace(text)) == "null" {
		return nil, nil
	}
	return text, nil
}

// expiration is t in unix seconds, 0 for never, if the namespace lets an entry expire then.
func (n *Namespace) expiration(t time.Time) (int64, error) {
	if t.IsZero() {
		return 0, nil
	}
	limits := godwit.DefaultLimits()
	if ns := n.r.catalog.Load().KnownNamespace(n.id); ns != nil {
		limits = limits.For(ns.Settings)
	}
	return limits.ParseExpiration(strconv.FormatInt(t.Unix(), 10), "", n.r.clock.Now().Unix())
}

// Delete deletes a key; that there is none is no error. Errors: as Put.
func (n *Namespace) Delete(ctx context.Context, key string, conditions ...godwit.Condition) (godwit.Revision, error) {
	if err := godwit.ValidateKey([]byte(key)); err != nil {
		return 0, err
	}
	return n.propose(ctx, godwit.Mutation{Op: godwit.OpDelete, Namespace: n.id, Key: key}, conditions)
}

func (n *Namespace) propose(ctx context.Context, m godwit.Mutation, conditions []godwit.Condition) (godwit.Revision, error) {
	if n.r.cfg.WriteToken == "" {
		return 0, godwit.Errorf(godwit.CodeForbidden, "The replica was opened without a WriteToken.")
	}
	tx := godwit.Transaction{Mutations: []godwit.Mutation{m}}
	for _, c := range conditions {
		c.Namespace = n.id
		if c.Key == "" {
			c.Key = m.Key
		}
		tx.Conditions = append(tx.Conditions, c)
	}
	results, err := n.r.edge.Propose(godwit.WithCredential(ctx, n.r.cfg.WriteToken), []godwit.Transaction{tx})
	if err != nil {
		return 0, err
	}
	if len(results) != 1 {
		return 0, godwit.ErrOutcomeUnknown
	}
	switch results[0].Outcome {
	case godwit.Applied:
		return results[0].Revision, nil
	case godwit.ConditionFailed:
		return results[0].Revision, godwit.ErrPrecondition
	case godwit.NamespaceMissing:
		return 0, godwit.ErrNamespaceNotFound
	default:
		return 0, godwit.ErrOutcomeUnknown
	}
}
