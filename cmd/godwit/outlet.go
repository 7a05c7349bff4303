package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// leaveAfter is how long a write may take while the program is being stopped.
const leaveAfter = time.Second

// errUnread is what a write gets that is not waited for.
var errUnread = errors.New("nobody reads the output")

// outlet writes to a file that perhaps nobody reads, such as less behind a pipe or a
// collector that is stuck. Whoever writes waits; but once one write takes too long while the
// program is being stopped, it and all after it are given up.
type outlet struct {
	to       io.Writer
	stopping <-chan struct{}
	turn     chan struct{} // holds one while somebody writes
	unread   chan struct{} // closed when no write is waited for any more
	once     sync.Once     // closes it
}

// newOutlet is an outlet of a program that is stopped when ctx ends.
func newOutlet(ctx context.Context, to io.Writer) *outlet {
	return &outlet{to: to, stopping: ctx.Done(), turn: make(chan struct{}, 1), unread: make(chan struct{})}
}

// Write implements io.Writer. One that is given up may still come out.
func (o *outlet) Write(p []byte) (int, error) {
	select {
	case <-o.unread:
		return 0, errUnread
	default: // it may be one's turn all the same
	}
	select {
	case <-o.unread:
		return 0, errUnread
	case o.turn <- struct{}{}:
	}
	text := bytes.Clone(p) // the caller's again when this returns
	written := make(chan error, 1)
	go func() { // nobody can wait for its end, nor cut it short: it goes with the process
		_, err := o.to.Write(text)
		<-o.turn
		written <- err
	}()
	select {
	case err := <-written:
		return len(p), err
	case <-o.stopping:
	}
	select {
	case err := <-written:
		return len(p), err
	case <-o.unread:
	case <-time.After(leaveAfter):
		o.once.Do(func() { close(o.unread) })
	}
	return 0, errUnread
}
