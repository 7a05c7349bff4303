package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

const benchKeys = 1_000_000

func benchRecord(i int, value []byte) *godwit.Record {
	m := godwit.Mutation{Op: godwit.OpPut, Namespace: ns1, Key: fmt.Sprintf("key-%010d", i), Value: godwit.Value{Inline: value}}
	return &godwit.Record{Mutation: m, Revision: godwit.Revision(i + 1), Created: 1_767_225_600_000, Modified: 1_767_225_600_000}
}

func benchDisk(b *testing.B) *store.Store {
	s, err := store.Open(ctx, store.Config{Dir: b.TempDir(), Follower: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// take gives a store n records of 288 bytes, in transactions of 4096.
func take(b *testing.B, s *store.Store, n int, fn func(*store.Tx, *godwit.Record) error) {
	value := make([]byte, 0, 288)
	for len(value) < 288 {
		value = binary.LittleEndian.AppendUint64(value, rand.Uint64())
	}
	for i := 0; i < n; {
		tx := s.Begin()
		for end := min(i+4096, n); i < end; i++ {
			if err := fn(tx, benchRecord(i%benchKeys, value)); err != nil {
				b.Fatal(err)
			}
		}
		c, err := tx.Commit(store.NoSync)
		if err == nil {
			err = c.Wait()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInstall is a first copy, as fast as the store takes it.
func BenchmarkInstall(b *testing.B) { take(b, benchDisk(b), b.N, (*store.Tx).Install) }

// BenchmarkInstallAgain is a copy over one that is there.
func BenchmarkInstallAgain(b *testing.B) {
	s := benchDisk(b)
	take(b, s, benchKeys, (*store.Tx).Install)
	b.ResetTimer()
	take(b, s, b.N, (*store.Tx).Install)
}

func BenchmarkView(b *testing.B) {
	s := benchDisk(b)
	take(b, s, benchKeys, (*store.Tx).Apply)
	v, err := s.View(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	each := func(b *testing.B, look func(fn func(*godwit.Record) error) error) {
		for n := 0; n < b.N; {
			err := look(func(*godwit.Record) error {
				if n++; n == b.N {
					return context.Canceled
				}
				return nil
			})
			if err != nil && n < b.N {
				b.Fatal(err)
			}
		}
	}
	b.Run("walk", func(b *testing.B) {
		each(b, func(fn func(*godwit.Record) error) error { return v.Walk(ctx, nil, true, fn) })
	})
	b.Run("changes", func(b *testing.B) {
		each(b, func(fn func(*godwit.Record) error) error { return v.Changes(ctx, 0, benchKeys, fn) })
	})
}
