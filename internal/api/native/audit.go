package native

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

// namespaceCreate is what the audit log calls the making of a namespace.
const namespaceCreate = "namespace_create"

// recorded carries a request out, and has the audit log know of it if it is one that
// changes something. Where nothing may happen unrecorded, the log knows before.
func (h *Handler) recorded(r *request, rt *route, answer endpoint) (any, error) {
	log := h.cfg.Service.Audit()
	r.announce = func() error { return log.Begin(r.auditEntry(rt)) }
	switch operation := rt.audited[r.Method]; {
	case !log.On() || operation == "":
		r.announce = func() error { return nil }
		return answer(h, r)
	case operation == namespaceCreate: // announces itself, once it has read what it is to be called
	default:
		h.identify(r, rt)
		if err := r.announce(); err != nil {
			return nil, err
		}
	}
	body, err := answer(h, r)
	e := r.auditEntry(rt)
	if err != nil {
		rep, _ := table(godwit.CodeOf(err))
		e.Ended(rep.status)
	} else {
		e.Ended(http.StatusOK)
		if e.Revision = r.revision.String(); r.revision == 0 {
			e.Revision = h.cfg.Service.Revision().String()
		}
	}
	log.Record(e)
	return body, err
}

// identify finds the namespace that an announcement is about, as far as the token may know
// of it. The endpoint decides anew.
func (h *Handler) identify(r *request, rt *route) {
	if h.cfg.Service.Audit().Strict() && strings.HasPrefix(rt.path, "namespaces/") {
		_, _ = h.find(r, godwit.PermissionRead) // else it is told of as the client called it
	}
}

// auditEntry is the request as the audit log has it.
func (r *request) auditEntry(rt *route) audit.Entry {
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	e := audit.Entry{
		Operation: rt.audited[r.Method], Remote: remote.Addr().Unmap().String(), Count: r.count, Target: r.target,
		RequestID: r.Header.Get(api.HeaderRequestID), Upstream: true,
	}
	e.By(r.principal.Token)
	switch called, err := url.PathUnescape(r.argument); {
	case err != nil:
	case rt.audited[r.Method] == namespaceCreate:
		e.About(r.ns, r.title)
	case strings.HasPrefix(rt.path, "namespaces/"):
		e.About(r.ns, called)
	case e.Target == "":
		e.Target = called
	}
	return e
}
