package feed

import (
	"context"
	"log/slog"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// Reconcile makes a store a copy of an upstream's: it walks the upstream's keys
// in order, takes what differs and drops what the upstream lacks. It goes on
// where an earlier one was cut off.
type Reconcile struct {
	Store      *store.Store
	Client     *Client
	Namespaces []string
	MaxValue   int64
	Logger     *slog.Logger
	Progress   func(Progress) // told now and then
	Now        func() time.Time
}

// Progress is how far a reconcile came.
type Progress struct {
	Keys    int64 // looked at
	Taken   int64
	Dropped int64
	Bytes   int64 // received
	Place   store.Place
}

// Reconciled is what a reconcile that came to its end leaves: a store that holds
// nothing older than From and nothing newer than Highest. Following from From
// makes it exact once Highest is passed.
type Reconciled struct {
	Hello   *Hello          // of the last walk
	From    godwit.Position // the lowest of the upstream's states that were read
	Highest godwit.Revision // the highest of them, also of walks that were cut off
}

// Run reconciles. The store is a mixture from its first commit on, and its
// position stays: whoever follows moves it to From (Tx.Rewind, Tx.Follow).
// Errors: the transport's, the store's, *End as an error.
func (r *Reconcile) Run(ctx context.Context) (*Reconciled, error) { panic("later") }
