package binding

import (
	"github.com/godwitkv/godwit"
)

// list answers GET of the empty path.
func (s *Server) list(r *request) error {
	q, err := r.listQuery()
	if err != nil {
		return err
	}
	opts, err := s.readOptions(r, "")
	if err != nil {
		return err
	}
	page, err := s.cfg.Service.List(r.in, r.ns, q, opts)
	if err != nil {
		return err
	}
	r.revision = page.Served.Revision
	r.cacheStatus(page.Served.Status)
	buf := s.replies.get()
	*buf = appendPage((*buf)[:0], page)
	s.reply(r, buf)
	return nil
}

// reply makes buf, from s.replies, the JSON reply to r.
func (s *Server) reply(r *request, buf *[]byte) {
	r.ctx.Response.Header.SetContentTypeBytes(jsonType)
	r.ctx.Response.SetBodyStream(&written{pool: &s.replies, buf: buf}, len(*buf))
}

// listQuery reads a list's parameters. Errors: CodeInvalidLimit, CodeKeyTooLong.
func (r *request) listQuery() (q godwit.ListQuery, err error) {
	raw, grown, ok := queryValue(r.query, "key_count_limit", r.scratch)
	r.scratch = grown
	if ok {
		if q.Limit, err = parseLimit(string(raw)); err != nil {
			return q, err
		}
	}
	q.Prefix = string(r.queryText("prefix"))
	q.Cursor = string(r.queryText("cursor"))
	return q, godwit.ValidatePrefix(q.Prefix)
}

// parseLimit reads key_count_limit. Error, with Cloudflare's texts:
// CodeInvalidLimit.
func parseLimit(raw string) (int, error) {
	n, _ := godwit.ParseInteger(raw) // of one that is too large, the largest
	switch {
	case n < 1:
		return 0, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid key_count_limit of %.64s. Please specify an integer greater than 0.", raw)
	case n > godwit.MaxListKeys:
		return 0, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid key_count_limit of %.64s. Please specify an integer less than %d.", raw, godwit.MaxListKeys)
	}
	return int(n), nil
}
