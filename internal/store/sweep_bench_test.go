package store_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkSweep sweeps rows that are due all at once. What one of them takes must not grow
// with their number, but for what the database needs to hold more.
func BenchmarkSweep(b *testing.B) {
	for name, fill := range map[string]func(d *disk, tx *store.Tx, i int){
		"expired":  fillExpired,
		"requests": fillRequests,
		"garbage":  fillGarbage,
		"versions": fillVersions,
	} {
		for _, rows := range []int{50_000, 200_000} {
			b.Run(fmt.Sprintf("%s/rows=%d", name, rows), func(b *testing.B) { benchmarkSweep(b, rows, fill) })
		}
	}
}

func benchmarkSweep(b *testing.B, rows int, fill func(d *disk, tx *store.Tx, i int)) {
	for range b.N {
		b.StopTimer()
		d := newDisk(b, store.Config{CacheBytes: 256 << 20, BlobGrace: time.Second, Retention: 24 * time.Hour})
		d.write(keeping(ns2, "10s"))
		for from := 0; from < rows; from += 1000 {
			tx := d.Begin()
			tx.Advance(d.clock.Now().UnixMilli())
			for i := range 1000 {
				fill(d, tx, from+i)
			}
			commit(b, tx)
		}
		d.clock.advance(time.Hour)
		d.write(put(godwit.SystemNamespace, "log/time", ""))
		b.StartTimer()
		d.sweep()
		b.StopTimer()
		d.close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}

func (d *disk) applyNext(tx *store.Tx, m godwit.Mutation) {
	r := at(tx.Revision()+1, m)
	r.Created, r.Modified = tx.Time(), tx.Time()
	if err := tx.Apply(r); err != nil {
		d.t.Fatal(err)
	}
}

// benchID is the id of row i.
func benchID(i int) []byte { return binary.BigEndian.AppendUint64(make([]byte, 8, 16), uint64(i)) }

func fillExpired(d *disk, tx *store.Tx, i int) {
	d.applyNext(tx, putUntil(ns1, fmt.Sprintf("%07d", i), "v", d.clock.Now().Unix()+60))
}

func fillRequests(_ *disk, tx *store.Tx, i int) {
	tx.Remember(godwit.RequestKey(benchID(i)), godwit.Result{Revision: 1})
}

func fillGarbage(d *disk, _ *store.Tx, i int) {
	if err := d.Set(store.GarbageKey(nil, d.clock.Now().Unix(), godwit.BlobID(benchID(i))), nil); err != nil {
		d.t.Fatal(err)
	}
}

func fillVersions(d *disk, tx *store.Tx, i int) {
	d.applyNext(tx, put(ns2, fmt.Sprintf("%07d", i/2), "v"))
}
