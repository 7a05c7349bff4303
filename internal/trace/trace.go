// Package trace owns spans: how a request's trace is taken up, gone on with inside a
// node, and handed to the next one, as W3C's Trace Context has it. A span never has a
// key, a value, metadata or a title: a namespace is its id.
//
// Where nothing is traced, a Tracer is nil and contexts have no span: what is asked then
// is a comparison, and nothing is allocated. It must import the domain alone, and of
// OpenTelemetry the API: package export has the rest.
package trace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/godwitkv/godwit"
)

const scope = "github.com/godwitkv/godwit"

// Headers of W3C's Trace Context.
const (
	HeaderParent = "Traceparent"
	HeaderState  = "Tracestate"
)

// Keys of attributes.
const (
	attrNamespace = attribute.Key("godwit.namespace")
	attrCount     = attribute.Key("godwit.transactions")
	attrRevision  = attribute.Key("godwit.revision")
	attrCode      = attribute.Key("godwit.error_code")
	attrStatus    = attribute.Key("http.response.status_code")
	attrMethod    = attribute.Key("http.request.method")
	attrServer    = attribute.Key("server.address")
)

// Tracer starts traces. A nil one starts none.
type Tracer struct{ tracer trace.Tracer }

// New returns a tracer that tells p of its spans.
func New(p trace.TracerProvider) *Tracer { return &Tracer{p.Tracer(scope)} }

// Span is one that goes on. The zero value is none.
type Span struct{ span trace.Span }

// Request starts the span of a request, in the trace that its headers name, if they do.
func (t *Tracer) Request(ctx context.Context, name, method, parent, state string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	if parent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent, "tracestate": state})
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrMethod.String(methodOf(method))))
	return ctx, Span{span}
}

// methodOf is a method as an attribute: one that HTTP does not know may be as long as a
// client likes.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// Child starts a span within the one of ctx. There is none if that has none, or one that
// nobody is told of.
func Child(ctx context.Context, name string) (context.Context, Span) {
	return child(ctx, name, trace.SpanKindInternal)
}

func child(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span}
}

// Describe says of the span of ctx that it is what name says, of those that are called
// kind.
func Describe(ctx context.Context, kind, name string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetName(kind + "." + name)
	}
}

// About says of the span of ctx which namespace it is about; nil: none.
func About(ctx context.Context, ns *godwit.Namespace) {
	Span{trace.SpanFromContext(ctx)}.About(ns)
}

// About says which namespace the span is about; nil: none.
func (s Span) About(ns *godwit.Namespace) {
	if s.span != nil && ns != nil && s.span.IsRecording() {
		s.span.SetAttributes(attrNamespace.String(ns.ID.String()))
	}
}

// Answered ends a request's span by its HTTP status.
func (s Span) Answered(status int) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attrStatus.Int(status))
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// End ends the span. Of an error it has the code alone: its text may name a key.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetAttributes(attrCode.Int(int(godwit.CodeOf(err))))
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// With is ctx with the span of from: for what goes on longer than from does, or is done
// for others too.
func With(ctx, from context.Context) context.Context {
	span := trace.SpanFromContext(from)
	if !span.SpanContext().IsValid() {
		return ctx
	}
	return trace.ContextWithSpan(ctx, span)
}

// Inject writes which trace ctx is of into the header of a request.
func Inject(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}
