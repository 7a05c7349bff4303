package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// maxTokenRows bounds how many tokens one page shows.
const maxTokenRows = 200

// maxTokenDays bounds the life that the form gives a token.
const maxTokenDays = 3650

// tokensPage is what the page of tokens shows.
type tokensPage struct {
	List       []tokenRow
	Total      int64 // of all that there are
	Found      int64 // of those that the filter lets through
	Filter     string
	Namespaces []*godwit.Namespace
	Form       tokenForm
	Problem    string
	Secret     string // of the one made just now
	Made       string // its name
}

// tokenRow is a token in the list.
type tokenRow struct {
	godwit.Token
	Titles  []string // of the namespaces that it is for; nil: all
	Since   moment
	Until   *moment
	Expired bool
	Own     bool // who is signed in uses it
}

// tokenForm is what a person fills in to make a token.
type tokenForm struct {
	Name       string
	Permission string
	Some       bool // for the namespaces picked alone
	All        bool // for all namespaces
	Picked     map[string]bool
	Days       string
}

func (d *Dashboard) tokens(c *call) error {
	return d.showTokens(c, tokensPage{Form: tokenForm{Permission: "read"}, Filter: c.query.Get("q")}, 0)
}

func (d *Dashboard) showTokens(c *call, page tokensPage, status int) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return err
	}
	var told struct{ Tokens []godwit.Token }
	if err := d.ask(c, http.MethodGet, "/godwit/v1/tokens", nil, &told); err != nil {
		return err
	}
	page.Namespaces = d.reached(c, godwit.PermissionAdmin)
	titles := make(map[godwit.NamespaceID]string, len(page.Namespaces))
	for _, ns := range page.Namespaces {
		titles[ns.ID] = ns.Title
	}
	page.Total = int64(len(told.Tokens))
	slices.Reverse(told.Tokens) // the latest first
	for _, t := range told.Tokens {
		if !strings.Contains(strings.ToLower(t.Name), strings.ToLower(page.Filter)) && t.ID != page.Filter {
			continue
		}
		if page.Found++; page.Found <= maxTokenRows {
			page.List = append(page.List, d.tokenRow(c, t, titles))
		}
	}
	d.show(c, "tokens", view{Status: status, Title: "Tokens", Section: "tokens", Body: page})
	return nil
}

func (d *Dashboard) tokenRow(c *call, t godwit.Token, titles map[godwit.NamespaceID]string) tokenRow {
	now := d.cfg.Now()
	row := tokenRow{Token: t, Since: momentOf(time.Unix(t.Created, 0), now), Own: t.ID == c.principal.Token.ID}
	if t.Expires != 0 {
		until := momentOf(time.Unix(t.Expires, 0), now)
		row.Until, row.Expired = &until, t.Expires <= now.Unix()
	}
	for _, id := range t.Namespaces {
		title, ok := titles[id]
		if !ok {
			title = "a deleted one"
		}
		row.Titles = append(row.Titles, title)
	}
	return row
}

// reached are the namespaces that who is signed in may do this to, by title.
func (d *Dashboard) reached(c *call, need godwit.Permission) []*godwit.Namespace {
	var some []*godwit.Namespace
	for _, ns := range d.cfg.Service.Catalog().Namespaces() {
		if c.may(need, ns) {
			some = append(some, ns)
		}
	}
	slices.SortFunc(some, func(a, b *godwit.Namespace) int { return cmp.Compare(a.Title, b.Title) })
	return some
}

// createToken makes a token and shows its secret, this once.
func (d *Dashboard) createToken(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return err
	}
	form := tokenForm{
		Name: c.PostForm.Get("name"), Permission: c.PostForm.Get("permission"), Days: c.PostForm.Get("days"),
		Some: c.PostForm.Get("reach") == "some", All: c.PostForm.Get("reach") == "all", Picked: make(map[string]bool),
	}
	for _, id := range c.PostForm["ns"] {
		form.Picked[id] = true
	}
	var made struct{ Token string }
	body, err := form.body(d.cfg.Now())
	if err == nil {
		err = d.ask(c, http.MethodPost, "/godwit/v1/tokens", body, &made)
	}
	if err != nil {
		p := explain(err)
		d.log(c.Request, p)
		return d.showTokens(c, tokensPage{Form: form, Problem: p.text}, p.status)
	}
	return d.showTokens(c, tokensPage{Form: tokenForm{Permission: "read"}, Secret: made.Token, Made: form.Name}, 0)
}

// body is the request that the form asks for. Error: CodeInvalidRequest.
func (f *tokenForm) body(now time.Time) (map[string]any, error) {
	body := map[string]any{"name": f.Name, "permission": f.Permission}
	switch {
	case !f.Some && len(f.Picked) > 0:
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "Namespaces are selected, but the token would be for all. Choose \"Only these\", or select none.")
	case f.Some == f.All:
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "Say whether the token is for all namespaces or for some.")
	case f.Some:
		if len(f.Picked) == 0 {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "Select the namespaces that the token is for, or make it for all.")
		}
		ids := make([]string, 0, len(f.Picked))
		for id := range f.Picked {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		body["namespaces"] = ids
	}
	if f.Days != "" {
		days, err := strconv.Atoi(f.Days)
		if err != nil || days < 1 || days > maxTokenDays {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "A token's life is 1 to %d days.", maxTokenDays)
		}
		body["expires"] = now.Unix() + int64(days)*24*60*60
	}
	return body, nil
}

// revokeToken revokes one. Of who is signed in with it the session ends.
func (d *Dashboard) revokeToken(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return err
	}
	if err := d.ask(c, http.MethodDelete, "/godwit/v1/tokens/"+url.PathEscape(c.PostForm.Get("id")), nil, nil); err != nil {
		return err
	}
	return c.seeOther(address("tokens", "done", "revoked"))
}
