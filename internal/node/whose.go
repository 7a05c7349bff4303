package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/store"
)

// ErrMember tells that the data is a member's, and is to be opened as that. To promote
// it makes a second centre, unless its cluster is gone.
var ErrMember = errors.New("the data is that of a member of a cluster")

// whose says why a store was not opened. To the store a member is a follower as an edge
// is.
func whose(ctx context.Context, cfg store.Config, refusal error) error {
	if !errors.Is(refusal, store.ErrFollower) {
		return refusal
	}
	err := store.Look(ctx, store.Config{Dir: cfg.Dir, FS: cfg.FS, Now: cfg.Now, Keys: cfg.Keys}, func(_ context.Context, s *store.Store) error {
		if member, _ := jetstream.Whole(s); member {
			return fmt.Errorf("%s: %w", cfg.Dir, ErrMember)
		}
		return nil
	})
	if errors.Is(err, ErrMember) {
		return err
	}
	return refusal
}
