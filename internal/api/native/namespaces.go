package native

import (
	"errors"
	"net/url"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
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
		keys, bytes := h.cfg.Size(ns.ID)
		sized := sizedNamespace{Namespace: ns, Keys: keys, Bytes: bytes}
		if h.cfg.HistorySize != nil {
			sized.HistoryVersions, sized.HistoryBytes = h.cfg.HistorySize(ns.ID)
		}
		list.Namespaces = append(list.Namespaces, sized)
	}
	return list, nil
}

// namespace finds the one in the path and asks whether the token reaches it.
// One that it is not for looks the same to it whether it exists or not.
func (h *Handler) namespace(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	id, err := godwit.ParseNamespaceID(r.argument)
	if err != nil {
		return nil, err
	}
	if err := catalog.Authorize(r.principal, need, &godwit.Namespace{ID: id}); err != nil {
		return nil, err
	}
	return h.cfg.Service.Catalog().Namespace(r.Context(), id)
}

// resolve finds the namespace whose id, or else title, is in the path, and asks
// whether the token reaches it. One that the token is not for looks the same to
// it whether it exists or not.
func (h *Handler) resolve(r *request, need godwit.Permission) (*godwit.Namespace, error) {
	if err := catalog.Authorize(r.principal, godwit.PermissionRead, nil); err != nil {
		return nil, err
	}
	ref, err := url.PathUnescape(r.argument)
	if err != nil {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The namespace in the path is malformed.")
	}
	ns, err := h.cfg.Service.Catalog().Resolve(r.Context(), []byte(ref))
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

func (h *Handler) namespaceSettings(r *request) (any, error) {
	ns, err := h.namespace(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	return ns.Settings, nil
}

// patchSettings changes the settings that the body names; null takes one away.
// It answers all that are then in force.
func (h *Handler) patchSettings(r *request) (any, error) {
	if _, err := h.namespace(r, godwit.PermissionAdmin); err != nil {
		return nil, err
	}
	raw, err := readBody(r.Request, maxBodyBytes) // before the lock: a slow client holds up nobody
	if err != nil {
		return nil, err
	}
	h.settings.Lock()
	defer h.settings.Unlock()
	ns, err := h.namespace(r, godwit.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	settings, err := patch(ns.Settings, raw)
	if err != nil {
		return nil, err
	}
	ns, err = h.cfg.Service.Catalog().SetNamespace(r.Context(), ns.ID, settings)
	if err != nil {
		return nil, err
	}
	return ns.Settings, nil
}

// settingsPatch is godwit.Settings with every field able to be null.
type settingsPatch struct {
	MinExpirationTTL *int64   `json:"min_expiration_ttl"`
	MinCacheTTL      *int64   `json:"min_cache_ttl"`
	WritesPerKey     *float64 `json:"writes_per_key"`
	Consistency      *string  `json:"consistency"`
	History          *string  `json:"history"`
}

// patch is s with what the JSON object raw names changed. s is left alone.
func patch(s godwit.Settings, raw []byte) (godwit.Settings, error) {
	p := settingsPatch{clone(s.MinExpirationTTL), clone(s.MinCacheTTL), clone(s.WritesPerKey), &s.Consistency, &s.History}
	if err := decodeBytes(raw, &p); err != nil {
		return godwit.Settings{}, err
	}
	changed := godwit.Settings{MinExpirationTTL: p.MinExpirationTTL, MinCacheTTL: p.MinCacheTTL, WritesPerKey: p.WritesPerKey}
	if p.Consistency != nil {
		changed.Consistency = *p.Consistency
	}
	if p.History != nil {
		changed.History = *p.History
	}
	return changed, changed.Validate()
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
