package edge_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkGet compares a read at an edge with one of its store: hot keys, and
// all, which come from the rows.
func BenchmarkGet(b *testing.B) {
	net := newNetwork()
	c := openCentre(b, net, store.NewMemFS())
	defer c.stop()
	ns := c.namespace("a")
	const all = 20_000
	for from := 0; from < all; from += 1000 {
		c.fill(ns, from, 1000)
	}
	n := startEdge(b, net, nil, edge.Config{Token: rootToken}, c.serving)
	defer n.stop()
	for start := time.Now(); !n.Fresh(time.Minute) || n.store.Revision() < c.store.Revision(); {
		if time.Since(start) > time.Minute {
			b.Fatal("the edge does not become fresh")
		}
		time.Sleep(10 * time.Millisecond)
	}
	keys := make([][]byte, all)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key%05d", i*7919%all)
	}
	for _, size := range []int{100, all} {
		for name, reader := range map[string]godwit.Reader{"store": n.store, "edge": n} {
			b.Run(fmt.Sprintf("keys=%d/%s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				ctx := context.Background()
				for i := 0; b.Loop(); i++ {
					_, served, err := reader.Get(ctx, ns, keys[i%size], godwit.ReadOptions{MaxStaleness: time.Hour})
					if err != nil || served.Status != godwit.StatusHit {
						b.Fatalf("%v, %v", served, err)
					}
				}
			})
		}
	}
}
