package native

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/godwitkv/godwit"
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
	r, ok := map[godwit.Code]reply{
		godwit.CodeInternal:           {http.StatusInternalServerError, "internal"},
		godwit.CodeInvalidRequest:     {http.StatusBadRequest, "invalid_request"},
		godwit.CodeInvalidKey:         {http.StatusBadRequest, "invalid_key"},
		godwit.CodeKeyTooLong:         {http.StatusRequestURITooLong, "key_too_long"},
		godwit.CodeKeyNotFound:        {http.StatusNotFound, "key_not_found"},
		godwit.CodeInvalidExpiration:  {http.StatusBadRequest, "invalid_expiration"},
		godwit.CodeInvalidTTL:         {http.StatusBadRequest, "invalid_expiration_ttl"},
		godwit.CodeInvalidMetadata:    {http.StatusBadRequest, "invalid_metadata"},
		godwit.CodeMetadataTooLarge:   {http.StatusRequestEntityTooLarge, "metadata_too_large"},
		godwit.CodeValueTooLarge:      {http.StatusRequestEntityTooLarge, "value_too_large"},
		godwit.CodeBodyTooLarge:       {http.StatusRequestEntityTooLarge, "body_too_large"},
		godwit.CodeInvalidCacheTTL:    {http.StatusBadRequest, "invalid_cache_ttl"},
		godwit.CodeInvalidLimit:       {http.StatusBadRequest, "invalid_limit"},
		godwit.CodeInvalidCursor:      {http.StatusBadRequest, "invalid_cursor"},
		godwit.CodeInvalidNamespaceID: {http.StatusBadRequest, "invalid_namespace_id"},
		godwit.CodeNamespaceNotFound:  {http.StatusNotFound, "namespace_not_found"},
		godwit.CodeNamespaceExists:    {http.StatusConflict, "namespace_exists"},
		godwit.CodeMissingTitle:       {http.StatusBadRequest, "missing_title"},
		godwit.CodeTooManyNamespaces:  {http.StatusConflict, "too_many_namespaces"},
		godwit.CodePreconditionFailed: {http.StatusPreconditionFailed, "precondition_failed"},
		godwit.CodeTooManyWrites:      {http.StatusTooManyRequests, "too_many_writes"},
		godwit.CodeTooManyRequests:    {http.StatusTooManyRequests, "too_many_requests"},
		godwit.CodeUnauthenticated:    {http.StatusUnauthorized, "unauthenticated"},
		godwit.CodeForbidden:          {http.StatusForbidden, "forbidden"},
		godwit.CodeDiskFull:           {http.StatusInsufficientStorage, "disk_full"},
		godwit.CodeUnavailable:        {http.StatusServiceUnavailable, "unavailable"},
		godwit.CodeOutcomeUnknown:     {http.StatusGatewayTimeout, "outcome_unknown"},
		godwit.CodeTokenNotFound:      {http.StatusNotFound, "token_not_found"},
		godwit.CodeBulkJSON:           {http.StatusBadRequest, "value_not_json"},
		godwit.CodeBulkTooLarge:       {http.StatusRequestEntityTooLarge, "bulk_too_large"},
	}[code]
	return r, ok
}

// fail answers err. What only the log may know goes to the log.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := godwit.CodeOf(err)
	rep, ok := table(code)
	if !ok {
		rep, _ = table(godwit.CodeInternal)
	}
	if rep.status == http.StatusInternalServerError && r.Context().Err() == nil {
		h.cfg.Logger.ErrorContext(r.Context(), "answer request",
			slog.String(logMethod, r.Method), slog.String(logPath, r.URL.Path), slog.Any(logError, err))
	}
	switch rep.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	writeError(w, rep.status, rep.code, godwit.MessageOf(err))
}

// failure is the envelope of an error.
type failure struct {
	Error failureDetail `json:"error"`
}

type failureDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, failure{failureDetail{code, message}})
}

// writeJSON answers with body, which always encodes.
func writeJSON(w http.ResponseWriter, status int, body any) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the client is gone
}
