package edge

import (
	"context"

	"github.com/godwitkv/godwit"
)

// Await returns once the copy is exact and holds r: after an answer of the
// upstream's, so that it shows here too. Error: ctx's.
func (e *Edge) Await(ctx context.Context, r godwit.Revision) error {
	return e.follow.waitRevision(ctx, r)
}
