package native

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// Log keys.
const (
	logMethod = "method"
	logPath   = "path"
	logError  = "error"
)

// reply is how an error is answered.
type reply struct {
	status int
	code   string
}

// table is how each code of the domain is answered.
func table(code godwit.Code) (reply, bool) {
	status, name, ok := feed.Reply(code)
	return reply{status, name}, ok
}

// fail answers err. What only the log may know goes to the log, but for the path as it
// came: keys and titles stand in it.
func (h *Handler) fail(w http.ResponseWriter, r *request, err error) {
	code := godwit.CodeOf(err)
	rep, ok := table(code)
	if !ok {
		rep, _ = table(godwit.CodeInternal)
	}
	if rep.status == http.StatusInternalServerError && r.Context().Err() == nil {
		h.cfg.Logger.ErrorContext(r.Context(), "answer request",
			slog.String(logMethod, r.Method), slog.String(logPath, Prefix+r.path), slog.Any(logError, err))
	}
	switch rep.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if code != godwit.CodeQuota { // which does not pass by itself
			w.Header().Set("Retry-After", "1")
		}
	}
	writeJSON(w, rep.status, failure{failureDetail{rep.code, godwit.MessageOf(err), failedConditions(err)}})
}

// failure is the envelope of an error.
type failure struct {
	Error failureDetail `json:"error"`
}

type failureDetail struct {
	Code       string            `json:"code"`
	Message    string            `json:"message"`
	Conditions []failedCondition `json:"conditions,omitempty"`
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, failure{failureDetail{Code: code, Message: message}})
}

// writeJSON answers with body, which always encodes.
func writeJSON(w http.ResponseWriter, status int, body any) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if p, ok := body.(keyPage); ok {
		p.writeTo(w)
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the client is gone
}
