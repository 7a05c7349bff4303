package api

import (
	"context"
	"time"

	"github.com/godwitkv/godwit"
)

// PutValue is Put with a value that Upload has taken in already; p.Body is not
// looked at. It is for bodies that say what goes with a value only after the
// value. Whatever happens, the value is no longer the caller's to discard.
// Errors: as Put.
func (s *Service) PutValue(ctx context.Context, ns *godwit.Namespace, p Put, v godwit.Value) (godwit.Result, error) {
	start := time.Now()
	res, err := s.putValue(ctx, ns, &p, v)
	if err != nil && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
		s.cfg.Uploader.Discard(v)
	}
	s.metrics.done(opPut, start, err)
	return res, err
}

func (s *Service) putValue(ctx context.Context, ns *godwit.Namespace, p *Put, v godwit.Value) (godwit.Result, error) {
	a, err := s.checkPut(ns, p)
	if err != nil {
		return godwit.Result{}, err
	}
	a.mutation.Value = v
	return s.write(ctx, ns, a)
}

// NamespaceRequestKey is the key by which a request to create a namespace is
// known when it is sent again; zero without a request id.
func NamespaceRequestKey(requestID, title, jurisdiction string) godwit.RequestKey {
	a := asked{
		requestID: requestID,
		mutation:  &godwit.Mutation{Op: godwit.OpPut, Key: title, Metadata: []byte(jurisdiction)},
	}
	return a.key()
}
