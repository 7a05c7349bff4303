package top_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/top"
)

// server answers as a node does, with metrics that a test sets.
type server struct {
	metrics string // "": it is away
	status  int    // of all else; 0: 200
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Godwit-Revision", "7")
	switch {
	case r.URL.Path == "/metrics" && s.metrics == "":
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/metrics":
		fmt.Fprint(w, s.metrics)
	case s.status != 0:
		w.WriteHeader(s.status)
	case strings.HasSuffix(r.URL.Path, "/namespaces"):
		fmt.Fprint(w, `{"namespaces":[{"id":"00000000000000000000000000000001","title":"birds"},{"id":"00000000000000000000000000000002","title":"fish\u001b[2J"}]}`)
	case strings.HasSuffix(r.URL.Path, "1/analytics"):
		fmt.Fprint(w, `{"keys":3,"bytes":2048,"last_hour":{"read":{"requests":5,"latency_ms":{"p99":0.5}},"write":{"requests":2,"latency_ms":{"p99":4}},"delete":{"requests":1}}}`)
	case strings.HasSuffix(r.URL.Path, "2/analytics"):
		fmt.Fprint(w, `{"last_hour":{"list":{"requests":20}}}`)
	default:
		s.answerStatus(w)
	}
}

func (s *server) answerStatus(w http.ResponseWriter) {
	status := struct {
		client.Status
		Tree client.Node `json:"tree"`
	}{
		client.Status{Role: "central", Location: "fra", Revision: "7", Keys: 12, Bytes: 3000, UptimeSeconds: 61},
		client.Node{Role: "central", Location: "fra", Revision: "7", Ready: true, Keys: 12, Followers: []client.Node{
			{ID: "0123456789", Role: "edge", Revision: "5", Lag: 2, StalenessMS: -1, Progress: "40 %"},
			{Location: "lhr", Role: "edge", Revision: "7", StalenessMS: 12},
		}},
	}
	_ = json.NewEncoder(w).Encode(status)
}

// metrics are those of a node that has answered so many gets, one of ten of which took
// over a millisecond, and so many puts that failed.
func metrics(gets, failedPuts int) string {
	return fmt.Sprintf(`# TYPE godwit_requests_total counter
godwit_requests_total{op="get",status="ok"} %d
godwit_requests_total{op="get",status="absent"} %d
godwit_requests_total{op="put",status="failed"} %d
# TYPE godwit_request_duration_seconds histogram
godwit_request_duration_seconds_bucket{op="get",le="0.001"} %d
godwit_request_duration_seconds_bucket{op="get",le="0.002"} %d
godwit_request_duration_seconds_bucket{op="get",le="+Inf"} %d
godwit_request_duration_seconds_sum{op="get"} 1
godwit_request_duration_seconds_count{op="get"} %d
# TYPE godwit_binding_connections gauge
godwit_binding_connections 3
`, gets/2, gets-gets/2, failedPuts, gets*9/10, gets, gets, gets)
}

func open(t *testing.T, s *server, now *time.Time) *top.Watch {
	t.Helper()
	at := httptest.NewServer(s)
	t.Cleanup(at.Close)
	c, err := client.New(at.URL, "token", client.WithAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	return top.New(top.Config{URL: at.URL, Client: c, HTTP: at.Client(), Now: func() time.Time { return *now }})
}

func TestRatesAndLatenciesAreOfTheTimeBetween(t *testing.T) {
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &server{metrics: metrics(1000, 1)}
	w := open(t, s, &now)
	if f := w.Look(t.Context()); f.Problem != "" || f.Over != 0 || len(f.Operations) != 0 {
		t.Errorf("the first look: %+v", f)
	}
	now, s.metrics = now.Add(2*time.Second), metrics(1100, 5)
	f := w.Look(t.Context())
	want := []top.Operation{
		{Op: "get", PerSecond: 50, P50: 0.5555555555555556, P90: 1, P99: 1.9},
		{Op: "put", PerSecond: 2, Failed: 2},
	}
	if diff := cmp.Diff(want, f.Operations, cmp.Comparer(near)); diff != "" || f.Over != 2 || f.Connections != 3 {
		t.Errorf("over %v s, %d connections, operations (-want +got):\n%s", f.Over, f.Connections, diff)
	}

	now, s.metrics = now.Add(2*time.Second), metrics(10, 0) // it was started anew
	if f := w.Look(t.Context()); f.Over != 0 || len(f.Operations) != 0 {
		t.Errorf("counters that went back: %+v", f)
	}
	now, s.metrics = now.Add(2*time.Second), ""
	if f := w.Look(t.Context()); f.Err == nil || f.Status != nil {
		t.Errorf("a node that is away: %+v", f)
	}
	now, s.metrics = now.Add(2*time.Second), metrics(1000, 0)
	if f := w.Look(t.Context()); f.Over != 0 || f.Err != nil {
		t.Errorf("after that: %+v", f)
	}
}

func near(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

func TestFrameIsDrawn(t *testing.T) {
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &server{metrics: metrics(1000, 0)}
	w := open(t, s, &now)
	w.Look(t.Context())
	now, s.metrics = now.Add(time.Second), metrics(1010, 0)
	f := w.Look(t.Context())
	f.URL = "http://fra:8787"
	const want = `
godwit top  http://fra:8787  12:00:01
fra  central  revision 7  12 keys  2.9 KiB  up 1m1s  staleness 0s

OPERATION  PER S  FAILED  P50 MS  P90 MS  P99 MS
get        10.0   0.0     0.56    1.00    1.90
all        10.0   0.0                     
3 connections to the binding port

NODE        ROLE     REVISION  LAG  STALENESS  KEYS  STATE
fra         central  7         0    0s         12    ready
  01234567  edge     5         2    -          0     40 %
  lhr       edge     7         0    12ms       0     not ready

NAMESPACE, LAST HOUR  READS  WRITES  LISTS  READ P99 MS  WRITE P99 MS  KEYS  BYTES
"fish\x1b[2J"         0      0       20     -            -             0     0 B
birds                 5      3       0      0.50         4.00          3     2.0 KiB`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), strings.Join(f.Lines(), "\n")); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
}

func TestWhatIsMissingIsTold(t *testing.T) {
	now := time.Now()
	s := &server{metrics: metrics(1, 0), status: http.StatusUnauthorized}
	f := open(t, s, &now).Look(t.Context())
	if f.Err == nil || f.Status != nil || !strings.Contains(strings.Join(f.Lines(), "\n"), f.Problem) {
		t.Errorf("got %+v", f)
	}
	s.status, s.metrics = 0, "no metrics"
	if f := open(t, s, &now).Look(t.Context()); f.Err == nil {
		t.Errorf("malformed metrics: %+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := open(t, s, &now).Look(ctx); f.Err == nil {
		t.Errorf("a look that was cut off: %+v", f)
	}
}
