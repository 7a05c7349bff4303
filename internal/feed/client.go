package feed

import (
	"context"
	"io"

	"github.com/godwitkv/godwit"
)

// Barrier is Log.Barrier at the upstream.
func (c *Client) Barrier(ctx context.Context) (godwit.Revision, error) { panic("later") }

// Identify returns whom a credential stands for at the upstream, and whether it
// is its root token. Error: ErrUnauthenticated.
func (c *Client) Identify(ctx context.Context, secret string) (t *godwit.Token, root bool, err error) {
	panic("later")
}

// Propose is Log.Propose at the upstream, with a client's own credential. The
// content of blobs that the transactions name is read from open. Errors as
// Log.Propose; CodeOutcomeUnknown if the connection broke once all was sent.
func (c *Client) Propose(ctx context.Context, secret string, txs []godwit.Transaction, open func(godwit.Blob) (io.ReadCloser, error)) ([]godwit.Result, error) {
	panic("later")
}
