package edge

import (
	"time"

	"github.com/godwitkv/godwit/internal/feed"
)

// metWithin is for how long a store may hold what its upstream's log has not come to,
// once the upstream has all that the log held when it was found so: one of several
// owners may lag behind the others, but not for long.
const metWithin = 30 * time.Second

// meet tells whether what the store holds beyond its position is of the upstream's log,
// which comes to it soon then. If it never does, another upstream has told what is not
// so, and the store would never be exact again. Error: a *copyError.
func (a *applier) meet(h *feed.Heartbeat) error {
	if a.unmet.IsZero() || a.inRound {
		return nil
	}
	if a.edge.follow.exact() {
		a.unmet = time.Time{}
		return nil
	}
	if time.Since(a.unmet)-h.Age < metWithin {
		return nil
	}
	return &copyError{"the log does not come to what this node holds"}
}
