package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
)

// openDisk is a store and its log on the machine's disk, with keys of 288 bytes.
func openDisk(b *testing.B, keys int) (*store.Store, *embedded.Log) {
	b.Helper()
	s, err := store.Open(context.Background(), store.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	l, err := embedded.Open(context.Background(), embedded.Config{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(l.Close(), s.Close()); err != nil {
			b.Error(err)
		}
	})
	if _, err := l.Propose(context.Background(), []godwit.Transaction{createNamespace(namespaceID(0))}); err != nil {
		b.Fatal(err)
	}
	for i := 0; i < keys; i += 1000 {
		var txs []godwit.Transaction
		for j := range 1000 {
			txs = append(txs, put(namespaceID(0), benchKey(i+j), benchValue()))
		}
		if _, err := l.Propose(context.Background(), txs); err != nil {
			b.Fatal(err)
		}
	}
	for s.Stats().Busy {
		time.Sleep(50 * time.Millisecond)
	}
	return s, l
}

// cpuTime reports what the benchmark cost in processor time, which other work on
// the machine does not change.
func cpuTime(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

func benchKey(i int) string { return fmt.Sprintf("key-%010d", i) }

func benchValue() []byte {
	v := make([]byte, 0, 288)
	for len(v) < 288 {
		v = binary.LittleEndian.AppendUint64(v, rand.Uint64())
	}
	return v
}

func BenchmarkPropose(b *testing.B) {
	for _, run := range []struct {
		name    string
		writers int
		history string
	}{
		{"overwrite", 1, ""}, {"overwrite", 64, ""}, {"overwrite", 256, ""}, {"history", 64, "10"},
	} {
		writers := run.writers
		b.Run(fmt.Sprintf("%s/writers=%d", run.name, writers), func(b *testing.B) {
			const keys = 1_000_000
			_, l := openDisk(b, keys)
			keepHistory(b, l, run.history)
			value := benchValue()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			defer cpuTime(b)()
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						tx := put(namespaceID(0), benchKey(rand.IntN(keys)), value)
						if _, err := l.Propose(context.Background(), []godwit.Transaction{tx}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkFlooded is a write while others keep some 100,000 waiting in one namespace: in
// another one, whose turn comes with the next batch, and in the same, whose queue it stands
// in.
func BenchmarkFlooded(b *testing.B) {
	for n, name := range []string{"the same namespace", "another namespace"} {
		b.Run(name, func(b *testing.B) {
			_, l := openDisk(b, 1000)
			if _, err := l.Propose(context.Background(), []godwit.Transaction{createNamespace(namespaceID(1))}); err != nil {
				b.Fatal(err)
			}
			defer flood(b, l, 100)()
			for b.Loop() {
				if _, err := l.Propose(context.Background(), []godwit.Transaction{put(namespaceID(n), "one", benchValue())}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// flood has so many writers of 1,000 keys each in namespace 0, until what it returns is
// called.
func flood(b *testing.B, l *embedded.Log, writers int) (stop func()) {
	b.Helper()
	var flooding sync.WaitGroup
	var stopped atomic.Bool
	var written atomic.Int64
	for range writers {
		txs := make([]godwit.Transaction, 1000)
		for i := range txs {
			txs[i] = put(namespaceID(0), benchKey(i), benchValue())
		}
		flooding.Go(func() {
			for !stopped.Load() {
				if _, err := l.Propose(context.Background(), txs); err != nil {
					b.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	for written.Load() == 0 { // the queue is full then
		time.Sleep(time.Millisecond)
	}
	return func() {
		stopped.Store(true)
		flooding.Wait()
	}
}

func BenchmarkGet(b *testing.B) {
	const keys = 1_000_000
	s, _ := openDisk(b, keys)
	for _, among := range []int{10_000, keys} {
		b.Run(fmt.Sprintf("among=%d", among), func(b *testing.B) {
			b.ReportAllocs()
			var key []byte
			defer cpuTime(b)()
			for i := 0; b.Loop(); i++ {
				key = fmt.Appendf(key[:0], "key-%010d", rand.IntN(among))
				if _, _, err := s.Get(context.Background(), namespaceID(0), key, godwit.ReadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// keepHistory has the namespace of the benchmarks keep earlier versions.
func keepHistory(b *testing.B, l *embedded.Log, history string) {
	b.Helper()
	tx := createNamespace(namespaceID(0))
	tx.Mutations[0].Value.Inline = fmt.Appendf(nil, `{"settings":{"history":%q}}`, history)
	if _, err := l.Propose(context.Background(), []godwit.Transaction{tx}); err != nil {
		b.Fatal(err)
	}
}
