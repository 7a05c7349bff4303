package dashboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/godwitkv/godwit"
)

//go:embed templates/*.html
var templates embed.FS

// view is what every page of who is signed in shows.
type view struct {
	Status  int
	Title   string
	Section string // which entry of the navigation this is
	Body    any

	// Filled in by show:

	CSRF   string
	Who    string // what the token is called
	Can    string // its permission
	Admin  bool   // may administer the account as a whole
	Node   nodeStatus
	Notice string // what was done just now
	Posted bool   // a form was sent that is shown again: what is in it may be nowhere else
}

// parsePages makes the pages of their templates, each with the layout around it.
func parsePages(a *assets) map[string]*template.Template {
	layout := template.New("layout.html").Funcs(functions(a))
	layout = template.Must(layout.ParseFS(templates, "templates/layout.html", "templates/parts.html"))
	files, err := templates.ReadDir("templates")
	if err != nil {
		panic(fmt.Sprintf("read embedded files: %v", err)) // they are in the binary
	}
	pages := make(map[string]*template.Template)
	for _, file := range files {
		name := file.Name()
		if name == "layout.html" || name == "parts.html" {
			continue
		}
		page := template.Must(template.Must(layout.Clone()).ParseFS(templates, "templates/"+name))
		pages[strings.TrimSuffix(name, ".html")] = page
	}
	return pages
}

// notices are what actions have the next page tell. No text from outside is shown.
func notices() map[string]string {
	return map[string]string{
		"ns-created": "Namespace created.",
		"ns-renamed": "Namespace renamed.",
		"ns-set":     "Settings saved.",
		"ns-deleted": "Namespace deleted, with all its keys.",
		"saved":      "Saved.",
		"deleted":    "Key deleted.",
		"restored":   "Restored: the key holds again what it held then.",
		"undeleted":  "The key is back, with what it held last.",
		"bulk":       "The selected keys were deleted.",
		"revoked":    "Token revoked. What was signed in with it is no longer.",
	}
}

// show writes a page with all that is around it.
func (d *Dashboard) show(c *call, page string, v view) {
	v.CSRF = d.seal().formToken(c.session)
	v.Who, v.Can = c.principal.Token.Name, string(c.principal.Token.Permission)
	if v.Who == "" {
		v.Who = "unnamed token"
	}
	v.Admin = c.may(godwit.PermissionAdmin, nil)
	v.Node = d.nodeStatus(c)
	v.Notice = notices()[c.query.Get("done")]
	v.Posted = c.Method == http.MethodPost
	d.write(c.w, c.Request, v.Status, page, v)
}

// write renders a page whole before any of it goes out.
func (d *Dashboard) write(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	d.writePart(w, r, status, page, "layout.html", data)
}

// writePart renders a part of a page, for scripts that put it in place.
func (d *Dashboard) writePart(w http.ResponseWriter, r *http.Request, status int, page, part string, data any) {
	var b bytes.Buffer
	if err := d.pages()[page].ExecuteTemplate(&b, part, data); err != nil {
		d.log(r, &problem{status: http.StatusInternalServerError, err: fmt.Errorf("render %s: %w", page, err)})
		http.Error(w, "Something went wrong. The node's log says what.", http.StatusInternalServerError)
		return
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone
}
