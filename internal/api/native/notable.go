package native

import (
	"net/http"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/api"
)

// told is an http.ResponseWriter that remembers with which status was answered.
type told struct {
	http.ResponseWriter
	status int // 0: nothing was answered yet
}

// WriteHeader implements http.ResponseWriter.
func (w *told) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *told) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *told) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ended has a request kept that was slow or failed. It is named by its route: a path
// has keys in it.
func (h *Handler) ended(r *request, route string, w *told, started time.Time) {
	took := time.Since(started)
	if !analytics.IsNotable(w.status, took) {
		return
	}
	one := analytics.Notable{
		At: time.Now(), Took: took, API: "native", Operation: r.Method + " " + route, Status: w.status,
		RequestID: r.Header.Get(api.HeaderRequestID),
	}
	if r.ns != nil {
		one.Namespace = r.ns.ID
	} else if id, err := godwit.ParseNamespaceID(r.argument); err == nil {
		one.Namespace = id
	}
	h.cfg.Service.Ended(one)
}
