// Package export sends spans to a collector by OTLP over HTTP. It is the only one that
// knows OpenTelemetry's SDK.
package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/godwitkv/godwit/internal/trace"
)

const (
	logError     = "error"
	logSpans     = "spans"
	tracesPath   = "/v1/traces"
	closeTimeout = 3 * time.Second // for what waits to be sent
	sendTimeout  = 5 * time.Second
)

// Config is what an Exporter needs.
type Config struct {
	Endpoint string  // URL of a collector, with or without /v1/traces at its end
	Ratio    float64 // of the traces that begin here; others are as their parent says

	Service  string // "godwit", or "godwit-worker"
	Version  string
	Instance string // of the process
	Location string
	Role     string
	Logger   *slog.Logger
}

// CheckEndpoint wants the URL of a collector.
func CheckEndpoint(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("%q is not of the form http://host:port", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the URL holds more than scheme, host, port and path: give credentials by OTEL_EXPORTER_OTLP_HEADERS")
	}
	return nil
}

// Exporter gathers spans and sends them.
type Exporter struct {
	provider *sdk.TracerProvider
	tracer   *trace.Tracer
}

// Open starts to send what its tracer tells of. Nothing waits for a collector: what it
// does not take is dropped. Headers, certificates and timeouts are as the environment has
// them (OTEL_EXPORTER_OTLP_HEADERS and others). Error: the endpoint is none.
func Open(ctx context.Context, cfg Config) (*Exporter, error) {
	if err := CheckEndpoint(cfg.Endpoint); err != nil {
		return nil, err
	}
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	if !strings.HasSuffix(u.Path, tracesPath) {
		u.Path = strings.TrimRight(u.Path, "/") + tracesPath
	}
	out, err := otlptrace.New(ctx, otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithTimeout(sendTimeout)))
	if err != nil {
		return nil, fmt.Errorf("open exporter of traces: %w", err)
	}
	p := sdk.NewTracerProvider(
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.Ratio))),
		sdk.WithBatcher(&telling{SpanExporter: out, log: cfg.Logger}),
		sdk.WithResource(resource.NewSchemaless(cfg.attributes()...)),
	)
	return &Exporter{p, trace.New(p)}, nil
}

func (c *Config) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("service.name", c.Service), attribute.String("service.version", c.Version),
		attribute.String("service.instance.id", c.Instance), attribute.String("godwit.location", c.Location), attribute.String("godwit.role", c.Role),
	}
}

// Tracer starts traces; nil of a nil exporter.
func (e *Exporter) Tracer() *trace.Tracer {
	if e == nil {
		return nil
	}
	return e.tracer
}

// Close sends what waits, for a few seconds at the most.
func (e *Exporter) Close() {
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = e.provider.Shutdown(ctx) // what was not sent was told
}

// telling tells the log what the SDK would tell a logger of the whole process: that spans
// could not be sent, and that they can be again. It is called by one goroutine.
type telling struct {
	sdk.SpanExporter
	log     *slog.Logger
	failing bool
}

// ExportSpans implements sdk.SpanExporter.
func (t *telling) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := t.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !t.failing:
		t.log.Warn("traces cannot be sent", slog.Int(logSpans, len(spans)), slog.String(logError, err.Error()))
	case err == nil && t.failing:
		t.log.Info("traces are sent again")
	}
	t.failing = err != nil
	return nil
}
