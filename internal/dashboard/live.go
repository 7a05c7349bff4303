package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

const liveEventsPath = Prefix + "live/events"

// livePage is what the page that watches a namespace shows.
type livePage struct {
	NS         *godwit.Namespace // nil: none was chosen
	Namespaces []*godwit.Namespace
	Prefix     string
	Events     string // address that tells of changes
}

func (d *Dashboard) live(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionRead, nil); err != nil {
		return err
	}
	page := livePage{Namespaces: d.reached(c, godwit.PermissionRead), Prefix: c.query.Get("prefix")}
	title := "Live"
	if c.query.Get("ns") != "" {
		ns, err := d.namespace(c, godwit.PermissionRead)
		if err != nil {
			return err
		}
		if err := godwit.ValidatePrefix(page.Prefix); err != nil {
			return err
		}
		page.NS, page.Events = ns, address("live/events", "ns", ns.ID.String(), "prefix", page.Prefix)
		title = "Live: " + shown(ns.Title)
	}
	d.show(c, "live", view{Title: title, Section: "live", Body: page})
	return nil
}

// liveEvents tells of changes as they happen, as the native API does, until the
// session ends.
func (d *Dashboard) liveEvents(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), time.Unix(c.session.Expires, 0).Sub(d.cfg.Now()))
	defer cancel()
	path := "/godwit/v1/namespaces/" + ns.ID.String() + "/watch?" + url.Values{"prefix": {c.query.Get("prefix")}}.Encode()
	r, err := d.apiRequest(c, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if last := c.Header.Get("Last-Event-ID"); last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	d.cfg.API.ServeHTTP(&eventsWriter{w: c.w, header: make(http.Header)}, r.WithContext(ctx))
	return nil
}
