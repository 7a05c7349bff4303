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

// Run reconciles and returns the lowest position of the upstream's states that
// it read: following from there makes the store exact. The store is a mixture
// until then. Errors: the transport's, the store's, *End as an error.
func (r *Reconcile) Run(ctx context.Context) (*Hello, godwit.Position, error) { panic("later") }
