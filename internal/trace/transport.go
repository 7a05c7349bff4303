package trace

import (
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// Transport asks other nodes by rt, and hands them the trace of the request's context.
// name says what is asked, in a few fixed words. Requests of no trace go as they are.
func Transport(rt http.RoundTripper, name func(*http.Request) string) http.RoundTripper {
	return &transport{rt, name}
}

type transport struct {
	rt   http.RoundTripper
	name func(*http.Request) string
}

// RoundTrip implements http.RoundTripper. The span ends with the answer's head.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return t.rt.RoundTrip(r)
	}
	ctx, span := child(ctx, t.name(r), trace.SpanKindClient)
	if span.span != nil {
		span.span.SetAttributes(attrMethod.String(r.Method), attrServer.String(r.URL.Host))
	}
	r = r.Clone(ctx)
	Inject(ctx, r.Header)
	res, err := t.rt.RoundTrip(r)
	if err != nil {
		span.End(err)
		return nil, err
	}
	span.Answered(res.StatusCode)
	return res, nil
}

// CloseIdleConnections lets an http.Client close those of rt.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
