package dashboard

import (
	"cmp"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// dataPage is what the page to take a namespace's content out and in shows.
type dataPage struct {
	NS        *godwit.Namespace
	Prefix    string
	Keys      int64 // of the namespace; -1: not known here
	Bytes     int64
	CanWrite  bool
	ExportJob string
	ImportJob string
	Result    *importResult
	Anew      bool // it is put in the place of what was shown
}

func (d *Dashboard) data(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	if err := godwit.ValidatePrefix(c.query.Get("prefix")); err != nil {
		return err
	}
	d.showData(c, &dataPage{NS: ns, Prefix: c.query.Get("prefix")}, 0)
	return nil
}

func (d *Dashboard) showData(c *call, page *dataPage, status int) {
	page.CanWrite, page.ExportJob, page.ImportJob = c.may(godwit.PermissionWrite, page.NS), once(), once()
	d.countHeld(c, page)
	d.show(c, "data", view{Status: status, Title: "Export and import: " + shown(page.NS.Title), Section: "namespaces", Body: page})
}

// countHeld counts what the namespace holds now.
func (d *Dashboard) countHeld(c *call, page *dataPage) {
	var told struct{ Keys, Bytes int64 }
	if page.Keys = -1; d.ask(c, http.MethodGet, nativeNamespace(page.NS)+"/count", nil, &told) == nil {
		page.Keys, page.Bytes = told.Keys, told.Bytes
	}
}

// nativeNamespace is where the native API has a namespace.
func nativeNamespace(ns *godwit.Namespace) string { return "/godwit/v1/namespaces/" + ns.ID.String() }

// export sends a namespace's entries as lines, as the command line's export has them.
func (d *Dashboard) export(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	prefix := c.query.Get("prefix")
	if err := godwit.ValidatePrefix(prefix); err != nil {
		return err
	}
	kv, err := d.kv(c, ns)
	if err != nil {
		return err
	}
	one, err := d.jobs.begin(c.query.Get("job"), c.principal)
	if err != nil {
		return err
	}
	defer d.jobs.end(one)
	out := &exportWriter{w: c.w, name: exportName(ns.Title, prefix, d.cfg.Now().UTC().Format("20060102-150405"))}
	err = transfer.Write(c.Context(), &transfer.Server{KV: kv, Prefix: prefix}, out, &one.progress, d.unixNow)
	switch {
	case err == nil:
		out.begin()
	case out.begun:
		d.log(c.Request, &problem{status: http.StatusInternalServerError, err: err})
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	default:
		err = fromClient(err)
	}
	return err
}

func (d *Dashboard) unixNow() int64 { return d.cfg.Now().Unix() }

// exportWriter says what a download is once its first lines are there.
type exportWriter struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

func (e *exportWriter) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": e.name}))
	e.w.WriteHeader(http.StatusOK)
}

// Write implements io.Writer.
func (e *exportWriter) Write(p []byte) (int, error) {
	e.begin()
	return e.w.Write(p)
}

// exportName is what a download is called.
func exportName(title, prefix, at string) string {
	name := fileName(strings.ReplaceAll(title, "/", "_"))
	if prefix != "" {
		name += "_" + fileName(strings.ReplaceAll(prefix, "/", "_"))
	}
	return clip(150, name) + "_" + at + ".ndjson"
}

// fromClient makes an error of the client one of ours.
func fromClient(err error) error {
	var told *client.Error
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		return godwit.ErrOutcomeUnknown
	case errors.Is(err, client.ErrForbidden):
		return godwit.ErrForbidden
	case errors.Is(err, client.ErrNamespaceNotFound):
		return godwit.ErrNamespaceNotFound
	case errors.Is(err, client.ErrKeyNotFound):
		return godwit.ErrKeyNotFound
	case errors.As(err, &told):
		return &problem{status: told.Status, title: titleOf(told.Status), text: cmp.Or(told.Message, "The node refused it."), err: err}
	}
	return err
}

// titleOf is over what an API said with a status.
func titleOf(status int) string {
	switch status {
	case http.StatusInternalServerError:
		return "Something went wrong"
	case http.StatusServiceUnavailable:
		return "Not now"
	case http.StatusGone:
		return "Not kept"
	default:
		return "That did not work"
	}
}
