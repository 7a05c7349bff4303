package cloudflare

import (
	"encoding/json"

	"github.com/godwitkv/godwit"
)

// key is one of a list.
type key struct {
	Name       string          `json:"name"`
	Expiration int64           `json:"expiration,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
}

func (c *call) listKeys() error {
	q, err := c.query()
	if err != nil {
		return err
	}
	limit, err := parseLimit(q.Get("limit"))
	if err != nil {
		return err
	}
	opts, err := c.readOptions(q.Get("cache_ttl"))
	if err != nil {
		return err
	}
	query := godwit.ListQuery{Prefix: q.Get("prefix"), Cursor: q.Get("cursor"), Limit: limit}
	page, err := c.h.service.List(c.ctx(), c.ns, query, opts)
	if err != nil {
		return err
	}
	c.served(page.Served)
	keys := make([]key, len(page.Entries))
	for i := range page.Entries {
		e := &page.Entries[i]
		keys[i] = key{Name: e.Key, Expiration: e.Expiration, Metadata: e.Metadata}
	}
	info := keysInfo{Count: len(keys)}
	if page.More {
		info.Cursor, info.Cursors.After = page.Cursor, page.Cursor
	}
	return c.reply(keys, info)
}

// parseLimit reads a list's limit; none is the largest.
func parseLimit(raw string) (int, error) {
	if raw == "" {
		return godwit.MaxListKeys, nil
	}
	n, ok := godwit.ParseInteger(raw)
	if !ok || n < godwit.MinRESTListKeys || n > godwit.MaxListKeys {
		return 0, godwit.Errorf(godwit.CodeInvalidLimit, "invalid limit argument: use an integer from %d to %d", godwit.MinRESTListKeys, godwit.MaxListKeys)
	}
	return int(n), nil
}
