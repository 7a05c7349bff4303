package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// listed is a namespace as lists show it.
type listed struct {
	godwit.Namespace
	Keys      int64 `json:"keys"`
	Bytes     int64 `json:"bytes"`
	Elsewhere bool  `json:"-"` // this node does not have its keys
}

// namespacesPage is what the list of namespaces shows.
type namespacesPage struct {
	List    []listed
	Total   int64
	Filter  string
	Title   string // of the form to create one, as it came in
	Problem string
}

func (d *Dashboard) namespaces(c *call) error {
	return d.showNamespaces(c, namespacesPage{Filter: c.query.Get("q")}, 0)
}

func (d *Dashboard) showNamespaces(c *call, page namespacesPage, status int) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionRead, nil); err != nil {
		return err
	}
	var told struct{ Namespaces []listed }
	if err := d.ask(c, http.MethodGet, "/godwit/v1/namespaces", nil, &told); err != nil {
		return err
	}
	page.Total = int64(len(told.Namespaces))
	filter := strings.ToLower(page.Filter)
	for _, ns := range told.Namespaces {
		if !strings.Contains(strings.ToLower(ns.Title), filter) && ns.ID.String() != filter {
			continue
		}
		ns.Elsewhere = d.cfg.Carried != nil && !d.cfg.Carried(ns.ID)
		page.List = append(page.List, ns)
	}
	slices.SortFunc(page.List, func(a, b listed) int { return cmp.Compare(a.Title, b.Title) })
	d.show(c, "namespaces", view{Status: status, Title: "Namespaces", Section: "namespaces", Body: page})
	return nil
}

func (d *Dashboard) createNamespace(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return err
	}
	title := c.PostForm.Get("title")
	var made struct{ Result struct{ ID string } }
	err := d.ask(c, http.MethodPost, d.restPath(""), map[string]string{"title": title}, &made)
	if err != nil {
		p := explain(err)
		return d.showNamespaces(c, namespacesPage{Title: title, Problem: p.text}, p.status)
	}
	return c.seeOther(address("keys", "ns", made.Result.ID, "done", "ns-created"))
}

// restPath is where the REST API has the namespace with this id, or all.
func (d *Dashboard) restPath(id string) string {
	path := "/client/v4/accounts/" + d.cfg.Service.Catalog().Account() + "/storage/kv/namespaces"
	if id != "" {
		path += "/" + id
	}
	return path
}

// namespacePage is what the page about one namespace shows.
type namespacePage struct {
	NS       *godwit.Namespace
	Settings settingsForm
	Was      settingsForm // the settings that the form was filled from
	Title    string       // as it came in, or is
	Problem  string
	Where    string // the form that the problem is of
}

func (d *Dashboard) aboutNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	d.showNamespace(c, namespacePage{NS: ns, Title: ns.Title}, 0)
	return nil
}

// showNamespace shows the page about a namespace, with its settings as they are unless
// the page has some that came in.
func (d *Dashboard) showNamespace(c *call, page namespacePage, status int) {
	if page.Settings == nil {
		page.Was = formOf(page.NS.Settings)
		page.Settings = page.Was
	}
	d.show(c, "namespace", view{Status: status, Title: "Settings of " + shown(page.NS.Title), Section: "namespaces", Body: page})
}

func (d *Dashboard) renameNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	title := c.PostForm.Get("title")
	if err := d.ask(c, http.MethodPut, d.restPath(ns.ID.String()), map[string]string{"title": title}, nil); err != nil {
		return d.refuseNamespace(c, namespacePage{NS: ns, Title: title, Where: "rename"}, err)
	}
	return c.seeOther(address("namespace", "ns", ns.ID.String(), "done", "ns-renamed"))
}

// deleteNamespace asks for the title, typed: nothing brings the keys back. It must be the
// title where that is decided, too: what this node knows may be old.
func (d *Dashboard) deleteNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	if typed := c.PostForm.Get("confirm"); typed != ns.Title && typed != shown(ns.Title) {
		err = godwit.Errorf(godwit.CodeInvalidRequest, "This is not the title. Nothing was deleted.")
	} else {
		err = d.ask(c, http.MethodDelete, "/godwit/v1/namespaces/"+ns.ID.String()+"?title="+url.QueryEscape(ns.Title), nil, nil)
	}
	if err != nil {
		if now, err := d.cfg.Service.Catalog().NamespaceNow(c.Context(), ns.ID); err == nil {
			ns = now
		}
		return d.refuseNamespace(c, namespacePage{NS: ns, Title: ns.Title, Where: "delete"}, err)
	}
	return c.seeOther(address("namespaces", "done", "ns-deleted"))
}

// refuseNamespace shows the page about a namespace with what was wrong in a form.
func (d *Dashboard) refuseNamespace(c *call, page namespacePage, err error) error {
	p := explain(err)
	d.log(c.Request, p)
	page.Problem = p.text
	d.showNamespace(c, page, p.status)
	return nil
}
