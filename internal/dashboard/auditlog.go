package dashboard

import (
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// pageEntries is how many entries of the audit log a page shows.
const pageEntries = 100

// auditPage is what the page of the audit log shows.
type auditPage struct {
	On      bool
	Filter  auditFilter
	Rows    []auditRow
	Next    string // address of older ones; "": there are none
	Problem string
}

// auditFilter is which entries are wanted, as it came in.
type auditFilter struct {
	Namespace string // id, or part of the title
	Token     string // id, or part of the name
	Operation string
	Outcome   string
	From, To  string // in UTC
}

// Any tells whether something is to be left out.
func (f auditFilter) Any() bool { return f != auditFilter{} }

// auditRow is an entry in the list.
type auditRow struct {
	audit.Entry
	At moment
	NS string // id of the namespace, while that is there
}

// Who is whose doing it was.
func (r auditRow) Who() string {
	if r.TokenName != "" {
		return r.TokenName
	}
	return r.Token
}

func (d *Dashboard) auditLog(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionAdmin, nil); err != nil {
		return err
	}
	get := func(name string) string { return strings.TrimSpace(c.query.Get(name)) }
	page := auditPage{
		On:     d.cfg.Service.Audit().On(),
		Filter: auditFilter{get("namespace"), get("token"), get("operation"), get("outcome"), get("from"), get("to")},
	}
	q, err := page.Filter.query()
	if err != nil {
		page.Problem = explain(err).text
		d.show(c, "audit", view{Status: explain(err).status, Title: "Audit log", Section: "audit", Body: page})
		return nil
	}
	q.Cursor = c.query.Get("cursor")
	found, err := d.cfg.Service.Audit().Read(c.Context(), q)
	if err != nil {
		return err
	}
	now := d.cfg.Now()
	for i := range found.Entries {
		row := auditRow{Entry: found.Entries[i], At: momentOf(found.Entries[i].Time, now)}
		if id, err := godwit.ParseNamespaceID(row.Namespace); err == nil {
			if d.cfg.Service.Catalog().KnownNamespace(id) != nil { // nobody is asked: most that are not there are gone
				row.NS = id.String()
			}
		}
		page.Rows = append(page.Rows, row)
	}
	if found.Cursor != "" {
		f := page.Filter
		page.Next = address("audit", "namespace", f.Namespace, "token", f.Token, "operation", f.Operation,
			"outcome", f.Outcome, "from", f.From, "to", f.To, "cursor", found.Cursor)
	}
	d.show(c, "audit", view{Title: "Audit log", Section: "audit", Body: page})
	return nil
}

// query is what the filter asks of the log. Error: CodeInvalidRequest.
func (f auditFilter) query() (q audit.Query, err error) {
	var to time.Time
	if q.Since, err = utcTime(f.From); err != nil {
		return q, err
	}
	if to, err = utcTime(f.To); err != nil {
		return q, err
	}
	q.Limit = pageEntries
	q.Match = func(e *audit.Entry) bool {
		return (to.IsZero() || e.Time.Before(to)) && named(f.Namespace, e.Namespace, e.Title) && named(f.Token, e.Token, e.TokenName) &&
			(f.Operation == "" || strings.Contains(e.Operation, strings.ToLower(f.Operation))) && (f.Outcome == "" || e.Outcome == f.Outcome)
	}
	return q, nil
}

// named tells whether a filter is an id, or in a name.
func named(filter, id, name string) bool {
	return filter == "" || strings.EqualFold(filter, id) || strings.Contains(strings.ToLower(name), strings.ToLower(filter))
}

// utcTime reads a date with a time as browsers send it; "" is the zero time. Error:
// CodeInvalidRequest.
func utcTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{datetimeLocal, datetimeLocal + ":05", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, godwit.Errorf(godwit.CodeInvalidRequest, "Say from when and until when by a date with a time, in UTC.")
}
