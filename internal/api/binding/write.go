package binding

import (
	"bytes"
	"context"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// put answers PUT of a key: the body is the value, whatever its content type.
func (s *Server) put(r *request) error {
	key, err := r.decodeKey()
	if err != nil {
		return err
	}
	if r.body.oversized() {
		return errBodyBound
	}
	var metadata []byte
	if m := r.peek(hdrMetadataIn); len(m) > 0 {
		metadata = bytes.Clone(m) // it outlives the request
	}
	res, err := s.cfg.Service.Put(s.writeContext(r), r.ns, api.Put{
		Key:           key,
		Body:          &r.body,
		Metadata:      metadata,
		Expiration:    string(r.queryText("expiration")),
		ExpirationTTL: string(r.queryText("expiration_ttl")),
		Preconditions: r.preconditions(),
		RequestID:     string(r.peek(hdrRequestID)),
	})
	r.revision = res.Revision
	if err != nil {
		return err
	}
	if res.Outcome == godwit.Applied {
		r.etag(res.Revision)
	}
	return nil
}

// delete answers DELETE of a key, there or not.
func (s *Server) delete(r *request) error {
	key, err := r.decodeKey()
	if err != nil {
		return err
	}
	res, err := s.cfg.Service.Delete(s.writeContext(r), r.ns, api.Delete{
		Key:           key,
		Preconditions: r.preconditions(),
		RequestID:     string(r.peek(hdrRequestID)),
	})
	r.revision = res.Revision
	return err
}

// writeContext is the context of a write: it takes the credential along, for a
// log that must pass it on.
func (s *Server) writeContext(r *request) context.Context {
	return godwit.WithCredential(r.in, string(bearer(r.peek(hdrAuthorization))))
}

func (r *request) preconditions() api.Preconditions {
	return api.Preconditions{
		IfMatch:     string(r.peek(hdrIfMatch)),
		IfNoneMatch: string(r.peek(hdrIfNoneMatch)),
	}
}
