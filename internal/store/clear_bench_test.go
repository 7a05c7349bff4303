package store_test

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkClear clears keys of 288 bytes, which other writers wait for: with a prefix,
// so that they are read, and as a whole, which reads none. sweep-s is how long the
// sweeper then works on what is left, all in all; others write meanwhile.
func BenchmarkClear(b *testing.B) {
	for _, prefix := range []string{"a/", ""} {
		for _, keys := range []int{100_000, 1_000_000} {
			b.Run(fmt.Sprintf("prefix=%q/keys=%d", prefix, keys), func(b *testing.B) { benchmarkClear(b, prefix, keys) })
		}
	}
}

func benchmarkClear(b *testing.B, prefix string, keys int) {
	b.ReportAllocs()
	sweep := 0.0
	for range b.N {
		b.StopTimer()
		d := newDisk(b, store.Config{CacheBytes: 256 << 20})
		value := string(make([]byte, 288))
		for from := 0; from < keys; from += 1000 {
			tx := d.Begin()
			for i := range 1000 {
				if err := tx.Apply(at(tx.Revision()+1, put(ns1, fmt.Sprintf("a/%07d", from+i), value))); err != nil {
					b.Fatal(err)
				}
			}
			commit(b, tx)
		}
		b.StartTimer()
		d.write(clearing(ns1, prefix))
		b.StopTimer()
		if n, _ := d.NamespaceStats(ns1); n != 0 {
			b.Fatalf("%d keys are left", n)
		}
		sweep += sweepToEnd(b, d)
		d.close()
	}
	b.ReportMetric(sweep/float64(b.N), "sweep-s")
}

// sweepToEnd sweeps until no row of a cleared namespace waits, and returns how many
// seconds it took.
func sweepToEnd(b *testing.B, d *disk) float64 {
	b.Helper()
	began := time.Now()
	for {
		d.sweep()
		row, err := d.Row(store.WipedKey(ns1))
		if err != nil {
			b.Fatal(err)
		}
		if row == nil {
			return time.Since(began).Seconds()
		}
	}
}

// BenchmarkClearHistory clears 300,000 keys of 288 bytes of a namespace that keeps
// history, on a disk. peak-MB is the memory that the process had of the system meanwhile,
// and before-MB what it had when that began.
func BenchmarkClearHistory(b *testing.B) {
	var before, peak uint64
	for range b.N {
		b.StopTimer()
		s, err := store.Open(b.Context(), store.Config{Dir: b.TempDir(), CacheBytes: 8 << 20, Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		write := func(mutations ...godwit.Mutation) {
			tx := s.Begin()
			for _, m := range mutations {
				if err := tx.Apply(at(tx.Revision()+1, m)); err != nil {
					b.Fatal(err)
				}
			}
			commit(b, tx)
		}
		write(keeping(ns1, "2"))
		value := string(make([]byte, 288))
		for from := 0; from < 300_000; from += 1000 {
			var puts []godwit.Mutation
			for i := range 1000 {
				puts = append(puts, put(ns1, fmt.Sprintf("a/%07d", from+i), value))
			}
			write(puts...)
		}
		runtime.GC()
		debug.FreeOSMemory()
		before = max(before, heldMemory())
		stop := sampleMemory(&peak)
		b.StartTimer()
		write(clearing(ns1, ""))
		b.StopTimer()
		stop()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(before>>20), "before-MB")
	b.ReportMetric(float64(peak>>20), "peak-MB")
}

// heldMemory is what the Go runtime has of the system, in bytes.
func heldMemory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// sampleMemory raises peak to the most that heldMemory is until stop is called.
func sampleMemory(peak *uint64) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			*peak = max(*peak, heldMemory())
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}
