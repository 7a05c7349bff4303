package edge_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
)

func TestBehind(t *testing.T) {
	var b edge.Behind
	want := func(ns godwit.NamespaceID, held, want godwit.Revision) {
		t.Helper()
		if got := b.Of(ns, held); got != want {
			t.Errorf("at %d: got %d, want %d", held, got, want)
		}
	}
	want(ns1, 0, 0)
	b.Note(ns1, 10)
	b.Note(ns1, 8)
	b.Note(ns2, 20)
	want(ns1, 9, 10)
	want(ns2, 9, 20)
	want(godwit.NamespaceID{7}, 9, 0)
	want(ns1, 10, 0)
	want(ns1, 9, 0) // what was here was forgotten
	want(ns2, 19, 20)
	want(ns2, 20, 0)
	if b.Len() != 0 {
		t.Errorf("%d are left", b.Len())
	}
}

// TestBehindIsBounded: more namespaces than are told apart are all behind.
func TestBehindIsBounded(t *testing.T) {
	var b edge.Behind
	ns := func(i int) (id godwit.NamespaceID) {
		binary.BigEndian.PutUint32(id[:], uint32(i+1))
		return id
	}
	for i := range edge.MaxBehind + 10 {
		b.Note(ns(i), godwit.Revision(100+i))
	}
	last := godwit.Revision(100 + edge.MaxBehind + 9)
	if b.Len() != edge.MaxBehind {
		t.Errorf("%d are told apart", b.Len())
	}
	for _, i := range []int{0, edge.MaxBehind - 1, edge.MaxBehind + 9, edge.MaxBehind + 1000} {
		if got := b.Of(ns(i), 50); got != last {
			t.Errorf("namespace %d: got %d, want %d", i, got, last)
		}
	}
	if got := b.Of(ns(5), last); got != 0 || b.Len() != 0 {
		t.Errorf("got %d, %d left", got, b.Len())
	}
}

// TestBehindTogether is for the race detector too.
func TestBehindTogether(t *testing.T) {
	var b edge.Behind
	var wait sync.WaitGroup
	for i := range 4 {
		ns := godwit.NamespaceID{byte(i)}
		wait.Go(func() {
			for r := godwit.Revision(1); r < 1000; r++ {
				b.Note(ns, r)
				if got := b.Of(ns, 0); got != r {
					t.Errorf("got %d, want %d", got, r)
				}
			}
		})
	}
	wait.Wait()
	if got := b.Of(godwit.NamespaceID{1}, 999); got != 0 || b.Len() != 0 {
		t.Errorf("got %d, %d left", got, b.Len())
	}
}
