package store_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestHotKeysAreExact lets readers run against a writer. No key goes back to an
// older revision; whoever sees B sees the A that was written before it; and of a
// key that one commit changes twice only the last is seen.
func TestHotKeysAreExact(t *testing.T) {
	for name, cfg := range map[string]store.Config{
		"roomy":    {CacheBytes: 8 << 20, HotBytes: 8 << 20},
		"crowded":  {CacheBytes: 1, HotBytes: 1},
		"rows":     {CacheBytes: 8 << 20, HotBytes: 1},
		"database": {CacheBytes: 1, HotBytes: 8 << 20},
	} {
		t.Run(name, func(t *testing.T) { raceReaders(t, newDisk(t, cfg), 600/effort) })
	}
}

const hotPairs = 4

func raceReaders(t *testing.T, d *disk, rounds int) {
	writePairs(d, 1)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			var last [hotPairs][2]godwit.Revision
			for !stop.Load() && !t.Failed() {
				for i := range hotPairs {
					readPair(t, d, i, &last[i])
				}
			}
		})
	}
	for n := 2; n < rounds && !t.Failed(); n++ {
		writePairs(d, n)
	}
	stop.Store(true)
	readers.Wait()
}

// writePairs writes number n under A and then under B of each pair, some with
// values in rows of their own, and in one commit something that nobody may see.
func writePairs(d *disk, n int) {
	for i := range hotPairs {
		text := strconv.Itoa(n) + strings.Repeat(" ", n%3*600)
		d.write(put(ns1, fmt.Sprint("a", i), text))
		if n%5 == 0 {
			d.write(put(ns1, fmt.Sprint("b", i), "0"), del(ns1, fmt.Sprint("b", i)), put(ns1, fmt.Sprint("b", i), text))
			continue
		}
		d.write(put(ns1, fmt.Sprint("b", i), "0"), put(ns1, fmt.Sprint("b", i), text))
	}
}

func readPair(t *testing.T, d *disk, pair int, last *[2]godwit.Revision) {
	var seen [2]int
	for j, name := range []string{"b", "a"} {
		e, served, err := d.Get(ctx, ns1, []byte(fmt.Sprint(name, pair)), godwit.ReadOptions{})
		if err != nil {
			t.Errorf("get: %v", err)
			return
		}
		if e.Revision < last[j] || served.Revision < e.Revision {
			t.Errorf("%s%d went from revision %d to %d, served at %d", name, pair, last[j], e.Revision, served.Revision)
		}
		last[j] = e.Revision
		if seen[j], err = strconv.Atoi(strings.TrimSpace(string(e.Value.Inline))); err != nil || seen[j] == 0 {
			t.Errorf("%s%d: value %.20q", name, pair, e.Value.Inline)
		}
	}
	if seen[1] < seen[0] {
		t.Errorf("pair %d: b has %d, but a has only %d", pair, seen[0], seen[1])
	}
}

// TestHotKeyOfDroppedNamespace: a dropped namespace leaves nothing in memory.
func TestHotKeyOfDroppedNamespace(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "k", "v"), put(ns2, "k", "v"))
	d.wantValue(ns1, "k", "v")
	d.wantValue(ns1, "k", "v")
	if !d.Hot(ns1, "k") {
		t.Fatal("the key is not hot, so this tests nothing")
	}
	d.write(put(ns1, "late", "v"), dropNS(ns1))
	// deleting a namespace that has no entry of its own drops it all the same
	d.wantAbsent(ns1, "k")
	d.wantAbsent(ns1, "late")
	d.wantValue(ns2, "k", "v")
	d.sweep()
	d.wantStats(ns1, 0, 0)
	d.healthy()
}

// TestHotKeysThatAreCleared: what is cleared leaves nothing in memory, and if it is
// little, all else stays there.
func TestHotKeysThatAreCleared(t *testing.T) {
	d := newDisk(t, store.Config{CacheBytes: 8 << 20, HotBytes: 8 << 20})
	d.write(put(ns1, "k/1", "v"), put(ns1, "other", "v"), put(ns2, "else", "v"))
	heat := func() {
		for range 3 {
			d.wantValue(ns1, "other", "v")
			d.wantValue(ns2, "else", "v")
		}
	}
	heat()
	d.wantValue(ns1, "k/1", "v")
	d.wantValue(ns1, "k/1", "v")
	if !d.Hot(ns1, "k/1") || !d.Hot(ns1, "other") {
		t.Fatal("the keys are not hot, so this tests nothing")
	}
	d.write(clearing(ns1, "k/"))
	if d.wantAbsent(ns1, "k/1"); d.Hot(ns1, "k/1") || !d.Hot(ns1, "other") || !d.Hot(ns2, "else") {
		t.Errorf("hot: %t, %t and %t", d.Hot(ns1, "k/1"), d.Hot(ns1, "other"), d.Hot(ns2, "else"))
	}
	var many []godwit.Mutation
	for i := range 700 {
		many = append(many, put(ns1, fmt.Sprint("k/", i), "v"))
	}
	d.write(many...)
	for range 3 {
		d.wantValue(ns1, "k/699", "v")
	}
	d.write(clearing(ns1, "k/"))
	if d.wantAbsent(ns1, "k/699"); d.Hot(ns1, "k/699") {
		t.Error("a key is hot that was cleared with many")
	}
	heat()
	d.healthy()
}

// TestScanDoesNotClearHotKeys: reading many keys once leaves those in place that
// are read again and again.
func TestScanDoesNotClearHotKeys(t *testing.T) {
	d := newDisk(t, store.Config{CacheBytes: 1, HotBytes: 64 << 10})
	for i := 0; i < 2000; i += 500 {
		var ms []godwit.Mutation
		for j := range 500 {
			ms = append(ms, put(ns1, keyN(i+j), strings.Repeat("v", 300)))
		}
		d.write(ms...)
	}
	for range 3 {
		for i := range 10 {
			d.wantValue(ns1, keyN(i), strings.Repeat("v", 300))
		}
	}
	for i := 100; i < 2000; i++ {
		d.wantValue(ns1, keyN(i), strings.Repeat("v", 300))
	}
	kept := 0
	for i := range 10 {
		if d.Hot(ns1, keyN(i)) {
			kept++
		}
	}
	if kept < 5 {
		t.Errorf("only %d of 10 hot keys are left after a scan", kept)
	}
}

func TestHotGetAllocatesNothing(t *testing.T) {
	d := newDisk(t, store.Config{})
	d.write(put(ns1, "some/key", strings.Repeat("v", 288)))
	key := []byte("some/key")
	if n := testing.AllocsPerRun(1000, func() {
		if _, _, err := d.Get(ctx, ns1, key, godwit.ReadOptions{}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a hot get allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _, _ = d.Get(ctx, ns1, key[:3], godwit.ReadOptions{}) }); n > 4 {
		t.Errorf("an absent get allocates %v times", n)
	}
}
