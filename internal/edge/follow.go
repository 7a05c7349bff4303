package edge

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/pause"
)

const (
	mostRedirects = 3 // in a row
	mostCopies    = 3 // in one visit of an upstream
)

// loop follows one upstream after another until the edge closes.
type loop struct {
	*Edge
	apply    *applier
	route    itinerary
	patience patience
	full     bool          // the disk was when a stream was given up last
	offset   time.Duration // of the clock, as the store keeps it
}

func newLoop(e *Edge) (*loop, error) {
	a, err := newApplier(e)
	if err != nil {
		return nil, err
	}
	offset, err := recallClock(e.store, e.cfg.Clock)
	if err != nil {
		return nil, err
	}
	return &loop{Edge: e, apply: a, route: itinerary{upstreams: len(e.clients)}, offset: offset}, nil
}

// run ends with ctx, or with the error that ends the edge.
func (l *loop) run(ctx context.Context) error {
	if l.apply.isMixed() {
		l.apply.mix()
	}
	for l.hold.pass(ctx) {
		steady, err := l.visit(ctx, l.route.at)
		if ctx.Err() != nil {
			return nil
		}
		if f := (*fatalError)(nil); errors.As(err, &f) {
			return err
		}
		if newer := (*newerError)(nil); errors.As(err, &newer) {
			l.route.at = newer.index
			continue
		}
		if errors.Is(err, errHeld) {
			continue
		}
		if !pause.For(ctx, l.route.lost(steady, err)) {
			return nil
		}
	}
	return nil
}

// visit follows upstream i, or who it sends this node to, until that can go on no
// longer, and tells whether it went well for a while.
func (l *loop) visit(ctx context.Context, i int) (steady bool, err error) {
	c := l.clients[i]
	for redirects, copies := 0, 0; ; {
		steady, err = l.stream(ctx, c, i)
		var elsewhere *redirectError
		var copied *copyError
		switch {
		case errors.As(err, &elsewhere):
			redirects++
			next, err := l.redirect(c, elsewhere.url, redirects)
			if err != nil {
				l.status.lost(c.URL(), err)
				return false, err
			}
			defer next.Close()
			c = next
		case errors.As(err, &copied):
			copies++
			if err := l.copy(ctx, c, copied.reason, copies); err != nil {
				l.status.lost(c.URL(), err)
				return false, err
			}
		default:
			return steady, err
		}
	}
}

// redirect returns a client of where an upstream sends this node. The token goes
// there too, so never from a connection that is encrypted to one that is not. Nor
// ever to itself: it would hear from itself that all is well, and stay.
func (l *loop) redirect(from *feed.Client, to string, times int) (*feed.Client, error) {
	if times > mostRedirects {
		return nil, errRedirects
	}
	if own := l.url(); own != "" && strings.TrimRight(to, "/") == strings.TrimRight(own, "/") {
		return nil, fmt.Errorf("%w, at %s", errItself, own)
	}
	target, err := url.Parse(to)
	if err != nil {
		return nil, fmt.Errorf("%w: it sends this node to no URL", errFrame)
	}
	if origin, err := url.Parse(from.URL()); err == nil && origin.Scheme == "https" && target.Scheme != "https" {
		return nil, fmt.Errorf("%w: it sends this node from https to %s", errRefused, target.Redacted())
	}
	c, err := l.newClient(to)
	if err != nil {
		return nil, fmt.Errorf("%w: it sends this node to %s", errFrame, target.Redacted())
	}
	l.log.Info("upstream has too many followers", logUpstream, from.URL(), logNext, c.URL())
	return c, nil
}
