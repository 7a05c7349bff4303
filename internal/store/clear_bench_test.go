package store_test

import (
	"fmt"
	"testing"
	"time"

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
