package node_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// TestJumpKeepsEntries: a clock that is ahead for a moment hides what would have ended by
// then, and nothing is dropped for that, at the centre and at edges, one of which comes
// meanwhile and is told the time.
func TestJumpKeepsEntries(t *testing.T) {
	t.Parallel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ahead atomic.Int64
	var stores []*store.Store
	opened := func(cfg node.Config) node.Config {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		cfg.Observer = &node.Observer{
			Opened:    func(s *store.Store) { stores = append(stores, s) },
			Committed: func(*store.Committed) {}, Mixed: func() {}, Exact: func(bool) {},
		}
		return cfg
	}
	centre := open(t, opened(config()))
	edge := openReady(t, opened(edgeConfig(centre.APIURL())))
	at, near := connect(t, centre, rootToken), connect(t, edge, rootToken)
	ns, err := at.CreateNamespace(t.Context(), "birds", client.NamespaceOptions{})
	check(err)
	_, err = at.KV(ns.ID).Put(t.Context(), "soon", strings.NewReader("v"), client.PutOptions{ExpirationTTL: 30 * time.Minute})
	check(err)
	_, err = near.KV(ns.ID).Get(t.Context(), "soon", client.Strong())
	check(err)

	ahead.Store(int64(time.Hour))
	if _, err := at.KV(ns.ID).Get(t.Context(), "soon"); err == nil {
		t.Error("it is not hidden, which shows that nothing goes by the clock")
	}
	_, err = at.KV(ns.ID).Put(t.Context(), "other", strings.NewReader("v"), client.PutOptions{})
	check(err)
	late := connect(t, openReady(t, opened(edgeConfig(centre.APIURL()))), rootToken)
	for _, s := range stores {
		check(s.Sweep(t.Context()))
	}
	ahead.Store(0)
	for _, c := range []*client.Client{at, near, late} {
		_, err = c.KV(ns.ID).Get(t.Context(), "soon", client.Strong())
		check(err)
	}
	if status := request(t, "GET", centre.APIURL()+"/godwit/v1/status", rootToken, ""); strings.Contains(status.body, "the log's time is") {
		t.Errorf("the log's time was moved: %s", status.body)
	}
}
