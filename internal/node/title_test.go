package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/delay"
)

// TestClearAtAnEdgeThatIsBehind: what destroys is done to the namespace that has the title
// now, also where the node that is asked does not know yet that it is another.
func TestClearAtAnEdgeThatIsBehind(t *testing.T) {
	t.Parallel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	centre := open(t, config())
	far, err := delay.Listen("127.0.0.1:0", strings.TrimPrefix(centre.APIURL(), "http://"), 100*time.Millisecond)
	check(err)
	t.Cleanup(func() { check(far.Close()) })
	edge := openReady(t, edgeConfig("http://"+far.Addr()))
	at, near := connect(t, centre, rootToken), connect(t, edge, rootToken)

	was, err := at.CreateNamespace(t.Context(), "staging", client.NamespaceOptions{})
	check(err)
	_, err = at.KV(was.ID).Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
	check(err)
	for known := ""; known != was.ID; {
		known, _ = near.NamespaceID(t.Context(), "staging")
	}
	_, err = at.RenameNamespace(t.Context(), was.ID, "prod")
	check(err)
	_, err = at.CreateNamespace(t.Context(), "staging", client.NamespaceOptions{})
	check(err)
	_, err = near.KV("staging").ClearAll(t.Context())
	check(err)
	v, err := at.KV(was.ID).Get(t.Context(), "k")
	check(err)
	check(v.Close())
}
