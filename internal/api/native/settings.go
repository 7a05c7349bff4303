package native

import "github.com/godwitkv/godwit"

func (h *Handler) namespaceSettings(r *request) (any, error) {
	ns, err := h.find(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	return ns.Settings, nil
}

// patchSettings changes the settings that the body names; null takes one away.
// It answers all that are then in force.
func (h *Handler) patchSettings(r *request) (any, error) {
	ns, err := h.findNow(r, godwit.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	raw, err := readBody(r.Request, maxBodyBytes)
	if err != nil {
		return nil, err
	}
	ns, err = h.cfg.Service.Catalog().SetNamespace(r.Context(), ns.ID, func(s godwit.Settings) (godwit.Settings, error) {
		return patch(s, raw)
	})
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
	EraseWithin      *string  `json:"erase_within"`

	MaxKeys           *int64   `json:"max_keys"`
	MaxBytes          *int64   `json:"max_bytes"`
	RequestsPerSecond *float64 `json:"requests_per_second"`
}

// patch is s with what the JSON object raw names changed. s is left alone.
func patch(s godwit.Settings, raw []byte) (godwit.Settings, error) {
	p := settingsPatch{
		clone(s.MinExpirationTTL), clone(s.MinCacheTTL), clone(s.WritesPerKey), &s.Consistency, &s.History, &s.EraseWithin,
		clone(s.MaxKeys), clone(s.MaxBytes), clone(s.RequestsPerSecond),
	}
	if err := decodeBytes(raw, &p); err != nil {
		return godwit.Settings{}, err
	}
	changed := godwit.Settings{
		MinExpirationTTL: p.MinExpirationTTL, MinCacheTTL: p.MinCacheTTL, WritesPerKey: p.WritesPerKey,
		MaxKeys: p.MaxKeys, MaxBytes: p.MaxBytes, RequestsPerSecond: p.RequestsPerSecond,
	}
	if p.Consistency != nil {
		changed.Consistency = *p.Consistency
	}
	if p.History != nil {
		changed.History = *p.History
	}
	if p.EraseWithin != nil {
		changed.EraseWithin = *p.EraseWithin
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
