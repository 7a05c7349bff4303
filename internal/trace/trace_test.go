package trace_test

import (
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/godwitkv/godwit/internal/trace"
)

// TestMethodIsBounded holds that a span is not as large as a client likes.
func TestMethodIsBounded(t *testing.T) {
	for method, want := range map[string]string{"GET": "GET", "PUT": "PUT", "BREW": "_OTHER", strings.Repeat("X", 60_000): "_OTHER"} {
		recorder := tracetest.NewSpanRecorder()
		_, span := trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))).Request(t.Context(), "rest", method, "", "")
		span.Answered(200)
		got := ""
		for _, a := range recorder.Ended()[0].Attributes() {
			if a.Key == "http.request.method" {
				got = a.Value.AsString()
			}
		}
		if got != want {
			t.Errorf("%.10s: the span has %.10s, %d bytes", method, got, len(got))
		}
	}
}
