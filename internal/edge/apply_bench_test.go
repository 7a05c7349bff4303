package edge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// BenchmarkApply measures how fast an edge applies what has arrived already:
// batches of a few records, over keys that exist.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batches of %d", size), func(b *testing.B) {
			net := newNetwork()
			u := startUpstream(b, net, "centre")
			n := start(b, options{net: net, at: 100, upstream: []*upstream{u}, cache: 512 << 20})
			defer n.stop()
			n.store.SetOnCommit(nil)
			s := u.next()
			value := string(make([]byte, 256))
			var chunk []byte
			at := godwit.Revision(100)
			s.out <- encode(b, hello(at), ready(at))
			b.ResetTimer()
			for done := 0; done < b.N; done += size {
				var records []godwit.Record
				for i := range size {
					records = append(records, put(ns1, fmt.Sprintf("key%06d", (done+i)*7919%100_000), value, at+1+godwit.Revision(i)))
				}
				chunk = append(chunk, encode(b, feed.Frame(batch(at, records...)))...)
				if at += godwit.Revision(size); len(chunk) > 60_000 {
					s.out <- chunk
					chunk = nil
				}
			}
			s.out <- chunk
			for n.store.Revision() < at {
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
