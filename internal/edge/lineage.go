package edge

import (
	"slices"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// position is where the store stands in the log, the zero position if it holds
// nothing of any.
func position(s *store.Store) godwit.Position {
	r := s.Revision()
	if r == 0 {
		return godwit.Position{}
	}
	return s.Lineage().Position(r)
}

// mayReplace tells whether a store at p may become a copy of who says h, though
// that takes it off its own line. The log's owner says what the log is. Anyone
// else may only if its log is the one that p is of, or a later one: a relay that
// was cut off before the log moved on must not take its followers back. generation
// is the store's: a log of a later one is a later log, whatever its revisions.
func mayReplace(h *feed.Hello, p godwit.Position, generation uint64) bool {
	if h.Owner || p.Revision == 0 || len(h.Lineage) == 0 {
		return h.Owner || p.Revision == 0
	}
	if h.Lineage.Generation() > generation {
		return true
	}
	known := slices.ContainsFunc(h.Lineage, func(e godwit.Epoch) bool { return e.ID == p.Epoch })
	last := h.Lineage[len(h.Lineage)-1]
	if known {
		return last.ID != p.Epoch || h.Revision >= p.Revision
	}
	return last.First > p.Revision
}
