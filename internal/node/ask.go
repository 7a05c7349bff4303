package node

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/godwitkv/godwit"
)

// Bounds of asking upstream for what is not known here.
const (
	identifyTimeout = 2 * time.Second
	refreshTimeout  = time.Second
	refreshRate     = 200 // a second
)

var (
	errTooMany  = errors.New("too many ask for what is not known here")
	errStarting = errors.New("this node is starting")
)

func newRefreshes() *rate.Limiter { return rate.NewLimiter(refreshRate, refreshRate) }

// identify asks upstream whom a credential stands for.
func (n *Node) identify(ctx context.Context, secret []byte) (*godwit.Token, bool, error) {
	e := n.edge.Load()
	if e == nil {
		return nil, false, godwit.ErrNoUpstream
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	return e.Identify(ctx, secret)
}

// refresh waits until this node has all that the centre had when it was called.
func (n *Node) refresh(ctx context.Context) error {
	e := n.edge.Load()
	if e == nil {
		return godwit.ErrNoUpstream
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if err := n.refreshes.Wait(ctx); err != nil {
		return errTooMany
	}
	r, err := e.Barrier(ctx)
	if err != nil {
		return err
	}
	return e.Await(ctx, r)
}
