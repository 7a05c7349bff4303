package native

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// clearing is which keys of a namespace are to go: those with a prefix, or all. To
// leave something out never means all.
type clearing struct {
	Prefix string `json:"prefix"`
	All    bool   `json:"all"`
}

type cleared struct {
	Revision string `json:"revision"`
}

// clearKeys removes all keys of a namespace, or those with a prefix.
func (h *Handler) clearKeys(r *request) (any, error) {
	ns, err := h.resolveNow(r, godwit.PermissionWrite)
	if err != nil {
		return nil, err
	}
	var c clearing
	if err := decode(r.Request, &c); err != nil {
		return nil, err
	}
	if c.All == (c.Prefix != "") {
		return nil, invalid(`Say which keys: {"prefix": "..."}, or {"all": true} for every key.`)
	}
	r.target = c.Prefix
	id := r.Header.Get(api.HeaderRequestID)
	if err := api.CheckRequestID(id); err != nil {
		return nil, err
	}
	r.revision, err = h.cfg.Service.Catalog().Clear(r.Context(), ns.ID, c.Prefix, api.ClearRequestKey(id, ns.ID, c.Prefix))
	return cleared{r.revision.String()}, err
}
