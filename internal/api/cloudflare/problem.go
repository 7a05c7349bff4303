package cloudflare

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/godwitkv/godwit"
)

// problem is an error as the envelope tells it.
type problem struct {
	status  int
	code    int
	message string
}

// Error implements error.
func (p *problem) Error() string { return fmt.Sprintf("%s [code: %d]", p.message, p.code) }

// Numbers of Cloudflare's for what is wrong with a request before it means
// anything, and so has no code in the domain.
const (
	codeNoRoute         = 7000
	codeCouldNotRoute   = 7003
	codeMethod          = 7001
	codeMissingHeaders  = 9106
	codeMalformedPage   = 10007
	codeMalformedPer    = 10008
	codeMalformedTitle  = 10010
	codeMalformedBody   = 10012
	codeInvalidOrder    = 10043
	codeInvalidSort     = 10044
	codeTokenIsActive   = 10000 // in messages, not in errors
	codeInvalidArgument = 10029
	codeQuota           = 10048
	codeDamaged         = 10550
)

// rule is how one code of the domain is told to clients. Operation says that
// Cloudflare puts the operation before the text: get: 'key not found'.
type rule struct {
	status    int
	code      int
	operation bool
}

// rules is the one table. Where Cloudflare has no number, it is 10000 and the
// HTTP status.
var rules = [...]rule{
	godwit.CodeInternal:           {status: http.StatusInternalServerError, code: 10500},
	godwit.CodeInvalidRequest:     {status: http.StatusBadRequest, code: codeInvalidArgument},
	godwit.CodeInvalidKey:         {status: http.StatusBadRequest, code: 10023},
	godwit.CodeKeyTooLong:         {status: http.StatusRequestURITooLong, code: 10030},
	godwit.CodeKeyNotFound:        {status: http.StatusNotFound, code: 10009, operation: true},
	godwit.CodeInvalidExpiration:  {status: http.StatusBadRequest, code: 10033},
	godwit.CodeInvalidTTL:         {status: http.StatusBadRequest, code: 10034},
	godwit.CodeInvalidMetadata:    {status: http.StatusBadRequest, code: 10047},
	godwit.CodeMetadataTooLarge:   {status: http.StatusRequestEntityTooLarge, code: 10047},
	godwit.CodeValueTooLarge:      {status: http.StatusRequestEntityTooLarge, code: 10024},
	godwit.CodeBodyTooLarge:       {status: http.StatusRequestEntityTooLarge, code: 10024},
	godwit.CodeInvalidCacheTTL:    {status: http.StatusBadRequest, code: codeInvalidArgument},
	godwit.CodeInvalidLimit:       {status: http.StatusBadRequest, code: 10028},
	godwit.CodeInvalidCursor:      {status: http.StatusBadRequest, code: 10041},
	godwit.CodeInvalidNamespaceID: {status: http.StatusBadRequest, code: 10011},
	godwit.CodeNamespaceNotFound:  {status: http.StatusNotFound, code: 10013, operation: true},
	godwit.CodeNamespaceExists:    {status: http.StatusBadRequest, code: 10014},
	godwit.CodeMissingTitle:       {status: http.StatusBadRequest, code: 10019},
	godwit.CodeTooManyNamespaces:  {status: http.StatusBadRequest, code: 10018},
	godwit.CodePreconditionFailed: {status: http.StatusPreconditionFailed, code: 10412},
	godwit.CodeTooManyWrites:      {status: http.StatusTooManyRequests, code: 10022},
	godwit.CodeTooManyRequests:    {status: http.StatusTooManyRequests, code: 10022},
	godwit.CodeUnauthenticated:    {status: http.StatusUnauthorized, code: 10000},
	godwit.CodeForbidden:          {status: http.StatusForbidden, code: 10037},
	godwit.CodeDiskFull:           {status: http.StatusInsufficientStorage, code: 10507},
	godwit.CodeUnavailable:        {status: http.StatusServiceUnavailable, code: 10001},
	godwit.CodeOutcomeUnknown:     {status: http.StatusGatewayTimeout, code: 10504},
	godwit.CodeTokenNotFound:      {status: http.StatusNotFound, code: 10404, operation: true},
	godwit.CodeBulkJSON:           {status: http.StatusBadRequest, code: codeInvalidArgument},
	godwit.CodeBulkTooLarge:       {status: http.StatusRequestEntityTooLarge, code: 10024},
	godwit.CodeNotNumber:          {status: http.StatusConflict, code: 10409},
	godwit.CodeQuota:              {status: http.StatusTooManyRequests, code: codeQuota},
	godwit.CodeHistoryGone:        {status: http.StatusGone, code: 10410},
	godwit.CodeDamaged:            {status: http.StatusInternalServerError, code: codeDamaged},
}

// Reply is how an error of a code is told, and false if there is no such code.
func Reply(code godwit.Code) (status, number int, ok bool) {
	if int(code) >= len(rules) || rules[code].status == 0 {
		return 0, 0, false
	}
	return rules[code].status, rules[code].code, true
}

// problemOf turns any error into what a client may be told of it. operation is
// the endpoint's name in Cloudflare's texts.
func problemOf(err error, operation string) problem {
	var p *problem
	if errors.As(err, &p) {
		return *p
	}
	code := godwit.CodeOf(err)
	r := rules[godwit.CodeInternal]
	if int(code) < len(rules) {
		r = rules[code]
	}
	message := godwit.MessageOf(err)
	if r.operation && operation != "" {
		message = fmt.Sprintf("%s: '%s'", operation, message)
	}
	return problem{status: r.status, code: r.code, message: message}
}

// retryable tells whether trying again soon may help.
func (p problem) retryable() bool {
	return p.status == http.StatusTooManyRequests && p.code != codeQuota || p.status == http.StatusServiceUnavailable
}

// isFault tells whether this is for the log: a fault of ours, or a write of unknown
// outcome. What a client did wrong, or can wait for, is not.
func (p problem) isFault() bool {
	return p.code == rules[godwit.CodeInternal].code || p.code == codeDamaged || p.code == rules[godwit.CodeOutcomeUnknown].code
}

func badRequest(code int, format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}
