package worker

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/godwitkv/godwit/client"
)

// refreshTimeout is how long a change waits to hear what is still there.
const refreshTimeout = 2 * time.Second

// refresh forgets namespaces and tokens that are not at the node any more, so that others
// are found or made. While the node is away, what is known goes on.
func (n *namespaces) refresh(ctx context.Context) {
	if len(n.known) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	there, err := n.client.Namespaces(ctx)
	if err != nil {
		return
	}
	maps.DeleteFunc(n.known, func(_ string, ns client.Namespace) bool {
		return !slices.ContainsFunc(there, func(t client.Namespace) bool { return t.ID == ns.ID })
	})
	n.refreshTokens(ctx)
}

// refreshTokens is refresh for the tokens that were made here.
func (n *namespaces) refreshTokens(ctx context.Context) {
	made := func(g *grant) bool { return g.id != "" }
	if !slices.ContainsFunc(slices.Collect(maps.Values(n.granted)), made) {
		return
	}
	there, err := n.client.Tokens(ctx)
	if err != nil {
		return
	}
	maps.DeleteFunc(n.granted, func(_ string, g *grant) bool {
		return made(g) && !slices.ContainsFunc(there, func(t client.Token) bool { return t.ID == g.id })
	})
}
