package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// Errors of this package, for [errors.Is].
var (
	// ErrKeyNotFound is returned by Get and GetWithMetadata for a key that is
	// absent or expired.
	ErrKeyNotFound = errors.New("key not found")
	// ErrNamespaceNotFound is returned when no namespace has the id or title, and
	// by Watch when the namespace is deleted.
	ErrNamespaceNotFound = errors.New("namespace not found")
	// ErrNamespaceExists is returned by CreateNamespace and RenameNamespace
	// when another namespace has the title.
	ErrNamespaceExists = errors.New("namespace already exists")
	// ErrTokenNotFound is returned by RevokeToken when no token has the id, as
	// after it was revoked.
	ErrTokenNotFound = errors.New("token not found")
	// ErrPrecondition is returned by Put and Delete when IfMatch or IfNoneMatch
	// did not hold, and by Transact when a condition did not. Nothing was changed,
	// unless the error is ErrOutcomeUnknown as well.
	ErrPrecondition = errors.New("precondition failed")
	// ErrUnauthenticated is returned when the server does not know the token:
	// it is missing, wrong, expired or revoked. It ends a Watch, too.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrForbidden is returned when the token's permission or its namespaces
	// do not reach that far.
	ErrForbidden = errors.New("forbidden")
	// ErrInvalid is returned for a request that the server, or this package
	// before it, finds malformed: a key, an expiration, metadata, a limit.
	ErrInvalid = errors.New("invalid request")
	// ErrTooLarge is returned when a value, metadata, a key, a bulk request or a
	// transaction is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrTooManyRequests is returned when the server still asks to slow down
	// after the last attempt: a key is written too often, the namespace's or the
	// token's requests a second are used up, too many guesses at a token came from
	// here, or the token has too many watches.
	ErrTooManyRequests = errors.New("too many requests")
	// ErrQuota is returned by writes when the namespace holds as many keys or bytes
	// as its settings allow. Reads and deletes go on.
	ErrQuota = errors.New("the namespace's quota is reached")
	// ErrDiskFull is returned by writes when the server's disk is below its
	// reserve. Reads and deletes go on.
	ErrDiskFull = errors.New("the server's disk is full")
	// ErrUnavailable is returned when nobody answers after the last attempt, or an
	// answer breaks off, or there is a page of a proxy instead, or
	// when the server says that it cannot: it is starting or stopping, has too
	// much to do, or is an edge that must ask upstream and finds nobody there.
	ErrUnavailable = errors.New("unavailable")
	// ErrOutcomeUnknown is returned by writes that may or may not have taken
	// effect, now or later: the connection broke before the answer was read, a proxy got
	// none or gave its own, or the server failed or cannot tell. If another attempt was then refused, the error
	// is also what that was told: look for ErrOutcomeUnknown first.
	ErrOutcomeUnknown = errors.New("the outcome of the write is unknown")
	// ErrNotNumber is returned by Transact and Add when a value to add to is not an
	// integer of 64 bits, or the sum would not be one. Nothing was changed, unless the
	// error is ErrOutcomeUnknown as well.
	ErrNotNumber = errors.New("not a number")
	// ErrHistoryGone is returned when what a key held at a moment is not kept, or not
	// any more: that it was absent is not known either.
	ErrHistoryGone = errors.New("history is not kept that far")
	// ErrDamaged is returned by reads when the disk of the node that answered has
	// damaged what was asked for, and nobody had it whole.
	ErrDamaged = errors.New("damaged on the server's disk")
	// ErrReset is returned by Watch when what happened after the position to go
	// on from is not known any more: it is too old, or of a log that was put back
	// to an earlier state. List all keys, then watch on after the event's ID.
	ErrReset = errors.New("the position is too old: list all keys, then watch on")
)

// Error is what the server answered instead of what was asked.
type Error struct {
	Status     int           // HTTP status
	Code       string        // Cloudflare's number or godwit's word
	Message    string        // for people
	RetryAfter time.Duration // 0: the server did not say

	// Conditions are what stands under the keys whose conditions failed, of
	// Transact's ErrPrecondition: each a condition that would have held. None
	// are there if another write came before they were read.
	Conditions []Condition
}

// Error implements error.
func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s (HTTP %d, code %s)", e.Message, e.Status, e.Code)
}

// Is compares e with the sentinels of this package.
func (e *Error) Is(target error) bool { return target == e.sentinel() }

// sentinel is the kind of e: by its code where that says more than the status.
func (e *Error) sentinel() error {
	switch e.Code {
	case "10009", "key_not_found":
		return ErrKeyNotFound
	case "10013", "namespace_not_found":
		return ErrNamespaceNotFound
	case "10014", "namespace_exists":
		return ErrNamespaceExists
	case "token_not_found":
		return ErrTokenNotFound
	case "10504", "outcome_unknown":
		return ErrOutcomeUnknown
	case "10409", "not_a_number":
		return ErrNotNumber
	case "10048", "quota_reached":
		return ErrQuota
	case "10410", "history_gone":
		return ErrHistoryGone
	case "10550", "damaged":
		return ErrDamaged
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return ErrUnauthenticated
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusPreconditionFailed:
		return ErrPrecondition
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return ErrTooLarge
	case http.StatusTooManyRequests:
		return ErrTooManyRequests
	case http.StatusInsufficientStorage:
		return ErrDiskFull
	case http.StatusBadRequest:
		return ErrInvalid
	}
	if passes(e.Status) {
		return ErrUnavailable
	}
	return nil
}

// maxErrorBytes bounds how much of an error's body is read.
const maxErrorBytes = 64 << 10

// readError turns an answer that is no success into an *Error. It reads either
// API's envelope, and answers of proxies in between as well as it can.
func readError(res *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes)) // the status alone is an error too
	e := &Error{Status: res.StatusCode, RetryAfter: retryAfter(res.Header)}
	var envelope struct {
		Errors []struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Error struct {
			Code       string          `json:"code"`
			Message    string          `json:"message"`
			Conditions []conditionJSON `json:"conditions"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return e
	}
	switch {
	case len(envelope.Errors) > 0:
		e.Code, e.Message = strconv.Itoa(envelope.Errors[0].Code), envelope.Errors[0].Message
	case envelope.Error.Code != "":
		e.Code, e.Message = envelope.Error.Code, envelope.Error.Message
		e.Conditions = standing(envelope.Error.Conditions)
	}
	return e
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > 3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// checkText refuses what JSON cannot carry: it would make other keys, prefixes or
// titles of them.
func checkText(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return invalid("%q is not UTF-8", text)
		}
	}
	return nil
}

// invalid is an error found before anything was sent.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
