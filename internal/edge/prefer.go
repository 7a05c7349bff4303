package edge

import (
	"context"
	"errors"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
)

// preferEvery is how often an edge looks at the upstreams that it does not follow,
// and preferFirst after how long for the first time: nobody is to follow a centre
// that was replaced for long, if there is one who can tell.
const (
	preferEvery = 30 * time.Second
	preferFirst = time.Second
)

// prefer ends the session once an upstream that comes before its own answers
// again, so that the next one is with that; and once any other is of a later
// generation of the log. Whoever is asked hears what generation this node has
// followed: where a node knows of two centres, both come to know of it.
func (l *loop) prefer(ctx context.Context) error {
	var back comeback
	next := time.NewTimer(preferFirst)
	defer next.Stop()
	for first := true; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		s := l.followed()
		if s == nil {
			next.Reset(preferFirst)
			continue
		}
		next.Reset(preferEvery)
		back.follows(s.index, time.Now())
		why := l.elsewhere(ctx, s.index, back.due(time.Now()) && !first)
		if errors.Is(why, errPreferred) {
			back.leaves(s.index, time.Now())
		}
		if why != nil {
			s.cancel(why)
		}
		first = false
	}
}

// followed is the stream by which the copy is kept exact, nil if there is none. By
// the time that the session is looked at a walk may have begun, which is not to be left.
func (l *loop) followed() *session {
	if !l.follow.exact() {
		return nil
	}
	if s := l.session.Load(); s != nil && !s.walks {
		return s
	}
	return nil
}

// elsewhere tells why another upstream is to be followed than the one at an index,
// nil if none is. Without preferred, that it comes before is no reason.
func (l *loop) elsewhere(ctx context.Context, index int, preferred bool) error {
	var why error
	for i, c := range l.clients {
		if i == index {
			continue
		}
		newer, would := l.wouldDo(ctx, c, preferred && i < index)
		if newer {
			return &newerError{i}
		}
		if would && why == nil {
			why = errPreferred
		}
	}
	return why
}

// wouldDo asks an upstream whether its log is of a later generation and, if it is to
// wait for that, whether it could be followed now: it takes the store's position, soon
// says Ready and is fresh itself.
func (l *loop) wouldDo(ctx context.Context, c *feed.Client, wait bool) (newer, would bool) {
	ctx, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	st, err := c.Follow(ctx, feed.FollowRequest{
		After: position(l.store), Cluster: l.store.Cluster(), Generation: l.store.Generation(),
		Namespaces: l.cfg.Namespaces, MaxValue: l.cfg.MaxValue, Jurisdictions: l.cfg.Jurisdictions,
	})
	if err != nil {
		return false, false
	}
	defer st.Close()
	for ready := false; ; {
		f, err := st.Next()
		if err != nil {
			return false, false
		}
		switch f := f.(type) {
		case *feed.Hello:
			own, g := l.store.Generation(), f.Lineage.Generation()
			if f.Cluster != l.store.Cluster() || g < own {
				return false, false
			}
			if g > own || !wait {
				return g > own, false
			}
		case *feed.Ready:
			ready = true
		case *feed.Heartbeat:
			if ready {
				return false, f.Age <= staleAfter
			}
		case *feed.End:
			return false, false
		}
	}
}
