package edge

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/internal/feed"
)

// preferEvery is how often an edge that follows another upstream than its first
// looks whether a better one is back.
const preferEvery = 30 * time.Second

// prefer ends the session once an upstream that comes before its own answers
// again, so that the next one is with that.
func (l *loop) prefer(ctx context.Context) error {
	tick := time.NewTicker(preferEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s := l.session.Load()
		if s == nil || !l.follow.exact() {
			continue
		}
		for _, c := range l.clients[:s.index] {
			if l.wouldDo(ctx, c) {
				s.cancel(errPreferred)
				break
			}
		}
	}
}

// wouldDo tells whether an upstream could be followed now: it takes the store's
// position and is fresh itself.
func (l *loop) wouldDo(ctx context.Context, c *feed.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	st, err := c.Follow(ctx, feed.FollowRequest{
		After: position(l.store), Cluster: l.store.Stats().ClusterID,
		Namespaces: l.cfg.Namespaces, MaxValue: l.cfg.MaxValue,
	})
	if err != nil {
		return false
	}
	defer st.Close()
	for {
		f, err := st.Next()
		if err != nil {
			return false
		}
		switch f := f.(type) {
		case *feed.Heartbeat:
			return f.Age <= staleAfter
		case *feed.End:
			return false
		}
	}
}
