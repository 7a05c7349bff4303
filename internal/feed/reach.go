package feed

import "github.com/godwitkv/godwit"

// mostBeyond is by how much, at the most, a log goes on between two things that are heard
// of it. Nobody writes that much meanwhile, and a new epoch, which may begin far above,
// says so first.
const mostBeyond = 1 << 32

// MayReach tells whether the upstream's log may have come to a revision by now, where
// the follower has come to heard by what it said since. What is further ahead is no
// revision of that log: it would never come to it, and who waits for that waits for ever.
func (h *Hello) MayReach(r, heard godwit.Revision) bool {
	known := max(h.Revision, heard)
	if n := len(h.Lineage); n > 0 {
		known = max(known, h.Lineage[n-1].First)
	}
	return r <= godwit.MaxRevision && (r <= known || r-known <= mostBeyond)
}
