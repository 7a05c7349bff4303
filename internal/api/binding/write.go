package binding

import (
	"bytes"
	"context"

	"github.com/valyala/fasthttp"

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
	return godwit.WithCredential(api.WithLimited(r.in, r.principal), string(bearer(r.peek(hdrAuthorization))))
}

func (r *request) preconditions() api.Preconditions {
	return api.Preconditions{IfMatch: r.tags(fasthttp.HeaderIfMatch), IfNoneMatch: r.tags(fasthttp.HeaderIfNoneMatch)}
}

// tags returns the list of entity tags that a header gives, in however many
// lines. It lives as long as the request does.
func (r *request) tags(header string) string {
	lines := r.ctx.Request.Header.PeekAll(header)
	switch len(lines) {
	case 0:
		return ""
	case 1:
		if len(lines[0]) == 0 {
			return api.EmptyTags
		}
		return view(lines[0])
	}
	return string(bytes.Join(lines, []byte(", ")))
}
