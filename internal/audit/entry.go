package audit

import (
	"net/http"
	"time"

	"github.com/godwitkv/godwit"
)

// Outcomes of entries.
const (
	OutcomeAsked   = "asked"   // it is about to be carried out; of a strict log alone
	OutcomeOK      = "ok"      // it was carried out
	OutcomeRefused = "refused" // it was not: what was asked cannot be, or may not
	OutcomeFailed  = "failed"  // it was not: the node's doing
	OutcomeUnknown = "unknown" // it may have been carried out
)

// OperationDropped is that of the entry that counts those left out before it.
const OperationDropped = "dropped"

// Entry is a line.
type Entry struct {
	Time      time.Time `json:"time"`
	Node      string    `json:"node,omitempty"`
	Token     string    `json:"token,omitempty"` // its id, never its secret
	TokenName string    `json:"token_name,omitempty"`
	Remote    string    `json:"remote,omitempty"` // address of who asked
	Operation string    `json:"operation"`
	Namespace string    `json:"namespace,omitempty"` // id
	Title     string    `json:"title,omitempty"`
	Key       string    `json:"key,omitempty"`    // of an operation on one
	Count     int64     `json:"count,omitempty"`  // of keys, or of entries that were dropped
	Target    string    `json:"target,omitempty"` // the token, prefix or member that it is about
	Revision  string    `json:"revision,omitempty"`
	Outcome   string    `json:"outcome,omitempty"`
	Status    int       `json:"status,omitempty"` // HTTP status
	RequestID string    `json:"request_id,omitempty"`
	Upstream  bool      `json:"upstream,omitempty"` // it was passed on to the node's upstream
}

// By says whose doing an entry is.
func (e *Entry) By(t *godwit.Token) {
	if t != nil {
		e.Token, e.TokenName = t.ID, t.Name
	}
}

// About says which namespace an entry is about: ns, or as far as that is not known
// what the client called it.
func (e *Entry) About(ns *godwit.Namespace, called string) {
	if ns == nil {
		e.Title = called
		return
	}
	e.Namespace, e.Title = ns.ID.String(), ns.Title
}

// Ended says how it ended, by the HTTP status that it was answered with.
func (e *Entry) Ended(status int) {
	e.Status = status
	switch {
	case status == http.StatusGatewayTimeout, status < 200:
		e.Outcome = OutcomeUnknown
	case status >= 500:
		e.Outcome = OutcomeFailed
	case status >= 400:
		e.Outcome = OutcomeRefused
	default:
		e.Outcome = OutcomeOK
	}
}
