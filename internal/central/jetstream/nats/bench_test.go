package nats_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkPut has three members with three stores and three servers in this
// process, every write synced at each server, and 256 writers, spread over them.
func BenchmarkPut(b *testing.B) {
	const writers, keys = 256, 100_000
	m := newMembers(b)
	value := make([]byte, 288)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	put := func(n int) godwit.Transaction {
		return godwit.Transaction{Mutations: []godwit.Mutation{{
			Op: godwit.OpPut, Namespace: benchNamespace, Key: fmt.Sprintf("key-%010d", n), Value: godwit.Value{Inline: value},
		}}}
	}
	var next atomic.Int64
	for name, pick := range map[string]func() int{
		"new":  func() int { return int(next.Add(1)) },
		"over": func() int { return 1 + rand.IntN(keys) },
	} {
		b.Run(name, func(b *testing.B) {
			for next.Load() < keys { // those to be written over
				m.propose(b, 0, put(int(next.Add(1))), put(int(next.Add(1))), put(int(next.Add(1))), put(int(next.Add(1))))
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						m.propose(b, i%len(m), put(pick()))
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

var benchNamespace = godwit.NamespaceID{15: 1}

type members []*jetstream.Member

func newMembers(b *testing.B) members {
	b.Helper()
	w := newWorld(b, 3)
	registry := streamtest.NewRegistry()
	var m members
	for i, p := range w.peers {
		s, err := store.Open(b.Context(), store.Config{Dir: filepath.Join(b.TempDir(), "store"), Follower: true, CacheBytes: 64 << 20})
		if err != nil {
			b.Fatal(err)
		}
		member, err := jetstream.Open(b.Context(), jetstream.Config{
			Store: s, Stream: w.servers[p.Name].stream, Registry: registry, Now: time.Now,
			Self: jetstream.MemberInfo{Name: p.Name, Identity: fmt.Sprint(i)},
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = member.Close()
			_ = s.Close()
		})
		m = append(m, member)
	}
	for _, member := range m {
		for !member.Ready() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	m.propose(b, 0, godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(benchNamespace), Value: godwit.Value{Inline: []byte("{}")},
	}}})
	return m
}

func (m members) propose(b *testing.B, i int, txs ...godwit.Transaction) {
	if _, err := m[i].Propose(context.Background(), txs); err != nil {
		b.Error(err)
	}
}
