package binding

import "github.com/godwitkv/godwit/internal/trace"

// trace starts the span of a request, in the trace that its headers name.
func (s *Server) trace(r *request) {
	h := &r.ctx.Request.Header
	r.in, r.span = s.cfg.Tracer.Request(s.ctx, "binding."+r.op.String(), string(h.Method()),
		string(h.Peek(trace.HeaderParent)), string(h.Peek(trace.HeaderState)))
}

// traced ends it.
func (s *Server) traced(r *request) {
	r.span.About(r.ns)
	r.span.Answered(r.ctx.Response.StatusCode())
	r.span = trace.Span{}
}
