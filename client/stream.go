package client

import (
	"context"
	"io"
)

// streamBytes is how much is read of a stream at a time, if it has that much: to change
// from one goroutine to another costs as long as to copy some of it.
const streamBytes = 128 << 10

// firstBytes is how much is read at first: most values are small.
const firstBytes = 4 << 10

// stream is a value that may wait for ever to be read, as the body of a request that
// somebody else sends may. Its reads end with ctx all the same.
type stream struct {
	ctx  context.Context //nolint:containedctx // of the call whose value it is
	r    io.Reader
	buf  []byte // r's to write to, also when nobody waits any more
	full bool   // r has filled buf
	here []byte // of buf, still to be taken
	err  error  // what comes behind that
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.here) == 0 && s.err == nil {
		s.grow()
		var n int
		n, s.err = await(s.ctx, func() (int, error) { return s.r.Read(s.buf) })
		s.here, s.full = s.buf[:n], n == len(s.buf)
	}
	if len(s.here) == 0 {
		return 0, s.err
	}
	n := copy(p, s.here)
	s.here = s.here[n:]
	return n, nil
}

// grow makes a buffer that is as long as the value has turned out to need.
func (s *stream) grow() {
	switch {
	case s.buf == nil:
		s.buf = make([]byte, firstBytes)
	case s.full && len(s.buf) < streamBytes:
		s.buf = make([]byte, min(4*len(s.buf), streamBytes))
	}
}

// await is read, or ctx's error if that ends before. Then read goes on, in a goroutine that
// ends as it returns.
func await[T any](ctx context.Context, read func() (T, error)) (got T, err error) {
	type result struct {
		got      T
		err      error
		panicked any
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			r.panicked = recover() // which is for whoever waits, who may recover
			done <- r
		}()
		r.got, r.err = read()
	}()
	select {
	case r := <-done:
		if r.panicked != nil {
			panic(r.panicked)
		}
		return r.got, r.err
	case <-ctx.Done():
		return got, context.Cause(ctx)
	}
}
