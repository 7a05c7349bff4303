package export_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/trace"
	"github.com/godwitkv/godwit/internal/trace/export"
)

// TestLostTracesAreTold closes an exporter whose collector refuses everything: it is told
// in the log, and nobody else is.
func TestLostTracesAreTold(t *testing.T) {
	paths := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s.Close()
	var said bytes.Buffer
	e, err := export.Open(t.Context(), export.Config{Endpoint: s.URL + "/behind/", Ratio: 1, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	_, span := e.Tracer().Request(t.Context(), "x", "GET", "", "")
	span.Answered(200)
	e.Close()
	if got := <-paths; got != "/behind/v1/traces" {
		t.Errorf("spans went to %s", got)
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "traces cannot be sent") || !strings.Contains(got, "spans=1") {
		t.Errorf("the log says %q", got)
	}
}

// TestNothingIsTraced holds that an exporter and a tracer that there are not are of no
// cost.
func TestNothingIsTraced(t *testing.T) {
	var e *export.Exporter
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		ctx, span := e.Tracer().Request(ctx, "x", "GET", "", "")
		_, child := trace.Child(ctx, "y")
		trace.Describe(ctx, "rest", "value_get")
		child.End(nil)
		span.Answered(200)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	e.Close()
}
