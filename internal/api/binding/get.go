package binding

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

var errUndecodable = godwit.Errorf(godwit.CodeInvalidKey, "Could not URL-decode key name")

// decodeKey returns the key that the path names. It is encoded only if the
// query says so.
func (r *request) decodeKey() (key []byte, err error) {
	v, grown, ok := queryValue(r.query, "urlencoded", r.scratch)
	r.scratch = grown
	if !ok || !bytes.EqualFold(v, []byte("true")) {
		return r.path, nil
	}
	if r.key, ok = appendPathDecoded(r.key[:0], r.path); !ok {
		return nil, errUndecodable
	}
	return r.key, nil
}

// queryText returns a query parameter, empty where not given.
func (r *request) queryText(name string) []byte {
	v, grown, _ := queryValue(r.query, name, r.scratch)
	r.scratch = grown
	return v
}

// readOptions reads what the request asks of a read.
func (s *Server) readOptions(r *request, cacheTTL string) (godwit.ReadOptions, error) {
	return s.cfg.Service.ReadOptions(r.ns, api.Read{
		CacheTTL:    cacheTTL,
		MinRevision: view(r.peek(hdrMinRevision)),
		Consistency: view(r.peek(hdrConsistency)),
	})
}

// get answers GET and HEAD of a key.
func (s *Server) get(r *request) error {
	key, err := r.decodeKey()
	if err != nil {
		return err
	}
	opts, err := s.readOptions(r, view(r.queryText("cache_ttl")))
	if err != nil {
		if kerr := godwit.ValidateKey(key); kerr != nil {
			return kerr // told first
		}
		return err
	}
	for attempt := 1; ; attempt++ {
		e, err := s.find(r, key, opts)
		if err != nil {
			return err
		}
		if e.Value.Blob.IsZero() || r.ctx.IsHead() || r.notModified(e) {
			r.found(e)
			return nil
		}
		src, err := s.cfg.Service.OpenValue(r.in, r.ns, e)
		switch {
		case err == nil:
			r.found(e)
			r.ctx.Response.SetBodyStream(&value{srv: s, src: src, size: e.Value.Size()}, int(e.Value.Size()))
			return nil
		case attempt == api.MaxValueAttempts || godwit.CodeOf(err) != godwit.CodeUnavailable:
			return err
		}
		// It may be gone because it was replaced: what replaced it is the answer,
		// which may not have come here yet.
		opts.Strong = true
	}
}

// find gets the entry under key, and notes how it was found, or that it was not.
func (s *Server) find(r *request, key []byte, opts godwit.ReadOptions) (*godwit.Entry, error) {
	e, served, err := s.cfg.Service.Get(r.in, r.ns, key, opts)
	r.revision = served.Revision
	if err == nil || errors.Is(err, godwit.ErrKeyNotFound) {
		r.cacheStatus(served.Status)
	}
	return e, err
}

func (r *request) cacheStatus(status godwit.CacheStatus) {
	from := len(r.scratch)
	r.scratch = append(r.scratch, status.String()...)
	r.ctx.Response.Header.SetCanonical(hdrCacheStatus, r.scratch[from:])
}

func (r *request) notModified(e *godwit.Entry) bool {
	if len(r.peek(hdrIfNoneMatch)) == 0 { // as in nearly all
		return false
	}
	return api.Preconditions{IfNoneMatch: r.tags(fasthttp.HeaderIfNoneMatch)}.NotModified(e.Revision)
}

// found fills in the reply for e: all of it, but for the value of a blob.
func (r *request) found(e *godwit.Entry) {
	resp := &r.ctx.Response
	h := &resp.Header
	if e.Metadata != nil {
		h.SetCanonical(hdrMetadata, e.Metadata) // line breaks between its tokens become spaces
	}
	if e.Expiration != 0 {
		from := len(r.scratch)
		r.scratch = strconv.AppendInt(r.scratch, e.Expiration, 10)
		h.SetCanonical(hdrExpiration, r.scratch[from:])
	}
	r.etag(e.Revision)
	switch {
	case r.notModified(e):
		resp.SetStatusCode(fasthttp.StatusNotModified)
		return
	case r.ctx.IsHead():
		resp.SkipBody = true
		h.SetContentLength(int(e.Value.Size()))
	default:
		resp.SetBodyRaw(e.Value.Inline) // shared and immutable
	}
	h.SetContentTypeBytes(octetStream)
}

func (r *request) etag(rev godwit.Revision) {
	from := len(r.scratch)
	r.scratch = api.AppendETag(r.scratch, rev)
	r.ctx.Response.Header.SetCanonical(hdrETag, r.scratch[from:])
}
