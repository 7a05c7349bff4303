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
	Cut       bool // many were looked at and few found: there may be more
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
}

func (d *Dashboard) keys(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	page, err := d.keysPage(c, ns, place{c.query.Get("prefix"), c.query.Get("from"), c.query.Get("before")})
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
	link := func(name, key string) string {
		return address("keys", "ns", page.NS.ID.String(), "prefix", at.prefix, name, key)
	}
	if at.before != "" {
		found, _, err := d.gather(ctx, page, at, opts)
		if err != nil {
			return nil, err
		}
		if len(found) > pageKeys {
			found = found[:pageKeys]
			slices.Reverse(found)
			page.Prev, page.Next = link("before", found[0].Key), link("from", at.before)
			return found, nil
		}
		at.from, at.before = "", "" // it is the first page: show it whole
	}
	found, more, err := d.gather(ctx, page, at, opts)
	if err != nil {
		return nil, err
	}
	page.Start, page.Cut = at.from == "", more && len(found) <= pageKeys
	if len(found) > pageKeys {
		page.Next = link("from", found[pageKeys].Key)
		found = found[:pageKeys]
	}
	switch {
	case at.from == "":
	case len(found) > 0:
		page.Prev = link("before", found[0].Key)
	default:
		page.Prev = link("before", at.from)
	}
	return found, nil
}

// gather scans until there is one entry more than a page takes, or there are no more,
// or long enough.
func (d *Dashboard) gather(ctx context.Context, page *keysPage, at place, opts godwit.ReadOptions) (found []godwit.Entry, more bool, err error) {
	scan := &godwit.Scan{Start: at.from, End: at.before, Reverse: at.before != ""}
	q := godwit.ListQuery{Prefix: at.prefix, Limit: pageKeys + 1, Scan: scan}
	for range maxScans {
		part, err := d.cfg.Service.List(ctx, page.NS, q, opts)
		if err != nil {
			return nil, false, err
		}
		page.Stale = page.Stale || part.Served.Status == godwit.StatusStale
		found = append(found, part.Entries...)
		if len(found) > pageKeys || !part.More {
			return found, false, nil
		}
		q.Cursor = part.Cursor
	}
	return found, true, nil
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
	ns, err := d.namespace(c, godwit.PermissionWrite)
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
