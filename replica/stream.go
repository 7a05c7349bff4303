package replica

import (
	"context"
	"errors"
	"io"
)

// streamBytes is how much is read of a stream at a time, if it has that much.
const streamBytes = 32 << 10

// stream is a value that may wait for ever to be read. Its reads end with ctx all the same,
// and none is begun before somebody needs what it gives: once nobody reads the stream any
// more, nobody reads the value. The client has such a reader of its own, since it imports
// nothing but the standard library.
type stream struct {
	ctx      context.Context //nolint:containedctx // of the call whose value it is
	r        io.Reader
	buf      []byte // r's to write to, also when nobody waits any more
	here     []byte // of buf, still to be taken
	err      error  // what comes behind that
	panicked any    // of r's Read
}

// read is one Read of a value.
type read struct {
	n        int
	err      error
	panicked any
}

var errPanicked = errors.New("the value's Read panicked")

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.here) == 0 && s.err == nil {
		s.next()
	}
	if len(s.here) == 0 {
		return 0, s.err
	}
	n := copy(p, s.here)
	s.here = s.here[n:]
	return n, nil
}

// next reads on, or takes ctx's error if that ends before. Then the Read goes on, in a
// goroutine that ends as it returns.
func (s *stream) next() {
	done := make(chan read, 1)
	go func() {
		got := read{err: errPanicked}
		defer func() {
			got.panicked = recover()
			done <- got
		}()
		got.n, got.err = s.r.Read(s.buf)
	}()
	select {
	case got := <-done:
		s.here, s.err, s.panicked = s.buf[:got.n], got.err, got.panicked
	case <-s.ctx.Done():
		s.err = context.Cause(s.ctx)
	}
}
