package cloudflare

import (
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

// audited tells whether the call is one for the audit log: a write, or
// administration that is decided here.
func (c *call) audited() bool {
	switch {
	case !c.h.service.Audit().On() || c.principal == nil: // who is nobody is recorded where that is found out
		return false
	case c.endpoint.need == godwit.PermissionAdmin:
		return c.h.passOn == nil
	}
	return c.endpoint.need == godwit.PermissionWrite
}

// announce has the audit log know of a call before it is carried out, where it must.
// Error: CodeUnavailable.
func (c *call) announce() error {
	if !c.audited() {
		return nil
	}
	return c.h.service.Audit().Begin(c.auditEntry())
}

// record has the audit log know what became of a call.
func (c *call) record() {
	if !c.audited() {
		return
	}
	e := c.auditEntry()
	if e.Ended(c.w.status); c.w.status == http.StatusOK {
		e.Revision = c.w.Header().Get(api.HeaderRevision)
	}
	c.h.service.Audit().Record(e)
}

// auditEntry is the call as the audit log has it.
func (c *call) auditEntry() audit.Entry {
	e := audit.Entry{
		Operation: c.endpoint.name, Remote: remote(c.r).String(), Key: c.params.key, Count: c.count,
		RequestID: c.w.Header().Get(api.HeaderRequestID), Upstream: true,
	}
	e.By(c.principal.Token)
	if e.About(c.ns, c.title); c.ns == nil {
		e.Namespace = c.params.namespace
	}
	return e
}
