package worker_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/godwitkv/godwit/internal/trace"
	"github.com/godwitkv/godwit/internal/worker"
)

// TestWorkerGetsTheTrace holds that a Worker's request has the trace that its client
// named, within the front's own span.
func TestWorkerGetsTheTrace(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder), sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		got <- r.Header.Get("Traceparent")
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}()
	front, end := worker.NewTracedFront(socket, trace.New(provider))
	t.Cleanup(func() { end(); l.Close() })

	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r := httptest.NewRequest("GET", "/secret/path?secret", nil)
	r.Header.Set("Traceparent", "00-"+id+"-"+parent+"-01")
	w := httptest.NewRecorder()
	front.ServeHTTP(w, r)

	spans := recorder.Ended()
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	s := spans[0]
	want := "00-" + id + "-" + s.SpanContext().SpanID().String() + "-01"
	if given := <-got; given != want || s.Parent().SpanID().String() != parent {
		t.Errorf("the Worker was given %s, want %s; the span's parent is %s", given, want, s.Parent().SpanID())
	}
	var attributes []string
	for _, a := range s.Attributes() {
		attributes = append(attributes, string(a.Key)+"="+a.Value.String())
	}
	if diff := cmp.Diff([]string{"http.request.method=GET", "http.response.status_code=503"}, attributes); diff != "" || s.Name() != "worker" {
		t.Errorf("span %s (-want +got):\n%s", s.Name(), diff)
	}
}
