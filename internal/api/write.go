package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/godwitkv/godwit"
)

// Put is a write as it came in. Body is read to its end, whatever goes wrong.
type Put struct {
	Key           []byte
	Body          io.Reader
	Metadata      []byte // JSON text; nil: none; "null" is none too
	Expiration    string // raw; "" where not given
	ExpirationTTL string // raw; "" where not given
	Preconditions Preconditions
	RequestID     string // Godwit-Request-Id as the client sent it, "" where not given
}

// Put validates in Cloudflare's order (key, expiration, metadata, value) and
// writes. Errors: those of ValidateKey, ParseExpiration, ValidateMetadata,
// Uploader.Upload and Log.Propose; ErrPrecondition, ErrTooManyWrites,
// ErrNamespaceNotFound, CodeInvalidRequest (malformed precondition or request id).
// With ErrPrecondition too, the result's Revision is valid.
func (s *Service) Put(ctx context.Context, ns *godwit.Namespace, p Put) (godwit.Result, error) {
	start := time.Now()
	res, v, err := s.put(ctx, ns, &p)
	if err != nil {
		drain(p.Body)
	}
	s.done(opPut, ns, start, 1, writtenBytes(v, err), err)
	return res, err
}

func (s *Service) put(ctx context.Context, ns *godwit.Namespace, p *Put) (godwit.Result, godwit.Value, error) {
	a, err := s.checkPut(ns, p)
	if err != nil {
		return godwit.Result{}, godwit.Value{}, err
	}
	v, err := s.Upload(ctx, ns, p.Body)
	if err != nil {
		return godwit.Result{}, godwit.Value{}, err
	}
	a.mutation.Value = v
	res, err := s.write(ctx, ns, a)
	if err != nil && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
		s.cfg.Uploader.Discard(v)
	}
	return res, v, err
}

// writtenBytes is the length of a value, if it was written.
func writtenBytes(v godwit.Value, err error) int64 {
	if err != nil {
		return 0
	}
	return v.Size()
}

// checkPut validates all of p but its body.
func (s *Service) checkPut(ns *godwit.Namespace, p *Put) (*asked, error) {
	if err := godwit.ValidateKey(p.Key); err != nil {
		return nil, err
	}
	expiration, err := s.limits(ns).ParseExpiration(p.Expiration, p.ExpirationTTL, s.cfg.Now().Unix())
	if err != nil {
		return nil, err
	}
	metadata, err := checkMetadata(p.Metadata)
	if err != nil {
		return nil, err
	}
	a := &asked{
		requestID:  p.RequestID,
		expiration: p.Expiration,
		ttl:        p.ExpirationTTL,
		mutation: &godwit.Mutation{
			Op:         godwit.OpPut,
			Namespace:  ns.ID,
			Key:        string(p.Key),
			Metadata:   metadata,
			Expiration: expiration,
		},
	}
	if a.conditions, err = p.Preconditions.conditions(ns.ID, a.mutation.Key); err != nil {
		return nil, err
	}
	return a, CheckRequestID(p.RequestID)
}

// checkMetadata validates metadata and returns it, nil for none.
func checkMetadata(text []byte) ([]byte, error) {
	if len(text) == 0 || string(bytes.TrimSpace(text)) == "null" {
		return nil, nil
	}
	return text, godwit.ValidateMetadata(text)
}

// Delete is a deletion as it came in.
type Delete struct {
	Key           []byte
	Preconditions Preconditions
	RequestID     string
}

// Delete deletes a key; that there is none is no error. Errors: as Put, but
// never CodeDiskFull.
func (s *Service) Delete(ctx context.Context, ns *godwit.Namespace, d Delete) (godwit.Result, error) {
	start := time.Now()
	res, err := s.delete(ctx, ns, &d)
	s.done(opDelete, ns, start, 1, 0, err)
	return res, err
}

func (s *Service) delete(ctx context.Context, ns *godwit.Namespace, d *Delete) (godwit.Result, error) {
	a, err := checkDelete(ns, d)
	if err != nil {
		return godwit.Result{}, err
	}
	return s.write(ctx, ns, a)
}

// checkDelete validates all of d.
func checkDelete(ns *godwit.Namespace, d *Delete) (*asked, error) {
	if err := godwit.ValidateKey(d.Key); err != nil {
		return nil, err
	}
	a := &asked{
		requestID: d.RequestID,
		mutation:  &godwit.Mutation{Op: godwit.OpDelete, Namespace: ns.ID, Key: string(d.Key)},
	}
	var err error
	if a.conditions, err = d.Preconditions.conditions(ns.ID, a.mutation.Key); err != nil {
		return nil, err
	}
	return a, CheckRequestID(d.RequestID)
}

// write proposes a single write within its key's rate. A repeated request that
// was applied is answered as it was the first time.
func (s *Service) write(ctx context.Context, ns *godwit.Namespace, a *asked) (godwit.Result, error) {
	if !s.rate.take(ns.ID, a.mutation.Key, s.limits(ns).WritesPerKey, s.cfg.Now()) {
		return godwit.Result{}, godwit.ErrTooManyWrites
	}
	results, err := s.cfg.Log.Propose(ctx, []godwit.Transaction{{
		RequestKey: a.key(),
		Conditions: a.conditions,
		Mutations:  []godwit.Mutation{*a.mutation},
	}})
	if err != nil {
		return godwit.Result{}, err
	}
	if len(results) != 1 {
		return godwit.Result{}, godwit.ErrOutcomeUnknown
	}
	if results[0].Repeated {
		s.discardUnnamed(ctx, a.mutation)
	}
	return results[0], outcomeError(results[0].Outcome)
}

// discardUnnamed drops the value of a write that was applied before. That may
// have been this very write, which the log sent twice, and then its value stands
// under the key or has been replaced; else the key has the value that came first.
func (s *Service) discardUnnamed(ctx context.Context, m *godwit.Mutation) {
	if m.Value.Blob.IsZero() {
		return
	}
	e, _, err := s.cfg.Reader.Get(ctx, m.Namespace, []byte(m.Key), godwit.ReadOptions{})
	if errors.Is(err, godwit.ErrKeyNotFound) || err == nil && e.Value.Blob.ID != m.Value.Blob.ID {
		s.cfg.Uploader.Discard(m.Value)
	}
}

// outcomeError is nil for Applied.
func outcomeError(o godwit.Outcome) error {
	switch o {
	case godwit.Applied:
		return nil
	case godwit.ConditionFailed:
		return godwit.ErrPrecondition
	case godwit.NamespaceMissing:
		return godwit.ErrNamespaceNotFound
	case godwit.NotNumber:
		return godwit.ErrNotNumber
	default:
		return godwit.ErrOutcomeUnknown
	}
}
