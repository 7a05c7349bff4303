package feed

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/godwitkv/godwit"
)

// checkGeneration looks at which generation of the log the follower has followed.
// A later one than this node's has taken over from it: an owner of the log is
// told so, and is none any more. Only a follower that may have all of the data is
// believed that: a token for some namespaces is not one to stop a centre with.
// Error: CodeInvalidRequest.
func (q *ask) checkGeneration(s *Server) error {
	text := q.query.Get("generation")
	if text == "" {
		return nil
	}
	g, err := strconv.ParseUint(text, 10, 64)
	if err != nil || g > godwit.MaxFollowedGeneration {
		return godwit.Errorf(godwit.CodeInvalidRequest, "generation must be a number of at most %d.", godwit.MaxFollowedGeneration)
	}
	own := s.cfg.Store.Generation()
	if g <= own || q.refusal != nil || q.query.Get("cluster") != s.cfg.Store.Cluster() {
		return nil
	}
	q.refuse(EndAhead, fmt.Sprintf("the follower has followed generation %d of the log, and this node is of generation %d", g, own))
	switch {
	case !s.cfg.Owner: // it hears of it from its own upstream
	case scopeOf(q.principal) != nil:
		s.cfg.Logger.Warn("a follower with a token for some namespaces says that this centre was replaced: that is not enough to stop writes",
			slog.Uint64(logGeneration, g), slog.String(logToken, q.principal.Token.ID))
	default:
		q.refusal = &End{EndRefused, godwit.Fenced(own, g).Message}
		s.cfg.Outranked(g)
	}
	return nil
}

// Fence ends all streams and takes no new ones: the log is another centre's.
func (s *Server) Fence(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced == nil {
		s.fenced = &End{EndRefused, godwit.MessageOf(why)}
		s.endAll(s.fenced)
	}
}
