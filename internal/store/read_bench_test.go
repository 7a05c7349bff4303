package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkAbsent reads keys that are not there, by themselves and while batches of
// other keys are written.
func BenchmarkAbsent(b *testing.B) {
	for _, batch := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			d := newDisk(b, store.Config{CacheBytes: 64 << 20, HotBytes: 64 << 20})
			d.write(put(ns1, "k", "v"))
			stop := writeAside(b, d, batch)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := getErr(ctx, d, keyN(i%10000)+"?", godwit.ReadOptions{}); !errors.Is(err, godwit.ErrKeyNotFound) {
					b.Fatal(err)
				}
			}
			stop()
		})
	}
}

// writeAside writes batches one after another until it is told to stop.
func writeAside(b *testing.B, d *disk, batch int) (stop func()) {
	b.Helper()
	var writer sync.WaitGroup
	stopped := make(chan struct{})
	writer.Go(func() {
		for n := 0; batch > 0; {
			select {
			case <-stopped:
				return
			default:
			}
			ms := make([]godwit.Mutation, batch)
			for i := range ms {
				ms[i] = put(ns1, keyN(n%100_000), "v")
				n++
			}
			d.write(ms...)
		}
	})
	return sync.OnceFunc(func() {
		close(stopped)
		writer.Wait()
	})
}
