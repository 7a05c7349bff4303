package store

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"

	"github.com/godwitkv/godwit"
)

// TestRequestFilter: a key that was remembered within the window is never said to be
// absent, however many come and however time passes; one that was not nearly always is.
func TestRequestFilter(t *testing.T) {
	window := RequestWindow.Milliseconds()
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var f requestFilter
		now := int64(1_700_000_000_000)
		known := make(map[godwit.RequestKey]int64)
		var order []godwit.RequestKey
		key := func() (k godwit.RequestKey) {
			binary.LittleEndian.PutUint64(k[:8], rng.Uint64())
			binary.LittleEndian.PutUint64(k[8:], rng.Uint64())
			return k
		}
		asked, missed := 0, 0
		for step := range 60_000 {
			if seed%2 == 0 || step%20_000 < 10_000 { // bursts and lulls
				now += rng.Int64N(50)
			} else {
				now += rng.Int64N(window / 100)
			}
			if rng.IntN(20_000) == 0 {
				now += 3 * window
			}
			if rng.IntN(30_000) == 0 { // what it knew is in the database all the same
				f.restart()
			}
			k := key()
			f.add(now, k)
			known[k], order = now, append(order, k)
			old := order[rng.IntN(len(order))]
			if now-known[old] <= window && f.absent(now, old) {
				t.Fatalf("seed %d, step %d: a key of %d ms ago is said to be absent", seed, step, now-known[old])
			}
			if now-f.began > window {
				if asked++; !f.absent(now, key()) {
					missed++
				}
			}
		}
		if asked < 1000 || missed*10 > asked {
			t.Errorf("seed %d: of %d new keys %d had to be looked up", seed, asked, missed)
		}
		bytes := 0
		for _, p := range f.parts {
			bytes += len(p.bits) * 8
		}
		if bytes > 1<<20 {
			t.Errorf("seed %d: %d bytes are held", seed, bytes)
		}
	}
}

// TestRequestFilterOfMany: of so many keys as an import brings, few new ones are taken for
// one of them.
func TestRequestFilterOfMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	key := func() (k godwit.RequestKey) {
		binary.LittleEndian.PutUint64(k[:8], rng.Uint64())
		binary.LittleEndian.PutUint64(k[8:], rng.Uint64())
		return k
	}
	f := requestFilter{whole: true}
	const now, asked = 1_700_000_000_000, 1000
	for n := range 1_000_000 {
		if n&(n-1) == 0 {
			missed := 0
			for range asked {
				if !f.absent(now, key()) {
					missed++
				}
			}
			if missed > asked/25 {
				t.Errorf("of %d new keys beside %d %d had to be looked up", asked, n, missed)
			}
		}
		f.add(now, key())
	}
}

// TestRequestFilterLetsGo: what was remembered before the last window takes no memory.
func TestRequestFilterLetsGo(t *testing.T) {
	window := RequestWindow.Milliseconds()
	now := int64(1_700_000_000_000)
	var f requestFilter
	for n := range 3 {
		f.add(now+int64(n)*window/2, godwit.RequestKey{byte(n)})
	}
	if len(f.parts) != 3 {
		t.Fatalf("%d parts, want 3", len(f.parts))
	}
	oldest, newest := weak.Make(&f.parts[0].bits[0]), weak.Make(&f.parts[2].bits[0])
	f.absent(now+window+1, godwit.RequestKey{})
	runtime.GC()
	if oldest.Value() != nil {
		t.Error("the oldest part is still held")
	}
	if newest.Value() == nil {
		t.Error("the newest part is gone")
	}
	runtime.KeepAlive(&f)
}
