package feed_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkReconcile copies keys of 288 random bytes over the loopback, from disk
// to disk, and then again where nothing, or one in ten, has changed.
func BenchmarkReconcile(b *testing.B) {
	const keys = 300_000
	up := newBenchCentre(b, keys)
	run := func(b *testing.B, s *store.Store) {
		b.Helper()
		c, err := feed.NewClient(feed.ClientConfig{URL: up.url, Token: rootToken})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		r := feed.Reconcile{Store: s, Client: c, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
		done, err := r.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		settle(b, s, done)
	}
	fresh := func(b *testing.B) *store.Store {
		b.Helper()
		s, err := store.Open(b.Context(), store.Config{Dir: b.TempDir(), Follower: true})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	rate := func(b *testing.B, cpu time.Duration) {
		b.ReportMetric(float64(b.N)*keys/b.Elapsed().Seconds(), "keys/s")
		b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/keys, "cpu-ns/key")
	}
	b.Run("first copy", func(b *testing.B) {
		b.ReportAllocs()
		var cpu time.Duration
		for b.Loop() {
			b.StopTimer()
			s := fresh(b)
			began := cpuTime(b)
			b.StartTimer()
			run(b, s)
			b.StopTimer()
			cpu += cpuTime(b) - began
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		rate(b, cpu)
	})
	b.Run("again", func(b *testing.B) {
		s := fresh(b)
		defer s.Close()
		run(b, s)
		for changed, name := range map[int]string{0: "nothing differs", keys / 10: "one in ten differs"} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				var cpu time.Duration
				for b.Loop() {
					b.StopTimer()
					up.fill(b, changed, func() int { return rand.IntN(keys) })
					began := cpuTime(b)
					b.StartTimer()
					run(b, s)
					cpu += cpuTime(b) - began
				}
				rate(b, cpu)
			})
		}
	})
}

// cpuTime is the processor time of the process so far, which other work on the
// machine does not change.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func settle(b *testing.B, s *store.Store, done *feed.Reconciled) {
	b.Helper()
	tx := s.Begin()
	if err := done.Settle(tx); err != nil {
		b.Fatal(err)
	}
	commit, err := tx.Commit(store.NoSync)
	if err == nil {
		err = commit.Wait()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// benchCentre is a centre on the machine's disk and network.
type benchCentre struct {
	log *embedded.Log
	ns  godwit.NamespaceID
	url string
}

func newBenchCentre(b *testing.B, keys int) *benchCentre {
	b.Helper()
	s, err := store.Open(context.Background(), store.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	l, err := embedded.Open(context.Background(), embedded.Config{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	cat, err := catalog.Open(context.Background(), catalog.Config{Source: s, Log: l, RootToken: rootToken, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	s.SetOnSystem(cat.Apply)
	server := feed.NewServer(feed.ServerConfig{
		Store: s, Reader: s, Log: l, Uploader: s, Catalog: func() *catalog.Catalog { return cat }, Limits: godwit.DefaultLimits(),
		Owner: true, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := cat.Authenticate(r.Context(), []byte(rootToken))
		if err != nil {
			b.Error(err)
			return
		}
		server.ServeHTTP(w, r.WithContext(godwit.WithCredential(r.Context(), rootToken)), p)
	})}
	go func() { _ = srv.Serve(listener) }()
	b.Cleanup(func() {
		_ = server.Close(context.Background())
		_ = srv.Close()
		_ = l.Close()
		_ = s.Close()
	})
	ns, err := cat.CreateNamespace(context.Background(), "bench", "", godwit.RequestKey{})
	if err != nil {
		b.Fatal(err)
	}
	up := &benchCentre{log: l, ns: ns.ID, url: "http://" + listener.Addr().String()}
	next := 0
	up.fill(b, keys, func() int { next++; return next - 1 })
	for s.Stats().Busy {
		time.Sleep(50 * time.Millisecond)
	}
	return up
}

// fill puts n keys, by the numbers that key gives.
func (c *benchCentre) fill(b *testing.B, n int, key func() int) {
	b.Helper()
	random := rand.NewChaCha8([32]byte{1})
	for n > 0 {
		var txs []godwit.Transaction
		for ; n > 0 && len(txs) < 2000; n-- {
			value := make([]byte, 288)
			_, _ = random.Read(value)
			txs = append(txs, writes(c.ns, fmt.Sprintf("key-%010d", key()), value))
		}
		if _, err := c.log.Propose(context.Background(), txs); err != nil {
			b.Fatal(err)
		}
	}
}
