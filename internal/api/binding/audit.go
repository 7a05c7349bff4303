package binding

import (
	"github.com/valyala/fasthttp"

	"github.com/godwitkv/godwit/internal/audit"
)

// announce has the audit log know of a write before it is carried out, where it
// must. Error: CodeUnavailable.
func (s *Server) announce(r *request) error {
	if log := s.cfg.Service.Audit(); log.On() {
		return log.Begin(r.auditEntry())
	}
	return nil
}

// record has the audit log know what became of a write.
func (s *Server) record(r *request) {
	log := s.cfg.Service.Audit()
	if !log.On() || r.principal == nil { // who is nobody is recorded where that is found out
		return
	}
	e := r.auditEntry()
	status := r.ctx.Response.StatusCode()
	if e.Ended(status); status == fasthttp.StatusOK {
		e.Revision = r.revision.String()
	}
	log.Record(e)
}

// auditEntry is a write as the audit log has it.
func (r *request) auditEntry() audit.Entry {
	e := audit.Entry{Operation: r.op.String(), Remote: r.c.remote.String(), RequestID: string(r.id), Upstream: true}
	e.By(r.principal.Token)
	e.About(r.ns, string(r.peek(hdrNamespace)))
	if key, err := r.decodeKey(); err == nil {
		e.Key = string(key)
	}
	return e
}
