package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

const (
	pageKeys = 50
	// maxScans bounds how often a page is scanned for: between keys there may be many
	// that have expired.
	maxScans = 8
)

// keysPage is what a page of a namespace's keys shows. Where it begins is told by a
// key, so that nobody has to count through those before it.
type keysPage struct {
	NS        *godwit.Namespace
	Prefix    string
	Rows      []keyRow
	Prev      string // address of the page before; "": there is none
	Next      string
	Start     bool // it begins with the first key
	Cut       bool // many were looked at and few found: the search goes on from there
	Back      bool // it goes on towards the first key
	Stale     bool
	Elsewhere bool
	CanWrite  bool
	CanAdmin  bool
	Problem   string
}

// keyRow is a key in a list.
type keyRow struct {
	Key      string
	Size     int64
	Modified moment
	Expires  *moment
	Metadata string
}

// place is where a page of keys is.
type place struct {
	prefix string
	from   string // the first key of the page may be this one
	before string // the page's last key is the last before this one
	cursor string // a search for the page goes on here
}

func (d *Dashboard) keys(c *call) error {
	ns, err := d.namespaceOfKeys(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	q := c.query
	page, err := d.keysPage(c, ns, place{q.Get("prefix"), q.Get("from"), q.Get("before"), q.Get("cursor")})
	if err != nil {
		return err
	}
	v := view{Title: shown(ns.Title), Section: "namespaces", Body: page}
	if c.Header.Get("HX-Request") != "" && c.Header.Get("HX-Target") == "list" {
		v.CSRF = d.seal().formToken(c.session)
		d.writePart(c.w, c.Request, 0, "keys", "list", v)
		return nil
	}
	d.show(c, "keys", v)
	return nil
}

func (d *Dashboard) keysPage(c *call, ns *godwit.Namespace, at place) (*keysPage, error) {
	page := &keysPage{
		NS: ns, Prefix: at.prefix, CanWrite: c.may(godwit.PermissionWrite, ns), CanAdmin: c.may(godwit.PermissionAdmin, ns),
		Elsewhere: d.cfg.Carried != nil && !d.cfg.Carried(ns.ID),
	}
	opts, err := d.cfg.Service.ReadOptions(ns, api.Read{})
	if err != nil {
		return nil, err
	}
	found, err := d.find(c.Context(), page, at, opts)
	if err != nil {
		return nil, err
	}
	now := d.cfg.Now()
	for i := range found {
		page.Rows = append(page.Rows, rowOf(&found[i], now))
	}
	return page, nil
}

// find returns the entries of a page, and notes on it what there is beside them.
func (d *Dashboard) find(ctx context.Context, page *keysPage, at place, opts godwit.ReadOptions) ([]godwit.Entry, error) {
	if at.before != "" {
		found, cursor, err := d.gather(ctx, page, at, opts)
		if err != nil {
			return nil, err
		}
		if len(found) > pageKeys || cursor != "" || at.cursor != "" {
			return page.upwards(at, found, cursor), nil
		}
		at = place{prefix: at.prefix} // it is the first page: show it whole
	}
	found, cursor, err := d.gather(ctx, page, at, opts)
	if err != nil {
		return nil, err
	}
	return page.downwards(at, found, cursor), nil
}

// downwards notes what there is beside a page that was searched for in order.
func (p *keysPage) downwards(at place, found []godwit.Entry, cursor string) []godwit.Entry {
	p.Start, p.Cut = at.from == "" && at.cursor == "", cursor != ""
	switch {
	case len(found) > pageKeys:
		p.Next = p.link("from", found[pageKeys].Key)
		found = found[:pageKeys]
	case p.Cut:
		p.Next = p.link("from", at.from, "cursor", cursor)
	}
	switch {
	case p.Start:
	case len(found) > 0:
		p.Prev = p.link("before", found[0].Key)
	case at.cursor != "":
		p.Prev = p.link("from", at.from) // where the search began
	default:
		p.Prev = p.link("before", at.from)
	}
	return found
}

// upwards notes what there is beside a page that was searched for from its last key to
// its first, as found is.
func (p *keysPage) upwards(at place, found []godwit.Entry, cursor string) []godwit.Entry {
	p.Cut = cursor != ""
	p.Back = p.Cut
	p.Next = p.link("from", at.before)
	if at.cursor != "" {
		p.Next = p.link("before", at.before) // where the search began
		if len(found) > 0 {
			p.Next = p.link("from", found[0].Key)
		}
	}
	switch {
	case len(found) > pageKeys:
		found = found[:pageKeys]
		p.Prev = p.link("before", found[pageKeys-1].Key)
	case p.Cut:
		p.Prev = p.link("before", at.before, "cursor", cursor)
	}
	slices.Reverse(found)
	return found
}

// link is the address of another page of the same search.
func (p *keysPage) link(pairs ...string) string {
	return address("keys", append([]string{"ns", p.NS.ID.String(), "prefix", p.Prefix}, pairs...)...)
}

// gather scans until there is one entry more than a page takes, or there are no more,
// or long enough: then the cursor goes on.
func (d *Dashboard) gather(ctx context.Context, page *keysPage, at place, opts godwit.ReadOptions) (found []godwit.Entry, cursor string, err error) {
	scan := &godwit.Scan{Start: at.from, End: at.before, Reverse: at.before != ""}
	q := godwit.ListQuery{Prefix: at.prefix, Limit: pageKeys + 1, Scan: scan, Cursor: at.cursor}
	for range maxScans {
		part, err := d.cfg.Service.List(ctx, page.NS, q, opts)
		if err != nil {
			return nil, "", err
		}
		page.Stale = page.Stale || part.Served.Status == godwit.StatusStale
		found = append(found, part.Entries...)
		if len(found) > pageKeys || !part.More {
			return found, "", nil
		}
		q.Cursor = part.Cursor
		q.Limit = pageKeys + 1 - len(found)
	}
	return found, q.Cursor, nil
}

func rowOf(e *godwit.Entry, now time.Time) keyRow {
	row := keyRow{
		Key: e.Key, Size: e.Value.Size(), Modified: momentOf(time.UnixMilli(e.Modified), now), Metadata: string(e.Metadata),
	}
	row.Expires = expires(e, now)
	return row
}

func expires(e *godwit.Entry, now time.Time) *moment {
	if e.Expiration == 0 {
		return nil
	}
	m := momentOf(time.Unix(e.Expiration, 0), now)
	return &m
}

// deleteKeys deletes those that were selected.
func (d *Dashboard) deleteKeys(c *call) error {
	ns, err := d.namespaceOfKeys(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	picked := c.PostForm["pick"]
	if len(picked) == 0 || len(picked) > pageKeys {
		return &problem{status: http.StatusBadRequest, title: "Nothing selected", text: "Select the keys to delete first."}
	}
	keys := make([]string, len(picked))
	for i, text := range picked {
		// They stand in the form as in an address: as they are, a browser would change
		// some of their characters.
		if keys[i], err = url.QueryUnescape(text); err != nil {
			return &problem{status: http.StatusBadRequest, title: "Malformed form", text: "A selected key could not be read."}
		}
	}
	once := c.PostForm.Get("once")
	err = d.recorded(c, ns, audit.Entry{Operation: "bulk_delete", Count: int64(len(keys)), RequestID: once}, func() (godwit.Result, error) {
		return d.cfg.Service.BulkDelete(c.Context(), ns, keys, once)
	})
	if err != nil {
		return err
	}
	return c.seeOther(address("keys", "ns", ns.ID.String(), "prefix", c.query.Get("prefix"), "done", "bulk"))
}
