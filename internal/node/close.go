package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// lastWait is for how long requests may go on whose connections were cut.
const lastWait = 2 * time.Second

// Run waits until ctx ends or the node can go on no longer, and closes it. The
// error tells why it could not go on, or what closing ran into.
func (n *Node) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		n.cfg.Logger.Info("stopping: requests in flight are finished", slog.Duration(logTimeout, n.cfg.DrainTimeout))
	case <-n.failed.Done():
	}
	return n.Close()
}

// Wait waits until ctx ends or the node can go on no longer, and closes it in the second
// case alone. The error tells why it could not go on.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.failed.Done():
		return n.Close()
	}
}

// Close takes no more requests, finishes those in flight within the drain
// timeout, and closes the store. It returns what a worker failed with, too.
// Closing again returns the same.
func (n *Node) Close() error {
	n.closing.Do(func() { n.closed = n.close() })
	return n.closed
}

func (n *Node) close() error {
	n.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.DrainTimeout)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { return n.endStreams(ctx) })
	g.Go(func() error { return shutdown(ctx, n.api) })
	g.Go(func() error { return n.binding.Shutdown(ctx) })
	if n.pprof != nil {
		g.Go(n.pprof.Close)
	}
	err := g.Wait()
	n.cancel()
	switch {
	case errors.Is(err, context.DeadlineExceeded): // as promised: they had their time
		n.cfg.Logger.Warn("requests in flight were cut off", slog.Duration(logTimeout, n.cfg.DrainTimeout))
		err = nil
	case err != nil:
		err = fmt.Errorf("finish requests in flight: %w", err)
	}
	err = errors.Join(n.workers.Wait(), err)
	if !n.requests.wait(lastWait) {
		// The store under them stays open: it is as safe as after a crash.
		return errors.Join(err, errors.New("a request did not end with its connection"))
	}
	return errors.Join(err, n.release())
}

// endStreams tells those who follow or watch that the node stops: by themselves
// their streams would never end.
func (n *Node) endStreams(ctx context.Context) error {
	if n.feed == nil {
		return nil
	}
	n.hub.Close()
	return n.feed.Close(ctx)
}

// shutdown drains an HTTP server, and cuts off what is left at ctx's end.
func shutdown(ctx context.Context, s *http.Server) error {
	err := s.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	return err
}

// release closes what is open, from the top down.
func (n *Node) release() (err error) {
	err = n.listen.close()
	if n.scrub != nil {
		err = errors.Join(err, n.scrub.Close())
	}
	if s := n.stands(); s != nil {
		err = errors.Join(err, s.Close())
	}
	if n.store != nil {
		err = errors.Join(err, n.store.Close())
	}
	n.traces.Close()
	return errors.Join(err, n.audit.Close())
}
