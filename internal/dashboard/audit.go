package dashboard

import (
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/audit"
)

// recorded makes a change of keys, and has the audit log know of it. What goes through
// the node's own APIs they record.
func (d *Dashboard) recorded(c *call, ns *godwit.Namespace, e audit.Entry, change func() (godwit.Result, error)) error {
	log := d.cfg.Service.Audit()
	e.Remote, e.Upstream = remote(c.Request).String(), true
	e.By(c.principal.Token)
	e.About(ns, "")
	if err := log.Begin(e); err != nil {
		return err
	}
	res, err := change()
	e.Ended(http.StatusOK)
	if e.Revision = res.Revision.String(); err != nil {
		e.Ended(statusOf(godwit.CodeOf(err)))
		e.Revision = ""
	}
	if godwit.CodeOf(err) == godwit.CodeOutcomeUnknown && err != nil {
		e.Outcome = audit.OutcomeUnknown
	}
	log.Record(e)
	return err
}
