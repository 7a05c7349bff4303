package godwit

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Code classes an error by what its receiver can do about it. How a code
// becomes a status and a number is each protocol's one table.
type Code uint8

// The codes.
const (
	CodeInternal           Code = iota // a fault of ours; the message is not for clients
	CodeInvalidRequest                 // malformed in a way that has no code of its own
	CodeInvalidKey                     // empty, ".", ".." or not UTF-8
	CodeKeyTooLong                     // over MaxKeyBytes
	CodeKeyNotFound                    // absent or expired
	CodeInvalidExpiration              // absolute expiration malformed or too near
	CodeInvalidTTL                     // expiration_ttl malformed or too short
	CodeInvalidMetadata                // not JSON
	CodeMetadataTooLarge               // over MaxMetadataBytes
	CodeValueTooLarge                  // over the value limit
	CodeBodyTooLarge                   // a request's body over its limit
	CodeInvalidCacheTTL                // cache_ttl malformed or too small
	CodeInvalidLimit                   // list limit out of range
	CodeInvalidCursor                  // not a cursor of ours
	CodeInvalidNamespaceID             // not 32 hexadecimal characters
	CodeNamespaceNotFound              // no namespace has this id or title
	CodeNamespaceExists                // the title is taken
	CodeMissingTitle                   // no title given
	CodeTooManyNamespaces              // over MaxNamespaces
	CodePreconditionFailed             // If-Match or If-None-Match did not hold
	CodeTooManyWrites                  // over the write rate of one key
	CodeTooManyRequests                // slowed down: guessing, or too much at once
	CodeUnauthenticated                // no token, or one that is not known
	CodeForbidden                      // the token does not reach this far
	CodeDiskFull                       // below the disk reserve: puts are refused, deletes are not
	CodeUnavailable                    // try again later; nothing was done
	CodeOutcomeUnknown                 // the write may or may not have been done
	CodeTokenNotFound                  // no token has this id
	CodeBulkJSON                       // bulk get as JSON met a value that is not JSON
	CodeBulkTooLarge                   // bulk get's values are over MaxBulkGetBytes together
	CodeNotNumber                      // a value to add to is no number, or the sum would be none
	CodeQuota                          // the namespace holds as much as it may: deletes are not refused
	CodeHistoryGone                    // an earlier version that is not kept, or not any more
	CodeDamaged                        // what this node's disk has of the key is not what was written
	codeCount
)

// Codes are all there are, for tables that must be complete.
func Codes() []Code {
	codes := make([]Code, codeCount)
	for i := range codes {
		codes[i] = Code(i)
	}
	return codes
}

// Error is the one error type of the domain. Message is ASCII and written for
// clients (it may become an HTTP reason phrase); Err is for the log and never
// leaves the process.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns what caused e, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors of one code equal to each other for [errors.Is].
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Errorf returns an *Error whose message is for clients.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Sentinels, for [errors.Is] and for paths that must not allocate.
var (
	ErrKeyNotFound       = &Error{Code: CodeKeyNotFound, Message: "key not found"}
	ErrNamespaceNotFound = &Error{Code: CodeNamespaceNotFound, Message: "namespace not found"}
	ErrPrecondition      = &Error{Code: CodePreconditionFailed, Message: "Precondition Failed"}
	ErrDiskFull          = &Error{Code: CodeDiskFull, Message: "The disk is full: puts are refused, deletes and reads go on."}
	ErrNotNumber         = &Error{Code: CodeNotNumber, Message: "The value is not an integer of 64 bits, or the sum would not be."}
	ErrTooManyWrites     = &Error{Code: CodeTooManyWrites, Message: "Too Many Requests"}
	ErrNamespaceRate     = &Error{Code: CodeTooManyRequests, Message: "too many requests: over the namespace's requests_per_second"}
	ErrTokenRate         = &Error{Code: CodeTooManyRequests, Message: "too many requests: over the token's requests_per_second"}
	ErrInvalidCursor     = &Error{Code: CodeInvalidCursor, Message: "Invalid cursor"}
	ErrUnauthenticated   = &Error{Code: CodeUnauthenticated, Message: "Authentication error"}
	ErrForbidden         = &Error{Code: CodeForbidden, Message: "The token lacks the permission for this operation."}
	ErrOutcomeUnknown    = &Error{Code: CodeOutcomeUnknown, Message: "The outcome of the write is unknown."}
	ErrReplaced          = &Error{Code: CodeUnavailable, Message: "The value was replaced while it was read."}
	ErrNoUpstream        = &Error{Code: CodeUnavailable, Message: "The upstream cannot be reached: reads go on, writes must wait."}
	ErrDamaged           = &Error{Code: CodeDamaged, Message: "What was asked for is damaged on this node's disk."}
	ErrBusy              = &Error{Code: CodeUnavailable, Message: "Service temporarily unavailable: too many writes are waiting."}
)

// Fenced is the error of writing to a centre of one generation that a later one has
// taken the log over from. It is for clients.
func Fenced(generation, by uint64) *Error {
	return Errorf(CodeUnavailable, "This centre was replaced: generation %d of the cluster has taken over, this is generation %d. "+
		"Write to the new centre. The operator decides: start this node with --upstream as an edge of the new one, or stop it and run godwit promote.", by, generation)
}

// CodeOf returns the code of the first *Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// MessageOf returns what a client may be told of err.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Code != CodeInternal {
		return e.Message
	}
	return "Internal Server Error"
}

// clip bounds what an error repeats of its input.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	for i := most; i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i] + "..."
		}
	}
	return "..."
}
