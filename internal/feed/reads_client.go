package feed

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

// Entries returns what stands upstream under keys of one namespace, in their
// order, nil for nothing, all from one state, and the state's position. Values
// over the filter's bound come as blobs. At most godwit.MaxBulkGetKeys keys.
func (c *Client) Entries(ctx context.Context, ns godwit.NamespaceID, keys []string, f Filter, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	panic("later")
}

// List returns a page of keys as the upstream sees them.
func (c *Client) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	panic("later")
}

// Value returns the value that a key had at revision r. Error:
// godwit.ErrReplaced if that is gone. The caller closes it.
func (c *Client) Value(ctx context.Context, ns godwit.NamespaceID, key string, r godwit.Revision) (io.ReadCloser, error) {
	panic("later")
}

