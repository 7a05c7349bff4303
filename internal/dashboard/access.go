package dashboard

import (
	"net/http"
	"strconv"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// accessPage is what the page about a token shows: what it may do.
type accessPage struct {
	tokenRow
	Root   bool
	May    []right
	All    bool // it is for all namespaces, those to come too
	Rate   string
	Reach  []*godwit.Namespace // that it is for and that are there
	Hidden int                 // those that are not shown
}

// right is something that a token may or may not do.
type right struct {
	What string
	May  bool
}

// maxReach bounds how many namespaces a page about a token names.
const maxReach = 200

// access shows what the token may do that one is signed in with, or, to who administers
// tokens, any other.
func (d *Dashboard) access(c *call) error {
	p := c.principal
	if id := c.query.Get("id"); id != "" && id != p.Token.ID {
		t, err := d.tokenByID(c, id)
		if err != nil {
			return err
		}
		p = &catalog.Principal{Token: t}
	}
	page := accessPage{
		tokenRow: d.tokenRow(c, *p.Token, nil), Root: p.Root, All: p.Root || len(p.Token.Namespaces) == 0, May: rights(p),
	}
	if rate := p.Token.RequestsPerSecond; rate != 0 {
		page.Rate = strconv.FormatFloat(rate, 'f', -1, 64)
	}
	if !page.All {
		for _, id := range p.Token.Namespaces {
			ns := d.cfg.Service.Catalog().KnownNamespace(id)
			if ns == nil || len(page.Reach) == maxReach {
				page.Hidden++
				continue
			}
			page.Reach = append(page.Reach, ns)
		}
	}
	d.show(c, "access", view{Title: "What a token may do", Section: "tokens", Body: page})
	return nil
}

// tokenByID finds a token for who administers them.
func (d *Dashboard) tokenByID(c *call, id string) (*godwit.Token, error) {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return nil, err
	}
	var told struct{ Tokens []godwit.Token }
	if err := d.ask(c, http.MethodGet, "/godwit/v1/tokens", nil, &told); err != nil {
		return nil, err
	}
	for i := range told.Tokens {
		if told.Tokens[i].ID == id {
			return &told.Tokens[i], nil
		}
	}
	return nil, &problem{status: http.StatusNotFound, title: "No such token", text: "There is no token with this id. It may have been revoked."}
}

// rights are what there is to do, and whether a token may.
func rights(p *catalog.Principal) []right {
	has := func(need godwit.Permission) bool { return p.Root || p.Token.Permission.Includes(need) }
	return []right{
		{"Read values, metadata, lists and history; watch; export", has(godwit.PermissionRead)},
		{"Write, delete and restore keys; import", has(godwit.PermissionWrite)},
		{"Follow as an edge does, of its namespaces", has(godwit.PermissionReplicate)},
		{"Rename, set and delete its namespaces", has(godwit.PermissionAdmin)},
		{"Create namespaces; make and revoke tokens; read the audit log, and slow and failing requests", catalog.Authorize(p, godwit.PermissionAdmin, nil) == nil},
	}
}

// Lives tells until when the token is good, in words.
func (p accessPage) Lives() string {
	switch {
	case p.Root:
		return "until it is rotated"
	case p.Expired:
		return "no longer: it has expired"
	case p.Until == nil:
		return "until it is revoked"
	}
	return p.Until.Away + ", at " + time.Unix(p.Expires, 0).UTC().Format("2006-01-02 15:04:05 UTC")
}
