package feed

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// ClientConfig is what a Client needs; URL and Token are required.
type ClientConfig struct {
	URL   string // of the upstream's API port
	Token string // the follower's own, permission replicate
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	TLS   *tls.Config
	Agent string // User-Agent
}

// Client asks one upstream. Its methods may be called from many goroutines.
// Their errors are *godwit.Error where the upstream answered with one, else
// wrap the cause, with CodeUnavailable.
type Client struct{}

// NewClient returns a client. Error: the URL is none.
func NewClient(cfg ClientConfig) (*Client, error) { panic("later") }

// Close closes idle connections.
func (c *Client) Close() { panic("later") }

// URL is the upstream's.
func (c *Client) URL() string { panic("later") }

// FollowRequest asks for a stream.
type FollowRequest struct {
	After      godwit.Position // zero: from nothing, which is answered with EndTooOld
	Cluster    string          // "": any
	Namespaces []string        // ids or titles; nil: all that the token may
	MaxValue   int64           // 0: all values
}

// Stream is a stream of frames. It is for one goroutine.
type Stream struct{}

// Follow opens the upstream's feed. The stream ends when ctx does.
func (c *Client) Follow(ctx context.Context, q FollowRequest) (*Stream, error) { panic("later") }

// WalkRequest asks for the pages of a walk.
type WalkRequest struct {
	After      *store.Place // nil: from the start
	Heads      bool         // without values
	Namespaces []string
	MaxValue   int64
}

// Walk opens a walk of the upstream's entries: Hello, then pages, then End.
func (c *Client) Walk(ctx context.Context, q WalkRequest) (*Stream, error) { panic("later") }

// Next returns the next frame, which is valid until the one after it. Errors:
// io.EOF after an End, io.ErrUnexpectedEOF where the stream broke off,
// wire.ErrMalformed, the transport's.
func (s *Stream) Next() (Frame, error) { panic("later") }

// More tells whether Next would not wait: a whole frame has arrived, or the end.
func (s *Stream) More() bool { panic("later") }

// Received is how many bytes have come so far. Any goroutine may ask, also while
// Next waits: a large frame on a slow line is no silence.
func (s *Stream) Received() int64 { panic("later") }

// Close ends the stream.
func (s *Stream) Close() error { panic("later") }

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

// Report tells the upstream how this node is. The stream echoes it.
func (c *Client) Report(ctx context.Context, r Report) error { panic("later") }

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
