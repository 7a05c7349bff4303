package node_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/godwitkv/godwit/internal/node"
)

// otlpServer takes spans as a collector does.
type otlpServer struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	spans []tracedSpan
	text  strings.Builder // all that came, resources too
}

// tracedSpan is a span, and the role of the node that made it.
type tracedSpan struct {
	*tracepb.Span
	role string
}

func newOTLPServer(t *testing.T) *otlpServer {
	t.Helper()
	c := &otlpServer{t: t}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func (c *otlpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var q collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &q) != nil {
		c.t.Errorf("%s %s is no OTLP: %v", r.Method, r.URL, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.WriteString(protojson.Format(&q))
	for _, resource := range q.ResourceSpans {
		role := ""
		for _, a := range resource.Resource.Attributes {
			if a.Key == "godwit.role" {
				role = a.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, tracedSpan{s, role})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// line is the chain of spans of a trace from the one whose parent it was given, each by
// the role of its node and its name.
func (c *otlpServer) line(trace, parent string) (names []string) {
	for {
		i := -1
		for at, s := range c.spans {
			if hex.EncodeToString(s.TraceId) == trace && hex.EncodeToString(s.ParentSpanId) == parent {
				if i >= 0 {
					c.t.Errorf("%s: both %s and %s are within %s", trace, c.spans[i].Name, s.Name, parent)
				}
				i = at
			}
		}
		if i < 0 {
			return names
		}
		names = append(names, c.spans[i].role+" "+c.spans[i].Name)
		parent = hex.EncodeToString(c.spans[i].SpanId)
	}
}

// TestTraces asks an edge on both ports, and wants each request to be one trace, gone on
// with at the centre.
func TestTraces(t *testing.T) {
	c := newOTLPServer(t)
	traced := func(cfg node.Config) node.Config {
		cfg.OTLPEndpoint, cfg.TraceRatio = c.url, 0
		return cfg
	}
	centre := openReady(t, traced(config()))
	edge := openReady(t, traced(edgeConfig(centre.APIURL())))
	const parent = "00f067aa0ba902b7"
	ask := func(trace, flags, method, url, body string, headers ...string) {
		t.Helper()
		headers = append(headers, "Traceparent", "00-"+trace+"-"+parent+"-"+flags)
		if got := request(t, method, url, rootToken, body, headers...); got.status >= 300 {
			t.Fatalf("%s %s: %d %s", method, url, got.status, got.body)
		}
	}
	id := func(n string) string { return strings.Repeat("0", 31) + n }
	rest := edge.APIURL() + "/client/v4/accounts/" + centre.Account() + "/storage/kv/namespaces"
	const title, key, value = "secret-birds", "secret-godwit", "secret-limosa"
	ask(id("1"), "01", "POST", rest, `{"title":"`+title+`"}`)
	ask(id("2"), "01", "PUT", edge.BindingURL()+"/"+key, value, "Godwit-Namespace", title)
	eventually(t, "the edge answers from its copy", func() bool {
		got := request(t, "GET", edge.BindingURL()+"/"+key, rootToken, "", "Godwit-Namespace", title)
		return got.header.Get("CF-Cache-Status") == "HIT"
	})
	ask(id("3"), "01", "GET", edge.BindingURL()+"/"+key, "", "Godwit-Namespace", title)
	ask(id("4"), "01", "GET", edge.BindingURL()+"/"+key, "", "Godwit-Namespace", title, "Godwit-Consistency", "strong")
	ask(id("5"), "01", "GET", edge.APIURL()+"/godwit/v1/namespaces/"+title+"/keys/"+key, "")
	ask(id("6"), "00", "PUT", edge.BindingURL()+"/"+key, value, "Godwit-Namespace", title)
	ask(id("7"), "01", "PUT", centre.BindingURL()+"/"+key, value, "Godwit-Namespace", title)
	for _, n := range []*node.Node{edge, centre} {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	for trace, want := range map[string][]string{
		id("1"): {"edge rest.namespace_create", "edge upstream.pass_on", "central rest.namespace_create", "central log.propose"},
		id("2"): {"edge binding.put", "edge log.propose", "edge upstream.propose", "central feed.propose", "central log.propose"},
		id("3"): {"edge binding.get"},
		id("4"): {"edge binding.get", "edge read.wait", "edge upstream.barrier", "central feed.barrier", "central log.barrier"},
		id("5"): {"edge native.namespaces/*/keys/*"},
		id("6"): nil, // its client wants no trace of it
		id("7"): {"central binding.put", "central log.propose"},
	} {
		if diff := cmp.Diff(want, c.line(trace, parent)); diff != "" {
			t.Errorf("trace %s (-want +got):\n%s", trace, diff)
		}
	}
	for _, s := range c.spans {
		if !strings.HasPrefix(hex.EncodeToString(s.TraceId), id("")) {
			t.Errorf("%s is of a trace that nobody asked for", s.Name)
		}
	}
	for _, secret := range []string{title, key, value, rootToken} {
		if strings.Contains(c.text.String(), secret) {
			t.Errorf("spans have %q", secret)
		}
	}
	if !strings.Contains(c.text.String(), "godwit.namespace") {
		t.Error("no span has a namespace's id")
	}
}

// TestTracesBegin has traces begin at a node, all of them.
func TestTracesBegin(t *testing.T) {
	c := newOTLPServer(t)
	cfg := config()
	cfg.OTLPEndpoint, cfg.TraceRatio = c.url+"/v1/traces", 1
	n := openReady(t, cfg)
	if got := request(t, "GET", n.APIURL()+"/godwit/v1/status", rootToken, ""); got.status != 200 {
		t.Fatal(got.body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		request(t, "GET", n.APIURL()+path, "", "")
	}
	if got := request(t, "PUT", n.BindingURL()+"/k", "wrong", "v", "Traceparent", "nonsense"); got.status != 401 {
		t.Fatal(got.body)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, s := range c.spans {
		if len(s.ParentSpanId) == 0 {
			names = append(names, s.Name)
		}
	}
	if diff := cmp.Diff([]string{"native.status", "binding.put"}, names); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
}

func TestBadTracesAreRefused(t *testing.T) {
	for endpoint, ratio := range map[string]float64{"nonsense": 0, "http://a:b@c": 0, "ftp://c": 0, "http://c": 1.5, "http://d": -1} {
		cfg := config()
		cfg.OTLPEndpoint, cfg.TraceRatio = endpoint, ratio
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s and %v are taken", endpoint, ratio)
		}
	}
}
