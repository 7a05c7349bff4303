package doctor

import (
	"fmt"
	"time"
)

// followingOf judges how an edge or a member stands to the log.
func followingOf(_ *Deployment, n *Node) *Finding {
	const check = "following"
	s := n.Status
	stale := time.Duration(s.StalenessMS) * time.Millisecond
	switch {
	case s.Role != "edge" && s.Cluster == nil:
		return nil
	case s.Progress != "":
		return &Finding{
			Level: Warning, Check: check, Found: "becoming a copy: " + s.Progress,
			Means: "reads of what is not here yet go upstream, or wait", Do: "wait; godwit status tells how far it is",
		}
	case s.Role == "edge" && !s.Connected:
		return &Finding{
			Level: Problem, Check: check, Found: "it does not hear of its upstream " + s.Upstream,
			Means: "reads go on from its copy, as STALE; writes are refused with 503",
			Do:    "see that the upstream runs and can be reached from there; give several as --upstream",
		}
	case s.StalenessMS < 0:
		return &Finding{
			Level: Problem, Check: check, Found: "it is not known for how long it may have missed a write",
			Means: "it has not heard of the log since its start", Do: "see its log, and the node that it follows",
		}
	case stale > staleWarning:
		f := &Finding{
			Level: Warning, Check: check, Found: fmt.Sprintf("it may have missed writes for %s; %d revisions behind", after(stale), s.Lag),
			Means: "reads with a cache_ttl below that go upstream, and are slower",
			Do:    "see the network to its upstream, and whether its disk keeps up: godwit_store_compaction_debt_bytes",
		}
		if stale > staleProblem {
			f.Level = Problem
		}
		return f
	}
	found := fmt.Sprintf("%s behind at the most, by %d revisions", after(stale), s.Lag)
	if s.Missing > 0 {
		found += fmt.Sprintf("; %d large values still to be fetched", s.Missing)
	}
	return ok(check, found)
}

// retentionOf tells of a follower that may come back too late for what it missed.
func retentionOf(_ *Deployment, n *Node) *Finding {
	const check = "retention"
	s := n.Status
	kept, stale := time.Duration(s.RetentionSeconds)*time.Second, time.Duration(s.StalenessMS)*time.Millisecond
	switch {
	case kept == 0:
		return nil // an older version
	case s.Role == "edge" && stale > kept/2:
		return &Finding{
			Level: Warning, Check: check, Found: fmt.Sprintf("it has heard of no write for %s, and deletions are remembered for %s", after(stale), after(kept)),
			Means: "once that has passed, it must compare all keys with its upstream's when it comes back",
			Do:    "connect it again before",
		}
	}
	return ok(check, "deletions are remembered for "+after(kept))
}
