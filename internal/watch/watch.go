// Package watch tells of changes under a prefix as they happen, from any
// revision on: what stands now of each change, in order.
//
// It owns the hub that hands on what the store commits and what expires, and how
// an event looks. It must not import an API, a log or an edge.
package watch

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// Config is what a Hub needs.
type Config struct {
	Store   *store.Store
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Hub serves watches. Its methods may be called from many goroutines.
type Hub struct{}

// New returns a hub. Whoever makes it hands it what the store commits and what
// expires from then on.
func New(cfg Config) *Hub { panic("later") }

// Committed takes what the store has committed, in order. It is quick, and keeps
// nothing of c.
func (h *Hub) Committed(c *store.Committed) { panic("later") }

// Expired takes entries that have expired.
func (h *Hub) Expired(e []store.Expired) { panic("later") }

// Mixed tells that the store is not an exact prefix of the log until Exact:
// watches wait, and get a reset if their position no longer means anything.
func (h *Hub) Mixed() { panic("later") }

// Exact tells that the store is an exact prefix again; reset: in a way that left
// deletions out, so that every watch begins anew.
func (h *Hub) Exact(reset bool) { panic("later") }

// Close ends all watches.
func (h *Hub) Close() { panic("later") }

// Request is what to watch.
type Request struct {
	Namespace godwit.NamespaceID
	Prefix    string
	After     string // ID of the last event seen; "": from now on
	Values    bool   // with the values of puts, up to a bound
}

// Kind is what happened.
type Kind string

// The kinds.
const (
	Put       Kind = "put"
	Deleted   Kind = "delete"
	Expired   Kind = "expire"
	Ready     Kind = "ready"     // all up to ID has been told
	Reset     Kind = "reset"     // the position is too old: read all anew, then go on from ID
	Heartbeat Kind = "heartbeat" // nothing happened
)

// Event is one change.
type Event struct {
	Kind     Kind
	ID       string // resumes behind this event
	Key      string
	Revision godwit.Revision
	Entry    *godwit.Entry // of a put
}

// Watch yields events until ctx ends, the hub closes or the namespace is
// deleted. Errors: CodeInvalidRequest for an ID that is none; ErrNamespaceNotFound;
// CodeUnavailable.
func (h *Hub) Watch(ctx context.Context, q Request) iter.Seq2[Event, error] { panic("later") }
