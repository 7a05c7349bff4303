package native

import (
	"context"
	"errors"
	"net/url"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/trace"
)

// sizedNamespace is a namespace and how much it holds.
type sizedNamespace struct {
	*godwit.Namespace
	Keys  int64 `json:"keys"`
	Bytes int64 `json:"bytes"`

	// Of earlier versions, where some are kept:
	HistoryVersions int64 `json:"history_versions,omitempty"`
	HistoryBytes    int64 `json:"history_bytes,omitempty"`
}

type namespaceList struct {
	Namespaces []sizedNamespace `json:"namespaces"`
}

// listNamespaces answers those that the token is for.
func (h *Handler) listNamespaces(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionRead, nil); err != nil {
		return nil, err
	}
	list := namespaceList{Namespaces: []sizedNamespace{}}
	for _, ns := range h.cfg.Service.Catalog().Namespaces() {
		if catalog.Authorize(r.principal, godwit.PermissionRead, ns) != nil {
			continue
		}
		list.Namespaces = append(list.Namespaces, h.sized(ns))
	}
	return list, nil
}

func (h *Handler) sized(ns *godwit.Namespace) sizedNamespace {
	keys, bytes := h.cfg.Size(ns.ID)
	sized := sizedNamespace{Namespace: ns, Keys: keys, Bytes: bytes}
	if h.cfg.HistorySize != nil {
		sized.HistoryVersions, sized.HistoryBytes = h.cfg.HistorySize(ns.ID)
	}
	return sized
}

// namespaceSpec is the body of a request for a namespace.
type namespaceSpec struct {
	Title        string `json:"title"`
	Jurisdiction string `json:"jurisdiction"`
	IfNotExists  bool   `json:"if_not_exists"` // the one that has the title is as good
}

// createNamespace makes a namespace, and answers 201; 200 if it exists already
// and that was said to do.
func (h *Handler) createNamespace(r *request) (any, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	id, err := requestID(r)
	if err != nil {
		return nil, err
	}
	var spec namespaceSpec
	if err := decode(r.Request, &spec); err != nil {
		return nil, err
	}
	r.title = spec.Title
	if err := r.announce(); err != nil {
		return nil, err
	}
	key := api.NamespaceRequestKey(id, spec.Title, spec.Jurisdiction)
	var ns *godwit.Namespace
	if spec.IfNotExists {
		ns, r.created, err = h.cfg.Service.Catalog().EnsureNamespace(r.Context(), spec.Title, spec.Jurisdiction, key)
	} else {
		ns, err = h.cfg.Service.Catalog().CreateNamespace(r.Context(), spec.Title, spec.Jurisdiction, key)
		r.created = true
	}
	if err != nil {
		return nil, err
	}
	r.ns, r.revision = ns, ns.Revision
	return h.sized(ns), nil
}

func (h *Handler) getNamespace(r *request) (any, error) {
	find := h.find
	if strong, err := api.Strong(r.Header.Get(api.HeaderConsistency), ""); err != nil {
		return nil, err
	} else if strong {
		find = h.findNow
	}
	ns, err := find(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	if h.cfg.PassUncarried != nil {
		if r.answered, err = h.cfg.PassUncarried(r.w, r.Request, ns.ID); r.answered || err != nil {
			return nil, err
		}
	}
	return h.sized(ns), nil
}

// renameNamespace gives a namespace the title in the body.
func (h *Handler) renameNamespace(r *request) (any, error) {
	ns, err := h.findNow(r, godwit.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	id, err := requestID(r)
	if err != nil {
		return nil, err
	}
	var spec struct {
		Title string `json:"title"`
	}
	if err := decode(r.Request, &spec); err != nil {
		return nil, err
	}
	ns, err = h.cfg.Service.Catalog().RenameNamespace(r.Context(), ns.ID, spec.Title, api.RenameRequestKey(id, ns.ID, spec.Title))
	if err != nil {
		return nil, err
	}
	r.revision = ns.Revision
	return h.sized(ns), nil
}

// deleteNamespace deletes a namespace with all its keys, if it has the title in the query.
func (h *Handler) deleteNamespace(r *request) (any, error) {
	request, err := requestID(r)
	if err != nil {
		return nil, err
	}
	query, err := parseQuery(r.Request, "title")
	if err != nil {
		return nil, err
	}
	id, err := h.doomed(r, request)
	if err != nil {
		return nil, err
	}
	key := api.DeleteRequestKey(request, id)
	if query.Has("title") {
		return struct{}{}, h.cfg.Service.Catalog().DeleteTitled(r.Context(), id, query.Get("title"), key)
	}
	return struct{}{}, h.cfg.Service.Catalog().DeleteNamespace(r.Context(), id, key)
}

// doomed is the id of the namespace to delete: also of one that is not there any
// more, since the same request may have deleted it.
func (h *Handler) doomed(r *request, request string) (godwit.NamespaceID, error) {
	ns, err := h.findNow(r, godwit.PermissionAdmin)
	if err == nil {
		return ns.ID, nil
	}
	id, invalid := godwit.ParseNamespaceID(r.argument)
	if request == "" || invalid != nil || !errors.Is(err, godwit.ErrNamespaceNotFound) {
		return id, err
	}
	return id, nil
}

// requestID is the one that the client gave, "" where it gave none. Error:
// CodeInvalidRequest.
func requestID(r *request) (string, error) {
	id := r.Header.Get(api.HeaderRequestID)
	return id, api.CheckRequestID(id)
}

// resolve is find, for a request about the namespace's keys, which counts as one.
func (h *Handler) resolve(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	return h.admit(h.find(r, need))
}

// resolveNow is resolve, for a request that destroys.
func (h *Handler) resolveNow(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	return h.admit(h.findNow(r, need))
}

func (h *Handler) admit(ns *godwit.Namespace, err error) (*godwit.Namespace, error) {
	if err != nil {
		return nil, err
	}
	return ns, h.cfg.Service.AdmitNamespace(ns)
}

// find finds the namespace whose id, or else title, is in the path, and asks
// whether the token reaches it. One that the token is not for looks the same to
// it whether it exists or not.
func (h *Handler) find(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	return h.findBy(h.cfg.Service.Catalog().Resolve, r, need)
}

// findNow is find by what the title is now, whatever this node knows.
func (h *Handler) findNow(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	return h.findBy(h.cfg.Service.Catalog().ResolveNow, r, need)
}

// resolver finds a namespace by its id, or else its title.
type resolver func(ctx context.Context, ref []byte) (*godwit.Namespace, error)

func (h *Handler) findBy(resolve resolver, r *request, need godwit.Permission) (*godwit.Namespace, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionRead, nil); err != nil {
		return nil, err
	}
	ref, err := url.PathUnescape(r.argument)
	if err != nil {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The namespace in the path is malformed.")
	}
	ns, err := h.reach(resolve, r, ref, need)
	if err == nil {
		r.ns = ns
		trace.About(r.Context(), ns)
	}
	return ns, err
}

// reach finds a namespace by its id, or else its title, as find does.
func (h *Handler) reach(resolve resolver, r *request, ref string, need godwit.Permission) (*godwit.Namespace, error) {
	ns, err := resolve(r.Context(), []byte(ref))
	if errors.Is(err, godwit.ErrNamespaceNotFound) {
		if refused := catalog.Authorize(r.principal, need, new(godwit.Namespace)); refused != nil {
			return nil, refused
		}
	}
	if err != nil {
		return nil, err
	}
	return ns, catalog.Authorize(r.principal, need, ns)
}
