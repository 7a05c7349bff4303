package native

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// keyDetails is all that is known of an entry.
type keyDetails struct {
	Name       string          `json:"name"`
	Revision   string          `json:"revision"`
	Created    int64           `json:"created"`  // unix milliseconds
	Modified   int64           `json:"modified"` // unix milliseconds
	Size       int64           `json:"size"`
	Expiration int64           `json:"expiration,omitempty"` // unix seconds
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

// listedKey is one of a list.
type listedKey struct {
	keyDetails
	Value        *string `json:"value,omitempty"`
	Base64       bool    `json:"base64,omitempty"`        // the value is in base64: it is no UTF-8
	ValueOmitted bool    `json:"value_omitted,omitempty"` // it was asked for, and is too long or not here
}

// keyList is a page of keys but the keys: see keyPage.
type keyList struct {
	ListComplete bool   `json:"list_complete"`
	Cursor       string `json:"cursor,omitempty"`
}

// keyCount is how much there is.
type keyCount struct {
	Keys     int64  `json:"keys"`
	Bytes    int64  `json:"bytes"`
	Complete bool   `json:"complete"`
	Cursor   string `json:"cursor,omitempty"`
}

// listKeys answers a page of keys.
func (h *Handler) listKeys(r *request) (any, error) {
	query, err := parseQuery(r.Request, "prefix", "start", "end", "limit", "cursor", "reverse", "values", "cache_ttl", byMetadata)
	if err != nil {
		return nil, err
	}
	q, err := parseList(query)
	if err != nil {
		return nil, err
	}
	leave, err := h.enterPages(r, &q)
	if err != nil {
		return nil, err
	}
	page, err := h.list(r, query, q)
	if err != nil {
		leave()
		return nil, err
	}
	return newKeyPage(page, q.Scan.Values, leave), nil
}

// countKeys answers how much a namespace holds, or of a part of it what one scan
// finds.
func (h *Handler) countKeys(r *request) (any, error) {
	query, err := parseQuery(r.Request, "prefix", "start", "end", "cursor", "cache_ttl", byMetadata)
	if err != nil {
		return nil, err
	}
	if len(query) == 0 {
		return h.countAll(r)
	}
	q, err := parseList(query)
	if err != nil {
		return nil, err
	}
	q.Scan.Count = true
	page, err := h.list(r, query, q)
	if err != nil {
		return nil, err
	}
	return keyCount{Keys: page.Keys, Bytes: page.Bytes, Complete: !page.More, Cursor: page.Cursor}, nil
}

// countAll answers from the counters, of a node that has them.
func (h *Handler) countAll(r *request) (any, error) {
	ns, err := h.resolve(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	if h.cfg.PassUncarried != nil {
		if r.answered, err = h.cfg.PassUncarried(r.w, r.Request, ns.ID); r.answered || err != nil {
			return nil, err
		}
	}
	keys, bytes := h.cfg.Size(ns.ID)
	return keyCount{Keys: keys, Bytes: bytes, Complete: true}, nil
}

// list carries out a list or a count.
func (h *Handler) list(r *request, query url.Values, q godwit.ListQuery) (*godwit.Page, error) {
	ns, err := h.resolve(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	opts, err := h.readOptions(r, ns, query)
	if err != nil {
		return nil, err
	}
	page, err := h.cfg.Service.List(r.Context(), ns, q, opts)
	if err != nil {
		return nil, err
	}
	r.served = &page.Served
	return page, nil
}

// keyOf answers all that is known of one entry but its value.
func (h *Handler) keyOf(r *request) (any, error) {
	query, err := parseQuery(r.Request, "cache_ttl")
	if err != nil {
		return nil, err
	}
	ns, err := h.resolve(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	key, err := url.PathUnescape(r.key)
	if err != nil {
		return nil, godwit.Errorf(godwit.CodeInvalidKey, "Could not URL-decode key name")
	}
	opts, err := h.readOptions(r, ns, query)
	if err != nil {
		return nil, err
	}
	e, served, err := h.cfg.Service.Get(r.Context(), ns, []byte(key), opts)
	r.served = &served
	if err != nil {
		return nil, err
	}
	return details(e), nil
}

// readOptions reads what a request asks of the copy.
func (h *Handler) readOptions(r *request, ns *godwit.Namespace, query url.Values) (godwit.ReadOptions, error) {
	return h.cfg.Service.ReadOptions(ns, api.Read{
		CacheTTL:    query.Get("cache_ttl"),
		MinRevision: r.Header.Get(api.HeaderMinRevision),
		Consistency: r.Header.Get(api.HeaderConsistency),
	})
}

func details(e *godwit.Entry) keyDetails {
	return keyDetails{
		Name: e.Key, Revision: e.Revision.String(), Created: e.Created, Modified: e.Modified,
		Size: e.Value.Size(), Expiration: e.Expiration, Metadata: e.Metadata,
	}
}

// listed is an entry of a list, with its value if that is to be told.
func listed(e *godwit.Entry, values bool) listedKey {
	k := listedKey{keyDetails: details(e)}
	switch {
	case !values:
	case !e.Value.Blob.IsZero():
		k.ValueOmitted = true
	case utf8.Valid(e.Value.Inline):
		text := string(e.Value.Inline)
		k.Value = &text
	default:
		text := base64.StdEncoding.EncodeToString(e.Value.Inline)
		k.Value, k.Base64 = &text, true
	}
	return k
}
