package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
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
	Title    string // as it came in, or is
	Problem  string
	Where    string // the form that the problem is of
}

// settingsForm is godwit.Settings as text, "" where the node's own value is in force.
type settingsForm struct {
	MinExpirationTTL, MinCacheTTL, WritesPerKey, Consistency string

	History, EraseWithin, MaxKeys, MaxBytes, RequestsPerSecond string
}

func formOf(s godwit.Settings) settingsForm {
	return settingsForm{
		whole(s.MinExpirationTTL), whole(s.MinCacheTTL), decimal(s.WritesPerKey), s.Consistency,
		s.History, s.EraseWithin, whole(s.MaxKeys), whole(s.MaxBytes), decimal(s.RequestsPerSecond),
	}
}

func whole(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func decimal(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// formOfSettings reads the form as a browser sent it.
func formOfSettings(get func(string) string) settingsForm {
	given := func(name string) string { return strings.TrimSpace(get(name)) }
	return settingsForm{
		given("min_expiration_ttl"), given("min_cache_ttl"), given("writes_per_key"), given("consistency"),
		given("history"), given("erase_within"), given("max_keys"), given("max_bytes"), given("requests_per_second"),
	}
}

// patch is the body that puts the form's settings in place of those that are.
func (f settingsForm) patch() (map[string]any, error) {
	body := make(map[string]any)
	for name, text := range map[string]string{
		"min_expiration_ttl": f.MinExpirationTTL, "min_cache_ttl": f.MinCacheTTL, "max_keys": f.MaxKeys, "max_bytes": f.MaxBytes,
	} {
		body[name] = nil
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s is a whole number.", name)
		}
		body[name] = n
	}
	for name, text := range map[string]string{"writes_per_key": f.WritesPerKey, "requests_per_second": f.RequestsPerSecond} {
		body[name] = nil
		if text == "" {
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n || n-n != 0 { // neither NaN nor infinite
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s is a number.", name)
		}
		body[name] = n
	}
	for name, text := range map[string]string{"consistency": f.Consistency, "history": f.History, "erase_within": f.EraseWithin} {
		if body[name] = nil; text != "" {
			body[name] = text
		}
	}
	return body, nil
}

func (d *Dashboard) aboutNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	d.showNamespace(c, namespacePage{NS: ns, Title: ns.Title, Settings: formOf(ns.Settings)}, 0)
	return nil
}

func (d *Dashboard) showNamespace(c *call, page namespacePage, status int) {
	d.show(c, "namespace", view{Status: status, Title: "Settings of " + shown(page.NS.Title), Section: "namespaces", Body: page})
}

func (d *Dashboard) renameNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	title := c.PostForm.Get("title")
	if err := d.ask(c, http.MethodPut, d.restPath(ns.ID.String()), map[string]string{"title": title}, nil); err != nil {
		return d.refuseNamespace(c, namespacePage{NS: ns, Title: title, Settings: formOf(ns.Settings), Where: "rename"}, err)
	}
	return c.seeOther(address("namespace", "ns", ns.ID.String(), "done", "ns-renamed"))
}

func (d *Dashboard) setNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	form := formOfSettings(c.PostForm.Get)
	body, err := form.patch()
	if err == nil {
		err = d.ask(c, http.MethodPatch, "/godwit/v1/namespaces/"+ns.ID.String()+"/settings", body, nil)
	}
	if err != nil {
		return d.refuseNamespace(c, namespacePage{NS: ns, Title: ns.Title, Settings: form, Where: "settings"}, err)
	}
	return c.seeOther(address("namespace", "ns", ns.ID.String(), "done", "ns-set"))
}

// deleteNamespace asks for the title, typed: nothing brings the keys back.
func (d *Dashboard) deleteNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	if typed := c.PostForm.Get("confirm"); typed != ns.Title && typed != shown(ns.Title) {
		err = godwit.Errorf(godwit.CodeInvalidRequest, "This is not the title. Nothing was deleted.")
	} else {
		err = d.ask(c, http.MethodDelete, d.restPath(ns.ID.String()), nil, nil)
	}
	if err != nil {
		return d.refuseNamespace(c, namespacePage{NS: ns, Title: ns.Title, Settings: formOf(ns.Settings), Where: "delete"}, err)
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
