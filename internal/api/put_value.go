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
	s.done(opPut, ns, start, 1, writtenBytes(v, err), err)
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

// RenameRequestKey is the same for a request to rename a namespace.
func RenameRequestKey(requestID string, ns godwit.NamespaceID, title string) godwit.RequestKey {
	return changeRequestKey(requestID, "rename namespace", ns, title)
}

// DeleteRequestKey is the same for a request to delete a namespace.
func DeleteRequestKey(requestID string, ns godwit.NamespaceID) godwit.RequestKey {
	return changeRequestKey(requestID, "delete namespace", ns, "")
}

// ClearRequestKey is the same for a request to clear keys of a namespace.
func ClearRequestKey(requestID string, ns godwit.NamespaceID, prefix string) godwit.RequestKey {
	return changeRequestKey(requestID, "clear keys", ns, prefix)
}

// changeRequestKey tells what is done apart by text that no write of a key can
// have for its metadata.
func changeRequestKey(requestID, what string, ns godwit.NamespaceID, title string) godwit.RequestKey {
	a := asked{
		requestID: requestID,
		mutation:  &godwit.Mutation{Op: godwit.OpPut, Namespace: ns, Key: title, Metadata: []byte(what)},
	}
	return a.key()
}
