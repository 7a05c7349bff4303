package dashboard

import (
	"errors"
	"net/http"
	"strings"
)

// eventsWriter hands on a stream of events, or an error as JSON, and nothing else: at an
// edge that does not carry the namespace it is what the upstream answers. Of its headers
// none is handed on.
type eventsWriter struct {
	w      http.ResponseWriter
	header http.Header // as the answer would have it
	told   bool        // the status
	drop   bool        // the body is neither
}

// Header implements http.ResponseWriter.
func (e *eventsWriter) Header() http.Header { return e.header }

// WriteHeader implements http.ResponseWriter.
func (e *eventsWriter) WriteHeader(status int) {
	if e.told {
		return
	}
	e.told = true
	kind, _, _ := strings.Cut(e.header.Get("Content-Type"), ";")
	h := e.w.Header()
	switch {
	case status == http.StatusOK && kind == "text/event-stream":
		h.Set("Content-Type", kind)
		h.Set("X-Accel-Buffering", "no") // asks proxies to pass on what comes
	case status >= http.StatusBadRequest && kind == "application/json":
		h.Set("Content-Type", kind)
	default:
		status, e.drop = http.StatusBadGateway, true
	}
	e.w.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (e *eventsWriter) Write(p []byte) (int, error) {
	e.WriteHeader(http.StatusOK)
	if e.drop {
		return len(p), nil
	}
	return e.w.Write(p)
}

// FlushError is for http.ResponseController.
func (e *eventsWriter) FlushError() error {
	e.WriteHeader(http.StatusOK)
	if e.drop {
		return errors.New("the answer is no stream of events")
	}
	return http.NewResponseController(e.w).Flush()
}

// Unwrap is for http.ResponseController.
func (e *eventsWriter) Unwrap() http.ResponseWriter { return e.w }
