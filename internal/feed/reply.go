package feed

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/godwitkv/godwit"
)

// reply is how an error travels between nodes: as a status, and a name in a body
//
//	{"error": {"code": "namespace_not_found", "message": "namespace not found"}}
type reply struct {
	status int
	name   string
}

// replies is how each code of the domain travels, and how the native API answers
// it: clients know the codes by these names.
func replies() map[godwit.Code]reply {
	return map[godwit.Code]reply{
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
		godwit.CodeNotNumber:          {http.StatusConflict, "not_a_number"},
		godwit.CodeQuota:              {http.StatusTooManyRequests, "quota_reached"},
		godwit.CodeHistoryGone:        {http.StatusGone, "history_gone"},
		godwit.CodeDamaged:            {http.StatusInternalServerError, "damaged"},
	}
}

// Reply is how an error of a code travels, and false if there is no such code.
func Reply(code godwit.Code) (status int, name string, ok bool) {
	r, ok := replies()[code]
	return r.status, r.name, ok
}

// replaced is how godwit.ErrReplaced travels, which shares its code with others.
var replaced = reply{http.StatusConflict, "replaced"}

func replyTo(err error) reply {
	var e *godwit.Error
	if errors.As(err, &e) && e.Code == godwit.CodeUnavailable && e.Message == godwit.ErrReplaced.Message {
		return replaced
	}
	if r, ok := replies()[godwit.CodeOf(err)]; ok {
		return r
	}
	return replies()[godwit.CodeInternal]
}

type failure struct {
	Error failureDetail `json:"error"`
}

type failureDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// writeError answers a request with an error. What is not for clients stays here.
func writeError(w http.ResponseWriter, err error) { writeReply(w, replyTo(err), godwit.MessageOf(err)) }

func writeReply(w http.ResponseWriter, r reply, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	switch r.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(failure{failureDetail{r.name, message}}) // the client is gone
}

// maxErrorBytes bounds what is read of an error's body, and maxMessageBytes what
// is kept of its message.
const (
	maxErrorBytes   = 64 << 10
	maxMessageBytes = 512
)

// errorOf reads the error that an upstream answered with. What is no error of
// godwit's comes out as CodeUnavailable: whatever answered, nothing was done.
func errorOf(resp *http.Response) error {
	_, err := answeredError(resp)
	return err
}

// answeredError is errorOf, and tells whether it is an error by which the
// upstream says what it did: its own failure is not, nor is what something in
// between has answered.
func answeredError(resp *http.Response) (says bool, err error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	var f failure
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	if err != nil || f.Error.Code == "" {
		return false, &godwit.Error{
			Code: godwit.CodeUnavailable,
			Message: godwit.Errorf(godwit.CodeUnavailable,
				"The upstream answered with status %d, which is no answer of godwit's.", resp.StatusCode).Message,
			Err: err,
		}
	}
	return namedError(f.Error.Code, f.Error.Message)
}

// namedError is the error that travelled under a name, and tells whether there
// is such a name, but for that of a failure.
func namedError(name, message string) (known bool, err error) {
	message = printable(message)
	if name == replaced.name {
		return true, godwit.ErrReplaced
	}
	for code, r := range replies() {
		if r.name == name && code != godwit.CodeInternal {
			return true, &godwit.Error{Code: code, Message: message}
		}
	}
	return false, godwit.Errorf(godwit.CodeUnavailable, "The upstream failed (%s): %s", printable(name), message)
}

// printable makes what another node sent fit for a message of ours: short, ASCII
// and without control characters.
func printable(s string) string {
	b := []byte(s[:min(len(s), maxMessageBytes)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
