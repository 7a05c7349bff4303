package store_test

import (
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// BenchmarkList is a page of 1,000 keys of 10,000.
func BenchmarkList(b *testing.B) {
	s := benchDisk(b)
	take(b, s, 10_000, (*store.Tx).Install)
	for b.Loop() {
		page, err := s.List(ctx, ns1, godwit.ListQuery{Limit: 1000}, godwit.ReadOptions{})
		if err != nil || len(page.Entries) != 1000 {
			b.Fatal(len(page.Entries), err)
		}
	}
}

// BenchmarkScan is the same page with sizes, with values, and a count of all.
func BenchmarkScan(b *testing.B) {
	s := benchDisk(b)
	take(b, s, 10_000, (*store.Tx).Install)
	for name, scan := range map[string]godwit.Scan{"sizes": {}, "values": {Values: true}, "reverse": {Reverse: true}, "count": {Count: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.List(ctx, ns1, godwit.ListQuery{Limit: 1000, Scan: &scan}, godwit.ReadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
