package dashboard

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/godwitkv/godwit"
)

// problem is an error as a page shows it.
type problem struct {
	status int
	title  string
	text   string
	err    error // for the log
}

// Error implements error.
func (p *problem) Error() string { return p.title + ": " + p.text }

// Unwrap returns what caused p, or nil.
func (p *problem) Unwrap() error { return p.err }

// explain makes any error a problem.
func explain(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	code := godwit.CodeOf(err)
	p = &problem{status: statusOf(code), title: "That did not work", text: godwit.MessageOf(err), err: err}
	switch code {
	case godwit.CodeForbidden:
		p.title, p.text = "Not allowed", "Your token does not reach this far. Ask for one that does."
	case godwit.CodeNamespaceNotFound:
		p.title, p.text = "No such namespace", "There is no namespace with this id. It may have been deleted."
	case godwit.CodeKeyNotFound:
		p.title, p.text = "No such key", "There is no such key. It may have been deleted, or have expired."
	case godwit.CodeNamespaceExists:
		p.text = "There is a namespace with this title already. Titles are unique."
	case godwit.CodeMissingTitle:
		p.text = "Give the namespace a title."
	case godwit.CodeOutcomeUnknown:
		p.title = "Outcome unknown"
		p.text = "The change may or may not have been made. Look before you try again."
	case godwit.CodeUnavailable:
		p.title = "Not now"
	case godwit.CodeDamaged:
		p.title, p.text = "Damaged", "What this node's disk has of it is damaged. Another node may have it whole; the node's log says more."
	case godwit.CodeInternal:
		p.title, p.text = "Something went wrong", "The node's log says what."
	}
	return p
}

// statusOf is the status that an error of the domain is answered with.
func statusOf(code godwit.Code) int {
	switch code {
	case godwit.CodeInternal, godwit.CodeDamaged:
		return http.StatusInternalServerError
	case godwit.CodeKeyNotFound, godwit.CodeNamespaceNotFound, godwit.CodeTokenNotFound:
		return http.StatusNotFound
	case godwit.CodeForbidden:
		return http.StatusForbidden
	case godwit.CodeUnauthenticated:
		return http.StatusUnauthorized
	case godwit.CodeNamespaceExists, godwit.CodePreconditionFailed, godwit.CodeNotNumber:
		return http.StatusConflict
	case godwit.CodeTooManyRequests, godwit.CodeTooManyWrites, godwit.CodeQuota:
		return http.StatusTooManyRequests
	case godwit.CodeValueTooLarge, godwit.CodeBodyTooLarge, godwit.CodeBulkTooLarge:
		return http.StatusRequestEntityTooLarge
	case godwit.CodeDiskFull:
		return http.StatusInsufficientStorage
	case godwit.CodeUnavailable, godwit.CodeOutcomeUnknown:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// fail shows an error in place of a page. What only the log may know goes to the
// log.
func (d *Dashboard) fail(c *call, err error) {
	p := explain(err)
	d.log(c.Request, p)
	if c.principal == nil {
		// Who it is could not be found out just now: the session stays.
		d.write(c.w, c.Request, p.status, "plain", view{Title: p.title, CSRF: d.seal().formToken(c.session), Body: p.text})
		return
	}
	d.show(c, "problem", view{Status: p.status, Title: p.title, Body: problemPage{p.text, missing(c, err), d.back(c)}})
}

// problemPage is what is shown in place of a page.
type problemPage struct {
	Text string
	Key  string // that is not there; "": it is about none
	Back string // address of the namespace's keys; "": it is about none
}

// missing is the key that a request asks for and that is not there, or "".
func missing(c *call, err error) string {
	if godwit.CodeOf(err) != godwit.CodeKeyNotFound {
		return ""
	}
	return c.query.Get("key")
}

// back is the address of the keys of the namespace that a request is about, for who may
// see them.
func (d *Dashboard) back(c *call) string {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return ""
	}
	return address("keys", "ns", ns.ID.String())
}

func (d *Dashboard) log(r *http.Request, p *problem) {
	if p.status == http.StatusInternalServerError && r.Context().Err() == nil {
		d.cfg.Logger.ErrorContext(r.Context(), "show page",
			slog.String(logMethod, r.Method), slog.String(logPath, r.URL.Path), slog.Any(logError, p.err))
	}
}
