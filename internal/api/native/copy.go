package native

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/feed"
)

// copySpec is the body of a request to copy: of a key, or of a prefix a page.
type copySpec struct {
	Key         *string `json:"key"`
	Prefix      *string `json:"prefix"`
	ToNamespace string  `json:"to_namespace"` // id or title
	ToKey       *string `json:"to_key"`       // not given: key
	ToPrefix    *string `json:"to_prefix"`    // not given: prefix
	IfAbsent    bool    `json:"if_absent"`
	Limit       *int    `json:"limit"`
	Cursor      string  `json:"cursor"`
}

// copied is what became of it.
type copied struct {
	Copied   int64         `json:"copied"`
	Bytes    int64         `json:"bytes"`
	Present  int64         `json:"present"`
	Failed   []copyFailure `json:"failed,omitempty"`
	Revision string        `json:"revision"`
	Complete bool          `json:"complete"`
	Cursor   string        `json:"cursor,omitempty"`
}

type copyFailure struct {
	Key     string `json:"key"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// copyKeys copies keys of the namespace in the path to another, or to other keys.
func (h *Handler) copyKeys(r *request) (any, error) {
	from, err := h.resolve(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	var spec copySpec
	if err := decode(r.Request, &spec); err != nil {
		return nil, err
	}
	q, err := spec.request()
	if err != nil {
		return nil, err
	}
	q.From = from
	if q.To, err = h.reach(h.cfg.Service.Catalog().ResolveNow, r, spec.ToNamespace, godwit.PermissionWrite); err != nil {
		return nil, err
	}
	q.RequestID = r.Header.Get(api.HeaderRequestID)
	if q.Read, err = h.readOptions(r, from, nil); err != nil {
		return nil, err
	}
	out, err := h.cfg.Service.Copy(r.Context(), q)
	if err != nil {
		return nil, err
	}
	r.revision = out.Revision
	return shownCopied(&out), nil
}

// request is all of the copy that stands in the body, but the target. Error:
// CodeInvalidRequest.
func (c *copySpec) request() (q api.Copy, err error) {
	q.IfAbsent, q.Cursor = c.IfAbsent, c.Cursor
	if c.Limit != nil {
		if q.Limit = *c.Limit; q.Limit == 0 {
			q.Limit = -1 // what is not given is not what is given as 0
		}
	}
	switch {
	case c.ToNamespace == "":
		return q, invalid("to_namespace is missing.")
	case c.Key != nil && (c.Prefix != nil || c.ToPrefix != nil), c.Prefix != nil && c.ToKey != nil:
		return q, invalid("A copy is of a key, to to_key, or of a prefix, to to_prefix.")
	case c.Prefix != nil:
		q.Prefix, q.ToPrefix = *c.Prefix, *c.Prefix
		if c.ToPrefix != nil {
			q.ToPrefix = *c.ToPrefix
		}
		return q, nil
	case c.Key == nil:
		return q, invalid(`Give a key or a prefix; the prefix "" is of all keys.`)
	}
	q.Key, q.ToKey = *c.Key, *c.Key
	if c.ToKey != nil {
		q.ToKey = *c.ToKey
	}
	return q, godwit.ValidateKey(q.Key) // "" would be a prefix
}

func shownCopied(out *api.Copied) copied {
	c := copied{
		Copied: out.Keys, Bytes: out.Bytes, Present: out.Present,
		Revision: out.Revision.String(), Complete: out.Cursor == "", Cursor: out.Cursor,
	}
	for _, f := range out.Failed {
		_, code, _ := feed.Reply(godwit.CodeOf(f.Err))
		c.Failed = append(c.Failed, copyFailure{f.Key, code, godwit.MessageOf(f.Err)})
	}
	return c
}
