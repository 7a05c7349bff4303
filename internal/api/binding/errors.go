package binding

import (
	"context"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"github.com/godwitkv/godwit"
)

// answer is how an error is told. The reason is the error's own message where
// it is "" here.
type answer struct {
	status int
	reason string
}

// answers is the one table of this protocol. A namespace that does not exist
// is 400: a Worker takes 404 for an absent key.
var answers = [...]answer{
	godwit.CodeInternal:           {fasthttp.StatusInternalServerError, "Internal Server Error"},
	godwit.CodeInvalidRequest:     {fasthttp.StatusBadRequest, ""},
	godwit.CodeInvalidKey:         {fasthttp.StatusBadRequest, ""},
	godwit.CodeKeyTooLong:         {fasthttp.StatusRequestURITooLong, ""},
	godwit.CodeKeyNotFound:        {fasthttp.StatusNotFound, "Not Found"},
	godwit.CodeInvalidExpiration:  {fasthttp.StatusBadRequest, ""},
	godwit.CodeInvalidTTL:         {fasthttp.StatusBadRequest, ""},
	godwit.CodeInvalidMetadata:    {fasthttp.StatusBadRequest, ""},
	godwit.CodeMetadataTooLarge:   {fasthttp.StatusRequestEntityTooLarge, ""},
	godwit.CodeValueTooLarge:      {fasthttp.StatusRequestEntityTooLarge, ""},
	godwit.CodeBodyTooLarge:       {fasthttp.StatusRequestEntityTooLarge, ""},
	godwit.CodeInvalidCacheTTL:    {fasthttp.StatusBadRequest, ""},
	godwit.CodeInvalidLimit:       {fasthttp.StatusBadRequest, ""},
	godwit.CodeInvalidCursor:      {fasthttp.StatusBadRequest, ""},
	godwit.CodeInvalidNamespaceID: {fasthttp.StatusBadRequest, ""},
	godwit.CodeNamespaceNotFound:  {fasthttp.StatusBadRequest, ""},
	godwit.CodeNamespaceExists:    {fasthttp.StatusBadRequest, ""},
	godwit.CodeMissingTitle:       {fasthttp.StatusBadRequest, ""},
	godwit.CodeTooManyNamespaces:  {fasthttp.StatusBadRequest, ""},
	godwit.CodePreconditionFailed: {fasthttp.StatusPreconditionFailed, "Precondition Failed"},
	godwit.CodeTooManyWrites:      {fasthttp.StatusTooManyRequests, "Too Many Requests"},
	godwit.CodeTooManyRequests:    {fasthttp.StatusTooManyRequests, "Too Many Requests"},
	godwit.CodeUnauthenticated:    {fasthttp.StatusUnauthorized, ""},
	godwit.CodeForbidden:          {fasthttp.StatusForbidden, ""},
	godwit.CodeDiskFull:           {fasthttp.StatusInsufficientStorage, ""},
	godwit.CodeUnavailable:        {fasthttp.StatusServiceUnavailable, ""},
	godwit.CodeOutcomeUnknown:     {fasthttp.StatusGatewayTimeout, ""},
	godwit.CodeTokenNotFound:      {fasthttp.StatusBadRequest, ""},
	godwit.CodeBulkJSON:           {fasthttp.StatusBadRequest, ""},
	godwit.CodeBulkTooLarge:       {fasthttp.StatusRequestEntityTooLarge, ""},
	godwit.CodeNotNumber:          {fasthttp.StatusConflict, ""},
	godwit.CodeQuota:              {fasthttp.StatusTooManyRequests, ""},
	godwit.CodeHistoryGone:        {fasthttp.StatusConflict, ""},
	godwit.CodeDamaged:            {fasthttp.StatusInternalServerError, ""},
}

// Reply is how an error of a code is told, and false if there is no such code. The
// reason is "" where the error's own message is told.
func Reply(code godwit.Code) (status int, reason string, ok bool) {
	if int(code) >= len(answers) || answers[code].status == 0 {
		return 0, "", false
	}
	return answers[code].status, answers[code].reason, true
}

// problem is an error of this protocol alone, which the domain has no code
// for. It ends the connection if fatal.
type problem struct {
	status int
	reason string
	fatal  bool
}

// Error implements error.
func (p *problem) Error() string { return p.reason }

var (
	errFraming    = &problem{fasthttp.StatusBadRequest, "Request body has no single length", true}
	errMalformed  = &problem{fasthttp.StatusBadRequest, "Bad Request", true}
	errLongHead   = &problem{fasthttp.StatusRequestHeaderFieldsTooLarge, longHeadText, true}
	errLongTarget = &problem{fasthttp.StatusRequestURITooLong, "Request URI Too Long", false}
	errMethod     = &problem{fasthttp.StatusMethodNotAllowed, "Method Not Allowed", false}
	errTimeout    = &problem{fasthttp.StatusRequestTimeout, "Request Timeout", true}
	errBody       = &problem{fasthttp.StatusBadRequest, "Request body is incomplete or malformed", true}
	errPanic      = &problem{fasthttp.StatusInternalServerError, "Internal Server Error", true}
)

var longHeadText = fmt.Sprintf("Request head is over %d bytes: a key or prefix has at most %d, metadata %d.",
	readBufferBytes, godwit.MaxKeyBytes, godwit.MaxMetadataBytes)

// maxReasonBytes bounds a reason phrase.
const maxReasonBytes = 512

// describe returns how err is told.
func describe(err error) (status int, reason string) {
	if errors.Is(err, godwit.ErrKeyNotFound) { // a hot path too: nothing is allocated
		return fasthttp.StatusNotFound, ""
	}
	var p *problem
	if errors.As(err, &p) {
		return p.status, p.reason
	}
	code := godwit.CodeOf(err)
	if code == godwit.CodeInternal && errors.Is(err, context.Canceled) {
		return fasthttp.StatusServiceUnavailable, "Service Unavailable"
	}
	a := answers[godwit.CodeInternal]
	if int(code) < len(answers) {
		a = answers[code]
	}
	if a.reason == "" {
		a.reason = godwit.MessageOf(err)
	}
	return a.status, a.reason
}

// appendReason appends what of text may stand in a status line: printable
// ASCII, bounded. Each other character becomes a question mark.
func appendReason(dst []byte, text string) []byte {
	from := len(dst)
	for _, c := range text {
		if c < ' ' || c > '~' {
			c = '?'
		}
		dst = append(dst, byte(c))
		if len(dst)-from == maxReasonBytes {
			break
		}
	}
	return dst
}
