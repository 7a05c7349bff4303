package trace

import "net/http"

// Handler gives each request to h a span, which is called what name says; "": it gets
// none.
func Handler(t *Tracer, name func(*http.Request) string, h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called := name(r)
		if called == "" {
			h.ServeHTTP(w, r)
			return
		}
		ctx, span := t.Request(r.Context(), called, r.Method, r.Header.Get(HeaderParent), r.Header.Get(HeaderState))
		answered := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { span.Answered(answered.status) }()
		h.ServeHTTP(answered, r.WithContext(ctx))
	})
}

// statusWriter knows how a request was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
