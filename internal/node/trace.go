package node

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/dashboard"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/trace"
	"github.com/godwitkv/godwit/internal/trace/export"
)

// validateTraces returns what is wrong with where traces go.
func (c *Config) validateTraces() (problems []error) {
	if c.OTLPEndpoint != "" {
		if err := export.CheckEndpoint(c.OTLPEndpoint); err != nil {
			problems = append(problems, fmt.Errorf("--otlp-endpoint: %w", err))
		}
	}
	if !(c.TraceRatio >= 0 && c.TraceRatio <= 1) { // NaN is neither
		problems = append(problems, fmt.Errorf("--trace-ratio: %v is not between 0 and 1", c.TraceRatio))
	}
	return problems
}

// openTraces starts to send traces, if there is somewhere to send them.
func (n *Node) openTraces(ctx context.Context) (err error) {
	if n.cfg.OTLPEndpoint == "" {
		return nil
	}
	n.traces, err = export.Open(ctx, export.Config{
		Endpoint: n.cfg.OTLPEndpoint, Ratio: n.cfg.TraceRatio, Service: "godwit", Version: n.cfg.Version, Instance: n.id,
		Location: cmp.Or(n.cfg.Location, n.cfg.Node), Role: n.role(), Logger: n.cfg.Logger,
	})
	return err
}

// traceOrigin gives what waits for the log spans.
func (n *Node) traceOrigin() {
	if n.traces != nil {
		n.origin.Reader, n.origin.Log = trace.Reader(n.origin.Reader), trace.Log(n.origin.Log)
	}
}

// passSpan is what a trace calls a request that is passed on as it came. Its path may
// have a key.
func passSpan(*http.Request) string { return "upstream.pass_on" }

// traced gives requests to the API port spans, but those that go on for as long as their
// client likes, and those that everyone makes all the time.
func (n *Node) traced(h http.Handler) http.Handler {
	if n.traces == nil {
		return h
	}
	return trace.Handler(n.traces.Tracer(), func(r *http.Request) string {
		path := rawPath(r)
		if native.Streams(r, path) || dashboard.Streams(r, path) {
			return ""
		}
		return requestSpan(path)
	}, h)
}

// requestSpan is what a trace calls a request by its path, until more is known of it; "":
// it is not traced. What nodes report to each other once a second is not.
func requestSpan(path string) string {
	switch {
	case strings.HasPrefix(path, feed.Prefix+"/report"):
		return ""
	case strings.HasPrefix(path, feed.Prefix):
		return "feed"
	case strings.HasPrefix(path, cloudflarePath):
		return "rest"
	case strings.HasPrefix(path, native.Prefix):
		return "native"
	}
	return ""
}
