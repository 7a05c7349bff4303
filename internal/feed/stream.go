package feed

import (
	"context"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

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

