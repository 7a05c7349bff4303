package store_test

import (
	"fmt"
	"testing"

	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkClear clears a million keys of 288 bytes, which other writers wait for.
func BenchmarkClear(b *testing.B) {
	const keys = 1_000_000
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
		d.write(clearing(ns1, "a/"))
		b.StopTimer()
		if n, _ := d.NamespaceStats(ns1); n != 0 {
			b.Fatalf("%d keys are left", n)
		}
		d.close()
	}
	b.ReportMetric(float64(keys)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}
