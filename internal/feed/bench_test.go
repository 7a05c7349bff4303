package feed_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// overTCP serves a centre on the loopback.
func overTCP(b *testing.B, s *served) *feed.Client {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: s.front(s.server)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	c, err := feed.NewClient(feed.ClientConfig{URL: "http://" + l.Addr().String(), Token: rootToken})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		_ = srv.Close()
		serving.Wait()
	})
	return c
}

// fill writes keys of 288 random bytes.
func (s *served) fill(ns godwit.NamespaceID, keys int) {
	for i := 0; i < keys; i += 1000 {
		var txs []godwit.Transaction
		for j := range 1000 {
			value := make([]byte, 288)
			for k := range value {
				value[k] = byte(rand.Uint32())
			}
			txs = append(txs, put(ns, fmt.Sprintf("key-%010d", i+j), string(value)))
		}
		s.propose(txs...)
	}
}

// BenchmarkCatchUp is what a walk, a round, and pages of heads bring in, decoded.
func BenchmarkCatchUp(b *testing.B) {
	const keys = 200_000
	s := newServed(b, store.Config{}, nil)
	s.fill(s.namespace("a").ID, keys)
	c := overTCP(b, s)
	for name, open := range map[string]func() (*feed.Stream, error){
		"walk":  func() (*feed.Stream, error) { return c.Walk(b.Context(), feed.WalkRequest{}) },
		"heads": func() (*feed.Stream, error) { return c.Walk(b.Context(), feed.WalkRequest{Heads: true}) },
		"round": func() (*feed.Stream, error) { return c.Follow(b.Context(), feed.FollowRequest{After: s.base}) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				st, err := open()
				if err != nil {
					b.Fatal(err)
				}
				drain(b, st, keys)
				_ = st.Close()
			}
			b.ReportMetric(float64(keys*b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

// drain reads until Ready, or the end, and checks the number of keys.
func drain(b *testing.B, st *feed.Stream, keys int) {
	n := 0
	for {
		f, err := st.Next()
		switch f := f.(type) {
		case *feed.Page:
			n += len(f.Records)
		case *feed.Records:
			n += len(f.Records)
		}
		_, ready := f.(*feed.Ready)
		if err == io.EOF || ready {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if n < keys {
		b.Fatalf("%d keys of %d", n, keys)
	}
}

// BenchmarkCommitted is what one commit of one write costs the log, with a
// follower that keeps up.
func BenchmarkCommitted(b *testing.B) {
	s := newServed(b, store.Config{}, nil)
	c := overTCP(b, s)
	st, err := c.Follow(b.Context(), feed.FollowRequest{After: s.position()})
	if err != nil {
		b.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, err := st.Next(); err != nil {
				return
			}
		}
	})
	at := s.store.Revision()
	commit := &store.Committed{Exact: true, Records: []godwit.Record{{Mutation: put(godwit.NamespaceID{1}, "key-0000000001", string(make([]byte, 288))).Mutations[0]}}}
	b.ReportAllocs()
	for b.Loop() {
		commit.Prev, commit.Revision = at, at+1
		at++
		commit.Records[0].Revision = at
		s.server.Committed(commit)
	}
	_ = st.Close()
	reading.Wait()
}

// BenchmarkFanOut is how long a write takes to all of 300 followers at the tail.
func BenchmarkFanOut(b *testing.B) {
	const followers = 300
	s := newServed(b, store.Config{}, nil)
	ns := s.namespace("a").ID
	c := overTCP(b, s)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var reading sync.WaitGroup
	arrived := make(chan struct{}, followers)
	for range followers {
		st, err := c.Follow(b.Context(), feed.FollowRequest{After: s.position()})
		if err != nil {
			b.Fatal(err)
		}
		defer st.Close()
		reading.Go(func() {
			for {
				f, err := st.Next()
				if err != nil {
					return
				}
				if _, ok := f.(*feed.Records); ok {
					arrived <- struct{}{}
				}
			}
		})
	}
	defer reading.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		s.propose(put(ns, "key", string(make([]byte, 288))))
		for range followers {
			<-arrived
		}
	}
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/followers, "B/follower-and-client")
	c.Close()
	_ = s.server.Close(context.Background())
}
