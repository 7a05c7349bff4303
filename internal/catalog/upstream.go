package catalog

import (
	"context"
	"errors"
	"strings"

	"github.com/godwitkv/godwit"
)

// identify asks upstream whom a secret stands for that is not known here. The
// answer may be older than a revocation that has arrived since.
func (c *Catalog) identify(ctx context.Context, secret []byte) (*Principal, error) {
	t, root, err := c.cfg.Identify(ctx, secret)
	switch {
	case errors.Is(err, godwit.ErrUnauthenticated):
		return nil, godwit.ErrUnauthenticated
	case err != nil:
		return nil, &godwit.Error{
			Code: godwit.CodeUnavailable, Err: err,
			Message: "The token is not known here, and the upstream that may know it cannot be asked.",
		}
	case c.expired(t) || !root && c.isRevoked(t.ID):
		return nil, godwit.ErrUnauthenticated
	}
	return &Principal{Token: t, Root: root}, nil
}

// noteRevoked remembers that a token was deleted. The caller holds c.mu.
func (c *Catalog) noteRevoked(r *godwit.Record) {
	if !c.cfg.Follower || r.Namespace != godwit.SystemNamespace {
		return
	}
	if id, ok := strings.CutPrefix(r.Key, tokenPrefix); ok {
		if r.Op == godwit.OpDelete {
			c.revoked[strings.Clone(id)] = struct{}{}
		} else {
			delete(c.revoked, id) // a reconcile brought it back
		}
	}
}

func (c *Catalog) isRevoked(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.revoked[id]
	return ok
}

// catchUp waits for what others have changed, if this node does not decide. Error:
// CodeUnavailable.
func (c *Catalog) catchUp(ctx context.Context) error {
	if c.cfg.Refresh == nil {
		return nil
	}
	return c.refresh(ctx)
}

// refresh waits for what an upstream may have that is not here. Errors:
// ErrNamespaceNotFound where there is no upstream; CodeUnavailable.
func (c *Catalog) refresh(ctx context.Context) error {
	if c.cfg.Refresh == nil {
		return godwit.ErrNamespaceNotFound
	}
	if err := c.cfg.Refresh(ctx); err != nil {
		return &godwit.Error{
			Code: godwit.CodeUnavailable, Err: err,
			Message: "Which namespace is meant cannot be told: the node that decides cannot be asked now. Try again.",
		}
	}
	return nil
}
