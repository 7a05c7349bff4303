package jetstream_test

import (
	"errors"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// TestJoinWithoutJurisdiction: a member that is not for a namespace of the cluster
// becomes no copy of a peer, takes none of its keys, and ends with the reason.
func TestJoinWithoutJurisdiction(t *testing.T) {
	play(t, 2, func(c *cluster) {
		bound := createNamespace()
		bound.Mutations[0].Value.Inline = []byte(`{"title":"europe","jurisdiction":"eu"}`)
		open := createNamespace()
		open.Mutations[0].Key = catalog.NamespaceKey(godwit.NamespaceID{0xee})
		c.members[0].propose(bound, open, put("secret", "value"))
		c.trim()
		m := c.add("n3")
		why := errors.New("it is not for this")
		m.tune = func(cfg *jetstream.Config) {
			cfg.MayHold = func() error {
				if m.face.catalog.Bound() {
					return why
				}
				return nil
			}
		}
		m.start()
		if err := <-m.Failed(); !errors.Is(err, why) {
			t.Errorf("it ended with %v", err)
		}
		if m.face.catalog.KnownNamespace(godwit.NamespaceID{0xee}) == nil {
			t.Error("it has not even the catalog")
		}
		if _, _, err := m.store.Get(t.Context(), ns, []byte("secret"), godwit.ReadOptions{}); !errors.Is(err, godwit.ErrKeyNotFound) {
			t.Errorf("of the namespace it has the key: %v", err)
		}
	})
}
